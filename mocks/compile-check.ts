import { fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readText, writeAtomically } from '../scripts/generate/cache.ts'
import type { PrismOperation } from './prism.ts'

/** One schema as Prism would compile it, and the first operation that uses it. */
export interface SchemaToCompile {
  operationId: string
  place: string
  schema: object
}

/** Documents that were found good: some states of each, so that switching between two branches stays quick. */
const REMEMBERED = 200
const MEMORY = join(import.meta.dirname, '../.skeldir/mocks/compiled.json')

/** Of one document. */
export interface DocumentToCompile {
  /** Of its text. */
  hash: string
  operations: readonly PrismOperation[]
}

/**
 * Throws an error that names every operation with a schema that Prism's Ajv cannot compile: Prism itself would then
 * silently stop validating. Of 2,600 schemas about 230 differ; these take more than a second and 100 MB, so they are compiled
 * in a process of its own, beside the rest of the start, and not again while their document stays the same.
 */
export async function requireCompilable(documents: readonly DocumentToCompile[]): Promise<void> {
  const { version } = createRequire(import.meta.url)('@stoplight/prism-http/package.json') as { version: string }
  const known = readKnown()
  const fresh = documents.filter(({ hash }) => !known.includes(`${version} ${hash}`))
  if (fresh.length === 0) return
  const failures = await compileApart(listSchemas(fresh.flatMap(({ operations }) => operations)))
  if (failures.length > 0) throw new Error(`Prism cannot compile these schemas:\n  ${failures.join('\n  ')}`)
  try {
    const all = [...fresh.map(({ hash }) => `${version} ${hash}`), ...known]
    writeAtomically(MEMORY, JSON.stringify(all.slice(0, REMEMBERED)))
  } catch {
    // A read-only checkout is checked at each start.
  }
}

function readKnown(): string[] {
  try {
    const known: unknown = JSON.parse(readText(MEMORY) ?? '[]')
    return Array.isArray(known) ? known.map(String) : []
  } catch {
    return []
  }
}

function compileApart(schemas: SchemaToCompile[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./compile-child.ts', import.meta.url)), { execArgv: [] })
    child.once('message', (failures) => resolve(failures as string[]))
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the process that compiles the schemas ended with ${code}`)))
    child.send(schemas)
  })
}

interface Bundled {
  __bundled__?: object
}

function listSchemas(operations: readonly PrismOperation[]): SchemaToCompile[] {
  const found = new Map<string, SchemaToCompile>()
  for (const operation of operations) {
    const bundled = (operation as Bundled).__bundled__
    for (const [place, schema] of placesOf(operation)) {
      if (schema === undefined) continue
      // The ids that Prism's parser puts everywhere make equal schemas differ.
      const text = JSON.stringify({ ...schema, __bundled__: bundled }, (key, value) =>
        key === 'x-stoplight' ? undefined : value,
      )
      if (!found.has(text)) found.set(text, { operationId: operation.iid ?? '', place, schema: JSON.parse(text) })
    }
  }
  return [...found.values()]
}

function* placesOf({ request, responses }: PrismOperation): Iterable<[place: string, schema: object | undefined]> {
  for (const parameters of [request?.path, request?.query, request?.headers, request?.cookie]) {
    for (const { name, schema } of parameters ?? []) yield [`parameter ${name}`, schema]
  }
  for (const { mediaType, schema } of request?.body?.contents ?? []) yield [`request body ${mediaType}`, schema]
  for (const { code, contents = [], headers = [] } of responses) {
    for (const { mediaType, schema } of contents) yield [`${code} ${mediaType}`, schema]
    for (const { name, schema } of headers) yield [`${code} header ${name}`, schema]
  }
}
