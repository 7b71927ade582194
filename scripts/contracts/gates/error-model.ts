import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, type JsonObject } from '../../generate/json.ts'
import type { CheckContext } from '../context.ts'
import { collectExamples, problemValue } from '../examples.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { SERVER_STATUSES } from '../profile/statuses.ts'
import { childOf, contentOf, follow, placeOf, placeOfKey, type SourceNode } from '../source.ts'

const PROBLEM = 'application/problem+json'
/** RFC 9457, and what we add. */
const MEMBERS = ['type', 'title', 'status', 'detail', 'instance', 'code', 'correlation_id']

export const errorModelGate: Gate = {
  name: 'error-model',
  description: 'problem registry, enum and answers say the same',
  profiles: ['skeldir'],
  needs: ['document', 'bundle'],
  inputs: (ctx) => [ctx.files.name(registryFile(ctx))],
  rules: [
    {
      id: 'error-model/registry',
      gate: 'error-model',
      description:
        'Every code of the registry is in snake_case and has a status of 400 to 599, a title and a description.',
      check: (ctx) => [...registryFaults(ctx)],
    },
    {
      id: 'error-model/enum',
      gate: 'error-model',
      description: 'The enum `ProblemCode` has the codes of the registry, in the same order.',
      check: (ctx) => [...enumFaults(ctx)],
    },
    {
      id: 'error-model/schema',
      gate: 'error-model',
      description:
        'Every 4xx and 5xx is `application/problem+json` alone, with the schema `Problem` and its seven required members.',
      check: (ctx) => [...schemaFaults(ctx)],
    },
    {
      id: 'error-model/examples',
      gate: 'error-model',
      description:
        "A problem's example has a code of the registry with the status that it stands under, its title, and the type `/docs/problems/<code>`.",
      check: exampleFaults,
    },
    {
      id: 'error-model/used',
      gate: 'error-model',
      description: 'Every code is in an example of some answer, unless its status belongs to the server.',
      check: unusedCodes,
    },
  ],
}

function registryFile(ctx: CheckContext): string {
  return join(ctx.folder, '_common/problems.yaml')
}

function registryOf(ctx: CheckContext): SourceNode {
  const file = registryFile(ctx)
  const value = existsSync(file) ? ctx.files.parse(file) : null
  return { file, pointer: '#', value: isObject(value) ? value : {} }
}

function* registryFaults(ctx: CheckContext): Generator<Fault> {
  const registry = registryOf(ctx)
  const problems = childOf(registry, 'problems')
  if (problems === undefined) {
    yield {
      message: 'the problem registry _common/problems.yaml is missing',
      at: { file: ctx.files.name(registryFile(ctx)), line: 1, column: 1 },
    }
    return
  }
  for (const code of Object.keys(problems.value)) {
    const row = childOf(problems, code)
    const at = placeOf(problems, code)
    const { status, title, description } = row?.value ?? {}
    if (!/^[a-z][a-z0-9_]*$/.test(code)) yield { message: `${code} must be in snake_case`, at }
    if (!(Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599)) {
      yield { message: `${code} needs a status of 400 to 599`, at: row === undefined ? at : placeOfKey(row, 'status') }
    }
    if (typeof title !== 'string' || typeof description !== 'string') {
      yield { message: `${code} needs a title and a description`, at }
    }
  }
}

function codesOf(ctx: CheckContext): Map<string, JsonObject> {
  const problems = childOf(registryOf(ctx), 'problems')?.value ?? {}
  return new Map(Object.entries(problems).map(([code, row]) => [code, isObject(row) ? row : {}]))
}

function enumOf(ctx: CheckContext): SourceNode | undefined {
  const file = join(ctx.folder, '_common/schemas.yaml')
  const value = existsSync(file) ? ctx.files.parse(file) : null
  const document: SourceNode = { file, pointer: '#', value: isObject(value) ? value : {} }
  const code = childOf(document, 'components', 'schemas', 'Problem', 'properties', 'code')
  return code && follow(ctx.files, code)
}

function* enumFaults(ctx: CheckContext): Generator<Fault> {
  const written = enumOf(ctx)
  const codes = [...codesOf(ctx).keys()]
  if (written === undefined) {
    yield {
      message: 'the schema Problem has no property `code`',
      at: { file: ctx.files.name(ctx.folder), line: 1, column: 1 },
    }
    return
  }
  const members = (Array.isArray(written.value.enum) ? written.value.enum : []).map(String)
  const at = placeOfKey(written, 'enum')
  for (const code of codes)
    if (!members.includes(code)) yield { message: `the enum lacks ${code}, which the registry has`, at }
  for (const [index, member] of members.entries()) {
    if (!codes.includes(member)) {
      yield { message: `the enum has ${member}, which the registry lacks`, at: placeOf(written, 'enum', index) }
    }
  }
  const isSameSet = codes.length === members.length && codes.every((code) => members.includes(code))
  const first = members.findIndex((member, index) => member !== codes[index])
  if (isSameSet && first !== -1) {
    yield {
      message: `the enum has ${members[first]} where the registry has ${codes[first]}`,
      at: placeOf(written, 'enum', first),
    }
  }
}

function* schemaFaults(ctx: CheckContext): Generator<Fault> {
  const problem = join(ctx.folder, '_common/schemas.yaml')
  for (const { id, replies } of ctx.source().operations) {
    for (const { status, response, at } of replies) {
      if (!/^[45]/.test(status)) continue
      const media = contentOf(response)
      const [only] = media
      if (only === undefined || media.length > 1 || only.mediaType !== PROBLEM) {
        yield { message: `${id} ${status} must be ${PROBLEM} and nothing else`, at: placeOfKey(response, 'content') }
        continue
      }
      const written = childOf(only, 'schema')
      const schema = written && follow(ctx.files, written)
      if (schema?.file !== problem || schema.pointer !== '#/components/schemas/Problem') {
        yield { message: `${id} ${status} must have the schema Problem`, at: written ?? at }
        continue
      }
      const required = Array.isArray(schema.value.required) ? schema.value.required : []
      const missing = MEMBERS.filter((member) => !required.includes(member))
      if (missing.length > 0)
        yield { message: `Problem must require ${missing.join(', ')}`, at: placeOfKey(schema, 'required') }
    }
  }
}

async function exampleFaults(ctx: CheckContext): Promise<Fault[]> {
  const codes = codesOf(ctx)
  const faults: Fault[] = []
  for (const example of (await collectExamples(ctx)).flatMap(({ examples }) => examples)) {
    if (example.mediaType !== PROBLEM) continue
    const problem = problemValue(example)
    if (problem === null) continue
    const { where, at, status } = example
    const code = String(problem.code)
    const row = codes.get(code)
    const report = (key: string, message: string) =>
      faults.push({ message: `${where}: ${message}`, at: placeOf(at, key) })
    if (row === undefined) {
      report('code', `the registry has no code ${code}`)
      continue
    }
    if (row.status !== status)
      report('code', `${code} has the status ${String(row.status)}, and stands under ${status}`)
    else if (problem.status !== status)
      report('status', `the status is ${String(problem.status)}, and it stands under ${status}`)
    if (problem.type !== `/docs/problems/${code}`) report('type', `the type of ${code} is /docs/problems/${code}`)
    if (problem.title !== row.title) report('title', `the title of ${code} is "${String(row.title)}"`)
  }
  return faults
}

async function unusedCodes(ctx: CheckContext): Promise<Fault[]> {
  const used = new Set<unknown>()
  for (const { examples } of await collectExamples(ctx)) {
    for (const example of examples) if (example.mediaType === PROBLEM) used.add(problemValue(example)?.code)
  }
  const problems = childOf(registryOf(ctx), 'problems')
  return [...codesOf(ctx)].flatMap(([code, row]): Fault[] =>
    problems === undefined || used.has(code) || SERVER_STATUSES.includes(Number(row.status))
      ? []
      : [{ message: `no answer has an example with the code ${code}`, at: placeOf(problems, code) }],
  )
}
