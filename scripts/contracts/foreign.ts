import { join } from 'node:path'
import { BaseResolver, createConfig, getLineColLocation, bundle as redoclyBundle } from '@redocly/openapi-core'
import standalone from 'ajv/dist/standalone/index.js'
import { isObject, type Json, type JsonObject, pointerOf } from '../generate/json.ts'
import type { Position, Severity } from './finding.ts'
import type { DocumentFolder } from './folder.ts'
import { compileSchemas, type SchemaCompiler } from './schema-compiler.ts'
import { isJsonMedia, METHODS } from './source.ts'

/** One document that somebody else wrote. */
export interface ForeignBundle {
  /** Relative to the folder. */
  name: string
  /** As written, bundled: what types are made from. */
  written: JsonObject
  /** With schemas of JSON Schema 2020-12, whatever version the document has: what validators are made from. */
  bundle: JsonObject
  problems: (Position & { message: string; severity: Severity })[]
}

export async function bundleForeign(ctx: DocumentFolder): Promise<ForeignBundle[]> {
  const bundles: ForeignBundle[] = []
  for (const name of ctx.names) bundles.push(await bundleFile(ctx, name))
  return bundles
}

async function bundleFile(ctx: DocumentFolder, name: string): Promise<ForeignBundle> {
  const config = await createConfig({})
  const file = join(ctx.folder, name)
  const result = await redoclyBundle({
    ref: file,
    config,
    externalRefResolver: new BaseResolver(config.resolve),
    // Others may name their parts as they like; a clash is told and numbered.
    componentRenamingConflicts: 'warn',
  })
  const problems = result.problems.map(({ message, severity, location: [first] }) => {
    const start = first === undefined ? { line: 1, col: 1 } : getLineColLocation(first).start
    const at = first === undefined ? file : first.source.absoluteRef
    return {
      message,
      severity: severity === 'error' ? ('error' as const) : ('warning' as const),
      file: ctx.files.name(at),
      line: start.line,
      column: start.col,
    }
  })
  const written = JSON.parse(JSON.stringify(result.bundle.parsed)) as JsonObject
  const isOld = String(written.openapi).startsWith('3.0')
  return { name, written, bundle: isOld ? (toJsonSchema2020(written) as JsonObject) : written, problems }
}

const DATA = new Set(['example', 'examples', 'default', 'const', 'enum', 'value', 'required'])

/** OpenAPI 3.0 has keywords of its own for null and for open bounds. The rest of its schemas means the same. */
export function toJsonSchema2020(value: Json, isPropertyMap = false): Json {
  if (Array.isArray(value)) return value.map((item) => toJsonSchema2020(item))
  if (!isObject(value)) return value
  const converted: JsonObject = {}
  for (const [key, child] of Object.entries(value)) {
    const isData = !isPropertyMap && (DATA.has(key) || key.startsWith('x-'))
    converted[key] = isData ? child : toJsonSchema2020(child, !isPropertyMap && key === 'properties')
  }
  if (isPropertyMap) return converted
  for (const [open, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof converted[open] !== 'boolean') continue
    if (converted[open] && typeof converted[bound] === 'number') {
      converted[open] = converted[bound]
      delete converted[bound]
    } else delete converted[open]
  }
  if (typeof converted.nullable !== 'boolean') return converted
  const { nullable, ...rest } = converted
  if (!nullable) return rest
  if (Array.isArray(rest.enum) && !rest.enum.includes(null)) rest.enum = [...rest.enum, null]
  if (typeof rest.type === 'string') return { ...rest, type: [rest.type, 'null'] }
  return { anyOf: [rest, { type: 'null' }] }
}

/** A schema that a validator is made for. */
export interface Wanted {
  /** `request`, `parameters`, or the status of a reply. */
  label: string
  operation: string
  pointer: string
}

/** JSON bodies and parameters of every operation. */
export function* wantedSchemas(bundle: JsonObject): Generator<Wanted> {
  const paths = isObject(bundle.paths) ? bundle.paths : {}
  for (const [path, item] of Object.entries(paths)) {
    if (!isObject(item)) continue
    for (const method of METHODS) {
      const node = item[method]
      if (!isObject(node)) continue
      const operation = typeof node.operationId === 'string' ? node.operationId : `${method} ${path}`
      const base = ['paths', path, method]
      const lists: [Json | undefined, string[]][] = [
        [item.parameters, ['paths', path, 'parameters']],
        [node.parameters, [...base, 'parameters']],
      ]
      for (const [list, at] of lists) {
        for (const [index] of (Array.isArray(list) ? list : []).entries()) {
          const pointer = pointerInBundle(bundle, [...at, index, 'schema'])
          if (pointer !== undefined) yield { label: 'parameters', operation, pointer }
        }
      }
      yield* contentSchemas(bundle, [...base, 'requestBody'], 'request', operation)
      for (const status of Object.keys(isObject(node.responses) ? node.responses : {})) {
        yield* contentSchemas(bundle, [...base, 'responses', status], status, operation)
      }
    }
  }
}

function* contentSchemas(bundle: JsonObject, at: string[], label: string, operation: string): Generator<Wanted> {
  const owner = pointerInBundle(bundle, at)
  if (owner === undefined) return
  const content = valueInBundle(bundle, [...at, 'content'])
  for (const mediaType of Object.keys(isObject(content) ? content : {})) {
    if (!isJsonMedia(mediaType)) continue
    const pointer = pointerInBundle(bundle, [...at, 'content', mediaType, 'schema'])
    if (pointer !== undefined) yield { label, operation, pointer }
  }
}

/** Where the tokens lead in a bundle when every reference on the way is followed; undefined where nothing is there. */
export function pointerInBundle(bundle: JsonObject, tokens: readonly (string | number)[]): string | undefined {
  return walkBundle(bundle, tokens)?.pointer
}

export function valueInBundle(bundle: JsonObject, tokens: readonly (string | number)[]): Json | undefined {
  return walkBundle(bundle, tokens)?.value
}

function walkBundle(
  bundle: JsonObject,
  tokens: readonly (string | number)[],
): { pointer: string; value: Json } | undefined {
  let pointer = '#'
  let value: Json | undefined = bundle
  for (const [index, token] of tokens.entries()) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as JsonObject)[String(token)]
    pointer += pointerOf(token).slice(1)
    // The last one stays as it is: siblings of its reference count.
    for (let hops = 0; index < tokens.length - 1 && isObject(value) && typeof value.$ref === 'string'; hops += 1) {
      if (hops > 50 || !value.$ref.startsWith('#/')) return undefined
      pointer = value.$ref
      value = value.$ref
        .slice(2)
        .split('/')
        .reduce<Json | undefined>(
          (parent, part) =>
            isObject(parent) ? parent[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')] : undefined,
          bundle,
        )
    }
  }
  return value === undefined ? undefined : { pointer, value }
}

export interface ForeignValidators {
  js: string
  count: number
  failures: { wanted: Wanted; message: string }[]
}

/**
 * Validators of a document that somebody else wrote, as one ESM module: `validators[operation][label]` is a list of
 * functions. Not strict: unknown keywords and formats are annotations here, since their author had other tools in mind.
 */
export function emitForeignValidators(
  bundle: JsonObject,
  compiler: SchemaCompiler = compileSchemas(bundle),
): ForeignValidators {
  const failures: ForeignValidators['failures'] = []
  const names = new Map<string, string>()
  const table: Record<string, Record<string, string[]>> = {}
  for (const wanted of wantedSchemas(bundle)) {
    const compiled = compiler.compile(wanted.pointer)
    if (typeof compiled === 'string') {
      failures.push({ wanted, message: compiled })
      continue
    }
    const name = names.get(wanted.pointer) ?? `v${names.size}`
    names.set(wanted.pointer, name)
    const row = table[wanted.operation] ?? {}
    row[wanted.label] = [...(row[wanted.label] ?? []), name]
    table[wanted.operation] = row
  }
  const exported = Object.fromEntries([...names].map(([pointer, name]) => [name, compiler.keyOf(pointer)]))
  const code = standalone.default(compiler.ajv, exported).replace(/^"use strict";/, '')
  const rows = Object.entries(table).map(([operation, byLabel]) => {
    const cells = Object.entries(byLabel).map(([label, list]) => `${JSON.stringify(label)}: [${list.join(', ')}]`)
    return `  ${JSON.stringify(operation)}: { ${cells.join(', ')} },`
  })
  const js = `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${code}\nexport const validators = {\n${rows.join('\n')}\n};\n`
  return { js, count: names.size, failures }
}
