import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import type { OperationRow } from '../generated/operations.ts'
import { loadContract } from '../src/http/bind.ts'
import type { ContractSource } from '../src/http/operations.ts'

export interface MockContract {
  source: ContractSource & { document: { info: { title: string; version: string } } }
  /** By domain, sorted; each bundled, so that every reference in it is local. */
  bundles: ReadonlyMap<string, OpenApiBundle>
  /** operationId to domain. */
  domainOf: ReadonlyMap<string, string>
  /** Of each bundle's text, by domain. */
  hashes: ReadonlyMap<string, string>
  /** The source of the problem table, which this process has loaded once and cannot load again. */
  problems: string
}

export interface OpenApiBundle {
  jsonSchemaDialect?: string
  paths: Record<string, Record<string, { operationId?: string } & Record<string, unknown>>>
  components?: Record<string, Record<string, unknown>>
}

const GENERATED = join(import.meta.dirname, '../generated')
const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

/** What `npm run generate` has written to `folder`; by default that of this repository. Throws when a part is missing. */
export function loadMockContract(folder: string = GENERATED): MockContract {
  const source = folder === GENERATED ? loadContract() : evaluateContract(folder)
  const names = readdirSync(join(folder, 'bundles')).filter((name) => name.endsWith('.json'))
  const hashes = new Map<string, string>()
  const bundles = new Map(
    names.sort().map((name): [string, OpenApiBundle] => {
      const text = readFileSync(join(folder, 'bundles', name), 'utf8')
      const domain = name.slice(0, -'.json'.length)
      const bundle = JSON.parse(text) as OpenApiBundle
      hashes.set(domain, createHash('sha256').update(text).digest('base64url'))
      // Without it Prism validates OpenAPI 3.1 with draft-07.
      return [domain, { ...bundle, jsonSchemaDialect: DIALECT }]
    }),
  )
  const domainOf = new Map(
    [...bundles].flatMap(([domain, { paths }]) =>
      Object.values(paths).flatMap((item) =>
        Object.values(item).flatMap(({ operationId }): [string, string][] =>
          operationId === undefined ? [] : [[operationId, domain]],
        ),
      ),
    ),
  )
  for (const id of Object.keys(source.operations)) {
    if (!domainOf.has(id)) throw new Error(`${folder}/bundles has no document with the operation ${id}`)
  }
  const problems = join(folder, 'problems.ts')
  return {
    source,
    bundles,
    domainOf,
    hashes,
    problems: existsSync(problems) ? readFileSync(problems, 'utf8') : '',
  }
}

/**
 * Evaluated rather than imported: what was imported stays in memory for good, and a contract is loaded again at each of
 * its changes.
 */
function evaluateContract(folder: string): MockContract['source'] {
  const validators = evaluate<Pick<ContractSource, 'requests' | 'requestErrors' | 'replies' | 'replyHeaders'>>(
    join(folder, 'validators.js'),
    (code) =>
      `${code.replaceAll(/^export const /gm, 'const ')}\nreturn { requests, requestErrors, replies, replyHeaders }`,
  )
  const operations = evaluate<Record<string, OperationRow>>(join(folder, 'operations.ts'), (code) => {
    const literal = /^export const operations = (\{\n.*\n\}) as const satisfies /ms.exec(code)?.[1]
    if (literal === undefined) throw new Error(`${folder}/operations.ts is not what \`npm run generate\` writes`)
    return `return ${literal}`
  })
  const document = readJson(join(folder, 'openapi.json')) as MockContract['source']['document']
  return { document, operations, ...validators }
}

function evaluate<T>(file: string, toBody: (code: string) => string): T {
  return compileFunction(toBody(readFileSync(file, 'utf8')), [], { filename: file })() as T
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
