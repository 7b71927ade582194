import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseYaml } from '@redocly/openapi-core'
import type { CheckReport } from '../contracts/gate.ts'

const ROOT = join(import.meta.dirname, '../..')
const ROUNDS = 3
/** Seconds, on two cores. */
const GOALS = { warm: 3, cold: 15 }
/** Carries the description of GitHub's REST API. Fetched here only; never a dependency. */
const GITHUB_PACKAGE = '@octokit/openapi@23.0.2'
const GITHUB_GATES = ['document', 'bundle', 'types', 'validators']

interface Measurement {
  name: string
  seconds: number
  note: string
}

/** Times `npm run contracts:check` without and with its cache, the tools that it stands for, and a large foreign description. */
export async function runContractsBench({ isJson }: { isJson: boolean }): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-bench-'))
  try {
    const cold = await median('cold', () => check(folder, ['--no-cache']))
    await check(folder, [])
    const warm = await median('warm', () => check(folder, []))
    const tools = await runTools(folder)
    const github = await runGithub(folder)
    const { operations, examples } = cold.report
    const rows: Measurement[] = [
      {
        name: 'contracts:check, cold',
        seconds: cold.seconds,
        note: `${operations} operations, ${examples} examples, goal ${GOALS.cold} s`,
      },
      { name: 'contracts:check, warm', seconds: warm.seconds, note: `nothing changed, goal ${GOALS.warm} s` },
      ...tools,
      {
        name: 'these tools, one by one',
        seconds: tools.reduce((sum, { seconds }) => sum + seconds, 0),
        note: 'no examples, error model, governance, routes, changes',
      },
      ...github,
    ]
    const isMet = cold.seconds <= GOALS.cold && warm.seconds <= GOALS.warm
    const about = {
      node: process.version,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      rounds: ROUNDS,
    }
    process.stdout.write(
      isJson ? `${JSON.stringify({ ...about, goals: GOALS, ok: isMet, rows })}\n` : print(rows, isMet),
    )
    return isMet ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function print(rows: readonly Measurement[], isMet: boolean): string {
  const width = Math.max(...rows.map(({ name }) => name.length))
  const lines = rows.map(
    ({ name, seconds, note }) => `${name.padEnd(width)}  ${seconds.toFixed(2).padStart(7)} s  ${note}`,
  )
  return `${lines.join('\n')}\n\n${isMet ? 'goals met' : 'goals missed'}\n`
}

interface Timed {
  seconds: number
  report: CheckReport
}

async function median(label: string, measure: () => Promise<Timed>): Promise<Timed> {
  const rounds: Timed[] = []
  for (let round = 1; round <= ROUNDS; round += 1) {
    process.stderr.write(`${label}, round ${round} of ${ROUNDS}\n`)
    rounds.push(await measure())
  }
  return rounds.sort((a, b) => a.seconds - b.seconds)[Math.floor(ROUNDS / 2)] as Timed
}

async function check(folder: string, args: string[]): Promise<Timed> {
  const file = join(folder, 'report.json')
  const command = [join(ROOT, 'scripts/contracts/check.ts'), '--format', `json=${file}`, ...args]
  // That there are findings does not matter here.
  const seconds = await time(process.execPath, command, ROOT, [0, 1])
  return { seconds, report: JSON.parse(readFileSync(file, 'utf8')) as CheckReport }
}

/** Per root document, as a workflow without this repository's gates would run them. */
async function runTools(folder: string): Promise<Measurement[]> {
  const home = join(ROOT, 'api-contracts')
  const { apis } = parseYaml(readFileSync(join(home, 'redocly.yaml'), 'utf8')) as {
    apis: Record<string, { root: string }>
  }
  const redocly = join(ROOT, 'node_modules/@redocly/cli/bin/cli.js')
  const typescript = join(ROOT, 'node_modules/openapi-typescript/bin/cli.js')
  const config = join(home, 'redocly.yaml')
  const seconds = { lint: 0, bundle: 0, types: 0 }
  const aliases = Object.keys(apis)
  for (const alias of aliases) {
    process.stderr.write(`tools: ${alias}\n`)
    const bundle = join(folder, `${alias}.json`)
    seconds.lint += await time(process.execPath, [redocly, 'lint', alias, '--config', config], home, [0, 1])
    seconds.bundle += await time(
      process.execPath,
      [redocly, 'bundle', alias, '--config', config, '-o', bundle],
      home,
      [0],
    )
    // From another folder: the tool would take redocly.yaml for its own.
    seconds.types += await time(process.execPath, [typescript, bundle, '-o', join(folder, `${alias}.ts`)], folder, [0])
  }
  return [
    { name: 'redocly lint', seconds: seconds.lint, note: `${aliases.length} documents` },
    { name: 'redocly bundle', seconds: seconds.bundle, note: `${aliases.length} documents` },
    { name: 'openapi-typescript', seconds: seconds.types, note: `${aliases.length} documents` },
  ]
}

async function runGithub(folder: string): Promise<Measurement[]> {
  const name = 'GitHub REST API'
  let documents: string
  try {
    documents = await fetchGithub()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${name} is not measured: ${reason}\n`)
    return []
  }
  process.stderr.write(`${name}\n`)
  const gates = GITHUB_GATES.flatMap((gate) => ['--gate', gate])
  const { seconds, report } = await check(folder, ['--no-cache', '--contracts', documents, ...gates])
  const parts = report.gates.map((gate) => `${gate.name} ${gate.status} ${(gate.duration_ms / 1_000).toFixed(1)} s`)
  return [{ name, seconds, note: `${report.operations} operations: ${parts.join(', ')}` }]
}

/** The folder that holds the one description; fetched once. */
async function fetchGithub(): Promise<string> {
  const folder = join(ROOT, '.skeldir/bench/github')
  const documents = join(folder, 'documents')
  mkdirSync(documents, { recursive: true })
  if (readdirSync(documents).length > 0) return documents
  process.stderr.write(`fetching ${GITHUB_PACKAGE}\n`)
  await time('npm', ['pack', GITHUB_PACKAGE, '--silent', '--pack-destination', folder], folder, [0])
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'))
  if (archive === undefined) throw new Error('npm pack has left no archive')
  const member = 'package/generated/api.github.com.json'
  await time('tar', ['-xzf', archive, member], folder, [0])
  writeFileSync(join(documents, 'api.github.com.json'), readFileSync(join(folder, member)))
  rmSync(join(folder, 'package'), { recursive: true })
  rmSync(join(folder, archive))
  return documents
}

/** Seconds until the command has ended. Throws where it ends with another code than `allowed`. */
function time(file: string, args: string[], cwd: string, allowed: number[]): Promise<number> {
  const startedAt = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    })
    let errors = ''
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (code !== null && allowed.includes(code)) resolve((performance.now() - startedAt) / 1_000)
      else reject(new Error(`${file} ${args.slice(0, 3).join(' ')} ended with ${code}: ${errors.trim().slice(-300)}`))
    })
  })
}
