import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject, JsonValue } from '../lossless-json.ts'
import { findPersonalData } from '../personal-data.ts'
import { fieldMaps } from './field-map.ts'
import { planProjection, project } from './project.ts'

const IDENTITY = 'ab'.repeat(32)
const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'

function projected(paths: Parameters<typeof planProjection>[0], body: JsonValue): JsonObject {
  return project(body, planProjection(paths), () => IDENTITY).kept
}

const leftOut = (paths: Parameters<typeof planProjection>[0], body: JsonValue) =>
  project(body, planProjection(paths), () => IDENTITY).leftOut

test('says at which paths a value was left out, and of none that was absent', () => {
  const paths: Parameters<typeof planProjection>[0] = {
    '/test': ['flag'],
    '/id': ['id'],
    '/gone': ['id'],
    '/list': [],
    '/list/*/test': ['flag'],
    '/list/[kind=refund]/amount': ['amount'],
  }
  const items = [
    { kind: 'refund', amount: '90,00' },
    { kind: 'refund', amount: '9,00' },
    { kind: 'sale', amount: 'x' },
  ]
  expect(leftOut(paths, { id: 5, test: 'true', gone: null, list: items })).toEqual([
    '/test',
    '/list/[kind=refund]/amount',
  ])
  expect(leftOut(paths, { id: {}, list: 'none' })).toEqual(['/id', '/list'])
  expect(
    leftOut(paths, { id: 5, test: true, more: 'x', list: [{ kind: 'refund', amount: '1.00', test: false }] }),
  ).toEqual([])
})

test('keeps what stands at the paths, in its place, and nothing else', () => {
  const body = { id: 5, a: { b: 'x', c: 'Jane Doe', d: null }, e: [1, 2], constructor: 'y' }
  expect(projected({ '/id': ['id'], '/a/b': ['word'], '/a/d': ['word'], '/z': ['id'] }, body)).toEqual({
    id: 5,
    a: { b: 'x' },
  })
  expect(projected({ '/id': ['id'] }, [body])).toEqual({})
  expect(projected({ '/id': ['id'] }, JSON.parse('{"__proto__":{"id":5}}'))).toEqual({})
})

test.each<[string, Parameters<typeof planProjection>[0], JsonValue, JsonValue]>([
  ['each item', { '/l/*/id': ['id'] }, [{ id: 1, x: 2 }, { id: 'b c' }, 7, { id: 3 }], [{ id: 1 }, {}, {}, { id: 3 }]],
  ['the first item', { '/l/0/id': ['id'] }, [{ id: 1 }, { id: 2 }], [{ id: 1 }]],
  [
    'items with a value, which is kept too',
    { '/l/[key=a]/value': ['id'] },
    [{ key: 'b', value: 1 }, { key: 'a', value: 2, x: 3 }, null, { key: 'a' }],
    [{ key: 'a', value: 2 }, { key: 'a' }],
  ],
  [
    'both at once, counted',
    { '/l/*/test': ['flag'], '/l/[kind=refund]/amount': ['amount'] },
    [
      { kind: 'sale', amount: '1.00', test: true },
      { kind: 'refund', amount: '2.00', test: false },
    ],
    [{ test: true }, { kind: 'refund', amount: '2.00', test: false }],
  ],
  ['texts of a list', { '/l/*': ['word'] }, ['visa', 'a b', 5], ['visa', {}, {}]],
])('of a list: %s', (_name, paths, l, kept) => {
  expect(projected(paths, { l })).toEqual({ l: kept })
})

test('the list of attributes is stored under a name that no unstripped body has', () => {
  const body = {
    note_attributes: [
      { name: 'gift', value: 'for Jane' },
      { name: 'skeldir', value: TOKEN },
    ],
  }
  expect(projected({ '/note_attributes/[name=skeldir]/value': ['token'] }, body)).toEqual({
    cart_attributes: [{ name: 'skeldir', value: `id1.${IDENTITY}` }],
  })
})

describe('the form of a value', () => {
  const cases: [
    keeping: 'id' | 'word' | 'amount' | 'currency' | 'time' | 'link' | 'reference' | 'flag' | 'token',
    JsonValue,
    boolean,
  ][] = [
    ['id', 'pi_1', true],
    ['id', 820982911946, true],
    ['id', '820982911946154508', true],
    ['id', 'jane doe', false],
    ['id', 'jane@example.com', false],
    ['id', '203.0.113.7', false],
    ['id', true, false],
    ['word', 'partially_refunded', true],
    ['word', 'COMPLETED', true],
    ['word', '755357713', true],
    ['word', 'Jane', false],
    ['word', 'paid by Ada', false],
    ['word', 5, false],
    ['amount', '-10.00', true],
    ['amount', 1999, true],
    ['amount', '1e3', false],
    ['amount', '+491701234567', false],
    ['currency', 'usd', true],
    ['currency', 'dollars', false],
    ['time', '2026-11-20T08:09:17-05:00', true],
    ['time', 1_793_880_000, true],
    ['time', 'yesterday', false],
    ['link', 'https://api.paypal.com/v2/payments/captures/3CA00000AA000001A', true],
    ['link', 'https://u:p@api.paypal.com/x', false],
    ['link', 'https://api.paypal.com/x?email=jane', false],
    ['reference', 'woocommerce:1042', true],
    ['reference', 'pi_3QLookAlike000000000001', true],
    ['reference', '3CA00000AA000001A', true],
    ['reference', 'WELCOMETOTHESHOPS', false],
    ['reference', 'order 1042', false],
    ['flag', false, true],
    ['flag', 'false', false],
    ['token', 'jane', false],
  ]
  test.each(cases)('%s %j', (keeping, value, isKept) => {
    expect(projected({ '/v': [keeping] }, { v: value })).toEqual(isKept ? { v: value } : {})
  })

  test('something with parts is none', () => {
    for (const value of [{}, { a: 1 }, [], ['x'], [[1]]])
      expect(projected({ '/v': ['id', 'word'] }, { v: value })).toEqual({})
  })
})

test('whatever a body holds, nothing of it that looks personal is stored, and no member that a person has', () => {
  const personal = fc.constantFrom<JsonValue>('jane@example.com', '+49 170 1234567', '203.0.113.7', 'Jane Doe', {
    email: 'x',
  })
  const plans = Object.values(fieldMaps.stored).flatMap((topics) => Object.values(topics))
  fc.assert(
    fc.property(fc.constantFrom(...plans), fc.infiniteStream(personal), (paths, values) => {
      // A body with something personal at each of its paths, and beside them.
      const body: JsonObject = { email: 'jane@example.com' }
      for (const path of Object.keys(paths)) {
        const keys = path
          .slice(1)
          .split('/')
          .map((key) => key.replace(/^\*$/, '0'))
        const leaf = keys.pop() as string
        const parent = keys.reduce<JsonObject>((node, key) => {
          const known = node[key]
          const next = typeof known === 'object' && known !== null && !Array.isArray(known) ? known : { phone: 'x' }
          node[key] = next
          return next
        }, body)
        parent[leaf] = values.next().value as JsonValue
      }
      const kept = projected(paths, body)
      expect(findPersonalData(kept)).toBeNull()
      expect(JSON.stringify(kept)).not.toMatch(/Jane|@|phone|\+49|203\.0/)
    }),
    { numRuns: 300 },
  )
})
