import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { bundleDocuments, type Contract, type DomainDocument, joinDocuments, merge } from '../generate/contract.ts'
import { compareText, isObject, type JsonObject } from '../generate/json.ts'
import { createFiles, type Files, reasonOf } from './files.ts'
import { ToolError } from './finding.ts'
import type { DocumentFolder, Profile } from './folder.ts'
import { bundleForeign, type ForeignBundle } from './foreign.ts'
import { lintDocuments, type RedoclyProblem } from './redocly.ts'
import { compileSchemas, type SchemaCompiler } from './schema-compiler.ts'
import { readSource, type Source } from './source.ts'

/** What the gates share. Everything is made when it is first asked for, once per run. */
export interface CheckContext extends DocumentFolder {
  /** Of the repository. */
  root: string
  /** The documents are those of the repository, so that code and generated files belong to them. */
  isOwn: boolean
  /** YYYY-MM-DD. */
  today: string
  source: () => Source
  /** What Redocly says about each document. */
  redocly: () => Promise<RedoclyProblem[]>
  /** Throws GenerateError. Profile skeldir only. */
  documents: () => Promise<DomainDocument[]>
  /** The merged contract. Throws GenerateError. Profile skeldir only. */
  contract: () => Promise<Contract>
  /** Profile none only. */
  foreign: () => Promise<ForeignBundle[]>
  /** An independent, tolerant reading of the schemas, one compiler per bundle. */
  compilers: () => Promise<SchemaCompiler[]>
}

export interface ContextOptions {
  root: string
  folder: string
  profile: Profile
  isOwn: boolean
  today: string
}

export function createContext(options: ContextOptions): CheckContext {
  const { root, folder, profile } = options
  const files = createFiles(root)
  const names = listDocuments(files, folder, profile)
  const values = new Map<string, unknown>()
  const once = <T>(key: string, make: () => T): T => {
    if (!values.has(key)) values.set(key, make())
    return values.get(key) as T
  }
  const ctx: CheckContext = {
    ...options,
    home: findHome(folder),
    files,
    names,
    once,
    source: () => once('source', () => readSource(files, folder, names)),
    redocly: () => once('redocly', () => lintDocuments(ctx)),
    documents: () => once('documents', () => bundleDocuments(root, folder)),
    contract: () => once('contract', async () => toContract(ctx, await ctx.documents())),
    foreign: () => once('foreign', () => bundleForeign(ctx)),
    compilers: () =>
      once('compilers', async () => {
        if (profile === 'none') return (await ctx.foreign()).map(({ bundle }) => compileSchemas(bundle))
        return [compileSchemas((await platformOf(ctx)) as unknown as JsonObject)]
      }),
  }
  return ctx
}

/** The merged document, before its operations are read. Throws GenerateError. */
export function platformOf(ctx: CheckContext): Promise<Contract['platform']> {
  return ctx.once('platform', async () => merge(await ctx.documents()))
}

async function toContract(ctx: CheckContext, documents: DomainDocument[]): Promise<Contract> {
  return joinDocuments(documents, await platformOf(ctx))
}

function findHome(folder: string): string {
  for (const candidate of [folder, dirname(folder), dirname(dirname(folder))]) {
    if (existsSync(join(candidate, 'redocly.yaml'))) return candidate
  }
  return resolve(folder, '../..')
}

const IGNORED = new Set(['node_modules', '.git', '.skeldir'])

/** Ours by place; others by what is in the file, since everyone lays them out differently. */
function listDocuments(files: Files, folder: string, profile: Profile): string[] {
  const all = listFiles(folder)
  const isDescription = /\.(?:ya?ml|json)$/
  const found =
    profile === 'skeldir'
      ? all.filter((name) => name.endsWith('.yaml') && !name.startsWith('_common/'))
      : all.filter((name) => isDescription.test(name) && looksLikeRoot(files, join(folder, name)))
  if (found.length === 0) throw new ToolError(`${folder} contains no OpenAPI document`)
  return found.sort(compareText)
}

function listFiles(folder: string): string[] {
  try {
    if (statSync(folder).isFile()) throw new ToolError(`${folder} is a file; name the folder of the documents`)
    return readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(folder, sep).length).split(sep).join('/'))
      .filter((name) => !name.split('/').some((part) => IGNORED.has(part)))
  } catch (error) {
    if (error instanceof ToolError) throw error
    throw new ToolError(`the folder ${folder} cannot be read: ${reasonOf(error)}`)
  }
}

/** A file that cannot be parsed counts: it is then reported instead of left out. */
function looksLikeRoot(files: Files, file: string): boolean {
  try {
    const text = files.text(file)
    if (!/["']?(?:openapi|swagger)["']?\s*:/.test(text)) return false
    const value = files.parse(file)
    return isObject(value) && (value.openapi !== undefined || value.swagger !== undefined)
  } catch {
    return true
  }
}
