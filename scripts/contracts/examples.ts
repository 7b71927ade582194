import type { Json } from '../generate/json.ts'
import { isObject } from '../generate/json.ts'
import type { CheckContext } from './context.ts'
import type { Place } from './finding.ts'
import { pointerInBundle, valueInBundle } from './foreign.ts'
import type { SchemaCompiler } from './schema-compiler.ts'
import { childOf, contentOf, follow, headersOf, placeOf, type SourceNode, type SourceOperation } from './source.ts'

/** A value in the documents that claims to fit a schema. */
export interface Example {
  kind: 'request' | 'parameter' | 'reply' | 'header'
  /** `login 200 application/json #two_tenants`. */
  where: string
  /** Null: written as `example`. */
  name: string | null
  value: Json | undefined
  /** Of the value, or of the example that lacks one. */
  at: Place
  operation: SourceOperation
  status: number | null
  mediaType: string | null
  /** Into the bundle; undefined where there is no schema. */
  schema: string | undefined
  compiler: SchemaCompiler
}

/** Something that must have an example. */
export interface Exemplified {
  where: string
  kind: Example['kind']
  at: Place
  examples: Example[]
}

/** Every body, parameter and header of every operation, with its examples. */
export async function collectExamples(ctx: CheckContext): Promise<Exemplified[]> {
  const compilers = await ctx.compilers()
  return ctx.once('examples', () =>
    ctx.source().operations.flatMap((operation) => {
      const index = ctx.profile === 'none' ? ctx.source().documents.indexOf(operation.document) : 0
      const compiler = compilers[index]
      return compiler === undefined ? [] : [...ofOperation(ctx, operation, compiler)]
    }),
  )
}

function* ofOperation(ctx: CheckContext, operation: SourceOperation, compiler: SchemaCompiler): Generator<Exemplified> {
  const { bundle } = compiler
  const base = ['paths', operation.path, operation.method]
  const make = (
    kind: Example['kind'],
    owner: SourceNode,
    where: string,
    schema: string | undefined,
    status: number | null = null,
    mediaType: string | null = null,
  ): Exemplified => ({
    where,
    kind,
    at: owner,
    examples: examplesOf(ctx, owner).map(({ name, value, at }) => ({
      kind,
      where: name === null ? where : `${where} #${name}`,
      name,
      value,
      at,
      operation,
      status,
      mediaType,
      schema,
      compiler,
    })),
  })
  for (const parameter of operation.parameters) {
    const name = String(parameter.value.name)
    const schema = parameterSchema(compiler, operation, parameter)
    yield make('parameter', parameter, `${operation.id} parameter ${name}`, schema)
  }
  for (const media of operation.requestBody === null ? [] : contentOf(operation.requestBody)) {
    const schema = pointerInBundle(bundle, [...base, 'requestBody', 'content', media.mediaType, 'schema'])
    yield make('request', media, `${operation.id} request ${media.mediaType}`, schema, null, media.mediaType)
  }
  for (const { status, response } of operation.replies) {
    const code = Number(status) || null
    for (const media of contentOf(response)) {
      const schema = pointerInBundle(bundle, [...base, 'responses', status, 'content', media.mediaType, 'schema'])
      yield make('reply', media, `${operation.id} ${status} ${media.mediaType}`, schema, code, media.mediaType)
    }
    for (const header of headersOf(ctx.files, response)) {
      const schema = pointerInBundle(bundle, [...base, 'responses', status, 'headers', header.name, 'schema'])
      yield make('header', header, `${operation.id} ${status} header ${header.name}`, schema, code)
    }
  }
}

function parameterSchema(
  { bundle }: SchemaCompiler,
  operation: SourceOperation,
  parameter: SourceNode,
): string | undefined {
  for (const at of [
    ['paths', operation.path, operation.method, 'parameters'],
    ['paths', operation.path, 'parameters'],
  ]) {
    const list = valueInBundle(bundle, at)
    for (const index of (Array.isArray(list) ? list : []).keys()) {
      const isSame = (['name', 'in'] as const).every(
        (key) => valueInBundle(bundle, [...at, index, key]) === parameter.value[key],
      )
      if (isSame) return pointerInBundle(bundle, [...at, index, 'schema'])
    }
  }
  return undefined
}

function examplesOf(
  ctx: CheckContext,
  owner: SourceNode,
): { name: string | null; value: Json | undefined; at: Place }[] {
  const named = Object.keys(childOf(owner, 'examples')?.value ?? {}).map((name) => {
    const written = childOf(owner, 'examples', name)
    const example = written && follow(ctx.files, written)
    const at = example === undefined ? placeOf(owner, 'examples', name) : example
    const value = example?.value.value
    return { name, value, at: value === undefined ? at : placeOf(at, 'value') }
  })
  if (owner.value.example === undefined) return named
  return [...named, { name: null, value: owner.value.example, at: placeOf(owner, 'example') }]
}

/** Of the deepest value that a validation error names. */
export function placeOfError(example: Example, instancePath: string): Place {
  return { file: example.at.file, pointer: `${example.at.pointer}${instancePath}` }
}

export function problemValue({
  value,
}: Example): { code: unknown; status: unknown; type: unknown; title: unknown } | null {
  if (!isObject(value)) return null
  return { code: value.code, status: value.status, type: value.type, title: value.title }
}
