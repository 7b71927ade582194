import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compareBodies } from '../../scripts/contracts/parity/body.ts'
import { compareCell } from '../../scripts/contracts/parity/compare.ts'
import {
  type Cell,
  type ContractDocument,
  examplesOf,
  follow,
  isMediaType,
  listCells,
  listOperations,
  nameOfCell,
  readDocument,
} from '../../scripts/contracts/parity/contract.ts'
import type { WitnessReply } from '../../scripts/contracts/parity/witness.ts'
import type { Json, JsonObject } from '../../scripts/generate/json.ts'

const root = join(import.meta.dirname, '../..')
const document = readDocument(root)
const cells = new Map(listCells(document).map((cell) => [nameOfCell(cell), cell]))

function cellOf(name: string): Cell {
  const cell = cells.get(name)
  if (cell === undefined) throw new Error(`the contract has no ${name}`)
  return cell
}

/** What the contract shows for a cell, as an answer. */
function answerOf(cell: Cell): WitnessReply {
  const responses = listOperations(document).get(cell.operationId)?.responses as JsonObject
  const { headers = {} } = follow(document, responses[String(cell.status)])
  const shown = Object.entries(headers as JsonObject).map(([name, written]) => {
    const [example] = examplesOf(document, follow(document, written))
    return [name.toLowerCase(), String(example?.value)]
  })
  const type = cell.mediaType === null ? {} : { 'content-type': cell.mediaType }
  return {
    status: cell.status,
    mediaType: cell.mediaType,
    headers: { date: null, 'x-served-by': 'mock', ...type, ...Object.fromEntries(shown) },
    ...(cell.schema !== null && { json: structuredClone(cell.examples[0]?.value as Json) }),
    ...(cell.schema === null && cell.mediaType !== null && { text: String(cell.examples[0]?.value) }),
  }
}

type Change = (answer: WitnessReply) => void
const withHeader = (name: string, value: string | null): Change => {
  return ({ headers }) => {
    if (value === null) delete headers[name]
    else headers[name] = value
  }
}
const withMember = (path: string, value: Json | undefined): Change => {
  return ({ json }) => {
    const names = path.split('/').slice(1)
    const last = names.pop() as string
    const owner = names.reduce<JsonObject>((node, name) => node[name] as JsonObject, json as JsonObject)
    if (value === undefined) delete owner[last]
    else owner[last] = value
  }
}

/** What the differ says when one side's answer is changed, as `matter at: message`. */
function find(name: string, { real, mock }: { real?: Change; mock?: Change }): string[] {
  const cell = cellOf(name)
  const [left, right] = [answerOf(cell), answerOf(cell)]
  delete left.headers['x-served-by']
  real?.(left)
  mock?.(right)
  const found = compareCell(document, cell, { real: [left], mock: [right] })
  return found.map(({ matter, at, message }) => `${matter} ${at}: ${message}`)
}

const REVENUE = 'getRealtimeRevenueV1 200 application/json'
const LOGIN_401 = 'login 401 application/problem+json'

describe('a planted disagreement is named', () => {
  test.each<[string, string, { real?: Change; mock?: Change }, RegExp]>([
    ['a header that the mock lacks', REVENUE, { mock: withHeader('etag', null) }, /^header etag: the mock lacks/],
    [
      'a header that the server lacks',
      REVENUE,
      { real: withHeader('etag', null) },
      /^header etag: the real server lacks/,
    ],
    [
      'a header of nobody',
      REVENUE,
      { mock: withHeader('x-debug', '1') },
      /^header x-debug: the mock sends .* not documented/,
    ],
    [
      'a header of the mock, on the server',
      REVENUE,
      { real: withHeader('x-served-by', 'real') },
      /^header x-served-by: the real/,
    ],
    [
      'Accept anywhere but on 415',
      REVENUE,
      { real: withHeader('accept', '*/*') },
      /^header accept: the real server sends/,
    ],
    [
      'a header with a wrong value',
      REVENUE,
      { mock: withHeader('etag', 'b736') },
      /^header etag: the mock: .* pattern/,
    ],
    [
      'a fixed header with two values',
      REVENUE,
      { mock: withHeader('cache-control', 'no-store') },
      /^header cache-control: the real server says "private/,
    ],
    [
      'a surplus field',
      REVENUE,
      { real: withMember('/password', 'x') },
      /^body \/password: the real server has .* not documented/,
    ],
    [
      'a missing field',
      REVENUE,
      { mock: withMember('/orders', undefined) },
      /^body \/orders: the mock lacks .* required/,
    ],
    [
      'a field of another type',
      REVENUE,
      { mock: withMember('/orders', '3') },
      /^body \/orders: the mock has a string where an integer/,
    ],
    [
      'a fraction for an integer',
      REVENUE,
      { mock: withMember('/revenue/amount_minor', 0.5) },
      /^body \/revenue\/amount_minor: the mock has a number where an integer/,
    ],
    [
      'null where it is forbidden',
      REVENUE,
      { real: withMember('/revenue', null) },
      /^body \/revenue: the real server has null where an object/,
    ],
    [
      'a text of another format',
      REVENUE,
      { mock: withMember('/since', 'yesterday') },
      /^body \/since: the mock has a text that is no date-time/,
    ],
    [
      'a value outside its list',
      REVENUE,
      { real: withMember('/interval', 'week') },
      /^body \/interval: the real server has "week"/,
    ],
    [
      'a wrong item of a list',
      REVENUE,
      { mock: withMember('/other_currencies', [{ amount_minor: 1 }]) },
      /^body \/other_currencies\/\*\/currency: the mock lacks/,
    ],
    [
      'another status',
      REVENUE,
      { mock: (answer) => Object.assign(answer, { status: 203 }) },
      /^status : the mock answers 203 instead of 200/,
    ],
    [
      'another media type',
      REVENUE,
      { mock: withHeader('content-type', 'text/html') },
      /^media_type : the mock answers with text\/html/,
    ],
    ['no JSON in JSON', REVENUE, { mock: (answer) => void delete answer.json }, /^body : the mock sends no JSON/],
    [
      'a body of an answer that has none',
      'getRealtimeRevenueV1 304',
      { mock: (answer) => Object.assign(answer, { text: 'x' }) },
      /^body : the mock sends a body/,
    ],
    [
      'a code of another answer',
      LOGIN_401,
      { real: withMember('/code', 'forbidden') },
      /^problem \/code: the real server has the code forbidden, which 401/,
    ],
    [
      'a code of no registry',
      LOGIN_401,
      { mock: withMember('/code', 'oops') },
      /^problem \/code: the mock has the code oops, which is in no registry/,
    ],
    [
      'a code with the type of another',
      LOGIN_401,
      { mock: withMember('/type', '/docs/problems/forbidden') },
      /^problem \/type: the mock has the type/,
    ],
    [
      'a code with the title of another',
      LOGIN_401,
      { mock: withMember('/title', 'Gone') },
      /^problem \/title: the mock has the title "Gone"/,
    ],
    [
      'a status that the body denies',
      LOGIN_401,
      { mock: withMember('/status', 403) },
      /^problem \/status: the mock says the status 403/,
    ],
  ])('%s', (_, name, change, expected) => {
    const found = find(name, change)
    expect(found.filter((line) => expected.test(line))).not.toEqual([])
  })

  test('an answer that no test has produced', () => {
    const cell = cellOf(REVENUE)
    expect(compareCell(document, cell, { real: [], mock: [answerOf(cell)] })).toMatchObject([{ matter: 'witness' }])
  })
})

describe('what the contract leaves open is no disagreement', () => {
  test('two answers as the contract shows them, of every cell', () => {
    expect(cells.size).toBeGreaterThan(500)
    for (const name of cells.keys()) expect(find(name, {}), name).toEqual([])
  })

  test.each<[string, { real?: Change; mock?: Change }]>([
    ['other values', { real: withMember('/orders', 7) }],
    ['null where it is allowed', { real: withMember('/data_as_of', null) }],
    ['an empty list and one with items', { mock: withMember('/other_currencies', []) }],
    ['an optional header', { real: withHeader('ratelimit', null) }],
    ['headers of the connection', { real: withHeader('keep-alive', 'timeout=5') }],
  ])('%s', (_, change) => {
    expect(find(REVENUE, change)).toEqual([])
  })
})

describe('the shape of a body, by the schema', () => {
  const money = {
    type: 'object',
    required: ['amount'],
    properties: { amount: { type: 'integer' } },
    additionalProperties: false,
  }
  const components = { schemas: { Money: money } }
  const schemas: Record<string, JsonObject> = {
    choice: {
      oneOf: [
        {
          type: 'object',
          required: ['kind', 'a'],
          properties: { kind: { const: 'A' }, a: { type: 'string' } },
          additionalProperties: false,
        },
        {
          type: 'object',
          required: ['kind', 'b'],
          properties: { kind: { const: 'B' }, b: { type: 'null' } },
          additionalProperties: false,
        },
      ],
    },
    joined: {
      allOf: [{ $ref: '#/components/schemas/Money' }],
      type: 'object',
      required: ['at'],
      properties: { amount: {}, at: { type: ['string', 'null'], format: 'date' } },
    },
    open: { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'integer' } },
    list: { type: 'array', items: { $ref: '#/components/schemas/Money' } },
  }
  const compare = (schema: string, real: Json[], mock: Json[]) => {
    const own = { paths: {}, components } as unknown as ContractDocument
    const cell = { ...cellOf(REVENUE), schema: schemas[schema] as JsonObject }
    return compareBodies(own, cell, { real, mock }).map(({ at, message }) => `${at} ${message}`)
  }

  test.each<[string, string, Json[], Json[]]>([
    ['two branches of a choice', 'choice', [{ kind: 'A', a: 'x' }], [{ kind: 'B', b: null }]],
    ['an open member', 'open', [{ x: 1 }], [{ a: 'text' }]],
    ['parts of `allOf`', 'joined', [{ amount: 1, at: null }], [{ amount: 2, at: '2026-11-20' }]],
    ['lists of any length', 'list', [[]], [[{ amount: 1 }, { amount: 2 }]]],
  ])('agrees: %s', (_, schema, real, mock) => {
    expect(compare(schema, real, mock)).toEqual([])
  })

  test.each<[string, string, Json[], Json[], string]>([
    [
      'a member of no branch',
      'choice',
      [{ kind: 'A', a: 'x', c: 1 }],
      [],
      '/c the real server has this member, which is not documented',
    ],
    [
      'what all branches demand',
      'choice',
      [{ a: 'x' }],
      [],
      '/kind the real server lacks this member, which is required',
    ],
    [
      'a value of no branch',
      'choice',
      [],
      [{ kind: 'C', a: 'x' }],
      '/kind the mock has "C", which is not one of the documented values',
    ],
    [
      'an open member of another type',
      'open',
      [{ x: 'y' }],
      [],
      '/x the real server has a string where an integer is documented',
    ],
    [
      'what a part of `allOf` demands',
      'joined',
      [{ at: null }],
      [],
      '/amount the real server lacks this member, which is required',
    ],
    [
      'what another part narrows',
      'joined',
      [{ amount: 'x', at: null }],
      [],
      '/amount the real server has a string where an integer is documented',
    ],
    [
      'one item among many',
      'list',
      [],
      [[{ amount: 1 }, {}]],
      '/*/amount the mock lacks this member, which is required',
    ],
    [
      'one text among many',
      'joined',
      [
        { amount: 1, at: '2026-11-20' },
        { amount: 1, at: 'soon' },
      ],
      [],
      '/at the real server has a text that is no date',
    ],
  ])('names: %s', (_, schema, real, mock, expected) => {
    expect(compare(schema, real, mock)).toEqual([expected])
  })
})

describe('media types', () => {
  test.each([
    ['application/json', 'application/json', true],
    ['application/json', 'application/json; charset=utf-8', true],
    ['text/plain; version=0.0.4', 'text/plain;version=0.0.4; charset=utf-8', true],
    ['text/plain; version=0.0.4', 'text/plain', false],
    ['application/json', 'application/problem+json', false],
    ['application/json', undefined, false],
    [null, undefined, true],
    [null, 'text/html', false],
  ])('%s documented, %s sent: %s', (documented, sent, expected) => {
    expect(isMediaType(documented, sent)).toBe(expected)
  })
})
