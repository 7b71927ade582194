import type { CheckContext } from '../context.ts'
import { collectExamples, type Example, placeOfError } from '../examples.ts'
import type { Fault } from '../finding.ts'
import type { Counts, Gate } from '../gate.ts'
import { describeError } from '../schema-compiler.ts'
import { isJsonMedia } from '../source.ts'

export const examplesGate: Gate = {
  name: 'examples',
  description: 'every body, parameter and header of every status has an example, and each fits its schema',
  profiles: ['skeldir', 'none'],
  needs: ['document', 'bundle'],
  rules: [
    {
      id: 'examples/valid',
      gate: 'examples',
      description: 'Every example of a request, parameter, reply or header fits its schema.',
      check: async (ctx) => (await allExamples(ctx)).flatMap((example) => [...invalid(example, ctx)]),
    },
    {
      id: 'examples/present',
      gate: 'examples',
      description: 'Every request body, parameter, header and every body of every documented status has an example.',
      profiles: ['skeldir'],
      check: async (ctx) =>
        (await collectExamples(ctx))
          .filter(({ examples }) => examples.length === 0)
          .map(({ where, at }) => ({ message: `${where} has no example`, at })),
    },
    {
      id: 'examples/named',
      gate: 'examples',
      description: 'Examples of bodies stand under `examples` with a name and a `value` of their own.',
      profiles: ['skeldir'],
      check: async (ctx) => (await allExamples(ctx)).flatMap((example) => [...unnamed(example)]),
    },
  ],
  async counts(ctx): Promise<Counts> {
    const { operations } = ctx.source()
    return {
      operations: operations.length,
      statuses: operations.reduce((sum, { replies }) => sum + replies.length, 0),
      examples: (await allExamples(ctx)).filter(({ value, schema }) => value !== undefined && schema !== undefined)
        .length,
    }
  },
}

async function allExamples(ctx: CheckContext): Promise<Example[]> {
  return (await collectExamples(ctx)).flatMap(({ examples }) => examples)
}

/** Values that fit, by schema: a self-test checks hundreds of contracts in which nearly all of them are the same. */
const accepted = new Set<string>()
const MAX_REMEMBERED = 50_000

function* invalid(example: Example, ctx: CheckContext): Generator<Fault> {
  const { value, schema, where, compiler, mediaType } = example
  if (value === undefined || schema === undefined) return
  // Text bodies (CSV, metrics) are held against their schema as the string that they are.
  if (mediaType !== null && !isJsonMedia(mediaType) && typeof value !== 'string') return
  const key = `${compiler.fingerprint(schema)} ${JSON.stringify(value)}`
  if (accepted.has(key)) return
  const validate = compiler.compile(schema)
  // The validators gate says so.
  if (typeof validate === 'string') return
  if (validate(value)) {
    if (accepted.size >= MAX_REMEMBERED) accepted.clear()
    accepted.add(key)
    return
  }
  const [error] = validate.errors ?? []
  // Others' examples are often sketches; they are told, and do not stop the pipeline.
  const severity = ctx.profile === 'none' ? 'warning' : 'error'
  yield { message: `${where}: ${describeError(error)}`, at: placeOfError(example, error?.instancePath ?? ''), severity }
}

function* unnamed({ name, kind, value, where, at }: Example): Generator<Fault> {
  const isBody = kind === 'request' || kind === 'reply'
  if (name === null && isBody) yield { message: `${where}: give the example a name, under \`examples\``, at }
  else if (value === undefined) yield { message: `${where} has no \`value\``, at }
}
