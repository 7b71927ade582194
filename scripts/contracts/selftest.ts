// Shows that every gate of contracts:check can fail: plants faults in copies and demands that each is caught, at its place.
//   npm run contracts:selftest [-- --seed N] [--only ID] [--json]
import { readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ToolError } from './finding.ts'
import type { CheckReport } from './gate.ts'
import { makeBenches } from './selftest/bench.ts'
import { removeFolder } from './selftest/copy.ts'
import { UNREACHABLE, uncoveredRules } from './selftest/coverage.ts'
import { DOCUMENT_GATES } from './selftest/draft.ts'
import type { Base, Bench, Fault, Operator, Verdict } from './selftest/operator.ts'
import { operators } from './selftest/operators.ts'
import { type Plan, planFaults } from './selftest/plan.ts'
import { renderReport, type SelftestReport } from './selftest/report.ts'
import { createPool, type Pool } from './selftest/workers.ts'

const DEFAULT_SEED = 20_261_121

const HELP = `Usage: npm run contracts:selftest -- [options]

Plants faults in copies of the contract and of what belongs to it, one by one, and runs the gates of contracts:check on each
copy. A fault is caught when its rule reports it at the line where it was planted, and no other gate fails but those that
must follow. Before that, the copy without a fault has to pass every gate.

  --seed N     chooses other places for the faults (default ${DEFAULT_SEED})
  --only ID    only the faults of this operator, or this fault; may be repeated
  --jobs N     processes (default: one per core, at most 4)
  --json       print {seed, planted, caught, faults[], idle[], uncovered[]} to stdout
  --keep       leave the copies where they are, and say where that is
  --root DIR   test with this copy of the repository
  --help       this text

Ends with 0 when every fault was caught at its place, 1 when one survived, 2 when the clean copy fails or the tool itself does.
`

export interface SelftestOptions {
  root?: string
  seed?: number
  /** Operators or faults. Default: all. */
  only?: readonly string[]
  jobs?: number
  keep?: boolean
  log?: (line: string) => void
  /** Ways to spoil. Default: all that there are. */
  operators?: readonly Operator[]
}

/** Throws ToolError when the clean copy does not pass, since nothing could be shown with it. */
export async function runSelftest(options: SelftestOptions = {}): Promise<SelftestReport> {
  const startedAt = performance.now()
  const { seed = DEFAULT_SEED, only, log = () => {} } = options
  const root = resolve(options.root ?? join(import.meta.dirname, '../..'))
  const jobs = options.jobs ?? Math.min(availableParallelism(), 4)
  const folder = await mkdtemp(join(tmpdir(), 'skeldir-selftest-'))
  const pool = createPool(jobs)
  try {
    const benches = await makeBenches(root, folder)
    log('checking the copies without a fault')
    const clean = pool.run([
      { kind: 'check', root: benches.clean.ctx.root, gates: null },
      { kind: 'check', root: benches.frozen.ctx.root, gates: DOCUMENT_GATES },
    ])
    const plan = planFaults(benches, options.operators ?? operators, seed)
    const faults = chooseFaults(plan, only)
    for (const report of await clean) requireClean(report, log)
    const verdicts = await judgeAll(pool, faults, benches, folder, log)
    return toReport({
      seed,
      plan,
      faults,
      verdicts,
      root,
      startedAt,
      isPartial: only !== undefined || options.operators !== undefined,
    })
  } finally {
    pool.end()
    if (options.keep) log(`the copies are in ${folder}`)
    else removeFolder(folder)
  }
}

function chooseFaults(plan: Plan, only: readonly string[] | undefined): Fault[] {
  if (only === undefined) return plan.faults
  for (const name of only) {
    if (plan.faults.some(({ id, operator }) => id === name || operator === name)) continue
    throw new ToolError(`there is no fault ${name}${plan.idle.includes(name) ? ' in this contract' : ''}`)
  }
  return plan.faults.filter(({ id, operator }) => only.includes(id) || only.includes(operator))
}

/** In the order of the faults. */
async function judgeAll(
  pool: Pool,
  faults: readonly Fault[],
  benches: Readonly<Record<Base, Bench>>,
  folder: string,
  log: (line: string) => void,
): Promise<Verdict[]> {
  const ordered = inOrder(faults)
  const verdicts = new Map<string, Verdict>()
  await pool.run(
    ordered.map((fault) => ({ kind: 'fault', fault, pristine: benches[fault.base].ctx.root, folder })),
    (answer, index) => {
      const { id, file } = ordered[index] as Fault
      const verdict =
        answer instanceof Error
          ? { id, isCaught: false, reason: `the check failed: ${answer.message}`, message: null, durationMs: 0 }
          : answer
      verdicts.set(id, verdict)
      const outcome = verdict.isCaught ? 'caught' : `NOT CAUGHT: ${verdict.reason}`
      log(`${verdicts.size}/${faults.length} ${id} in ${file} (${verdict.durationMs} ms): ${outcome}`)
    },
  )
  return faults.flatMap(({ id }) => verdicts.get(id) ?? [])
}

/** The slow ones first, so that no process is left with one at the end. */
function inOrder(faults: readonly Fault[]): Fault[] {
  const cost = ({ gates }: Fault) => (gates.includes('types') ? 2 : gates.includes('routes') ? 1 : 0)
  return [...faults].sort((a, b) => cost(b) - cost(a))
}

/** Throws ToolError. */
function requireClean(report: CheckReport | Error, log: (line: string) => void): void {
  if (report instanceof Error) throw new ToolError(`the copy without a fault cannot be checked: ${report.message}`)
  const findings = report.gates.flatMap((gate) => gate.findings).filter(({ severity }) => severity === 'error')
  for (const { file, line, message, rule } of findings.slice(0, 20)) log(`${file}:${line} ${message} [${rule}]`)
  const failed = report.gates.filter(({ status }) => status === 'fail').map(({ name }) => name)
  if (failed.length === 0) return
  throw new ToolError(
    `the copy without a fault does not pass (${failed.join(', ')}): mend that first, with contracts:check`,
  )
}

function toReport(parts: {
  seed: number
  plan: Plan
  faults: readonly Fault[]
  verdicts: readonly Verdict[]
  root: string
  startedAt: number
  isPartial: boolean
}): SelftestReport {
  const { seed, plan, faults, verdicts, root, startedAt, isPartial } = parts
  const rows = faults.flatMap(({ edits: _edits, gates: _gates, ...fault }, index) => {
    const verdict = verdicts[index]
    return verdict === undefined ? [] : [{ ...fault, ...verdict }]
  })
  return {
    seed,
    isPartial,
    planted: rows.length,
    caught: rows.filter(({ isCaught }) => isCaught).length,
    faults: rows,
    idle: isPartial ? [] : plan.idle,
    uncovered: isPartial ? [] : uncoveredRules(readFileSync(join(root, 'api-contracts/redocly.yaml'), 'utf8')),
    spread: Object.fromEntries(plan.spread),
    duration_ms: Math.round(performance.now() - startedAt),
  }
}

/** Exit codes: 0 all caught, 1 survivors or rules without a fault, 2 nothing could be shown. */
export async function main(argv: string[]): Promise<number> {
  try {
    const { values } = parse(argv)
    if (values.help) {
      process.stdout.write(HELP)
      return 0
    }
    const report = await runSelftest({
      ...(values.root === undefined ? {} : { root: values.root }),
      ...(values.seed === undefined ? {} : { seed: toNumber('--seed', values.seed) }),
      ...(values.jobs === undefined ? {} : { jobs: toNumber('--jobs', values.jobs) }),
      ...(values.only === undefined ? {} : { only: values.only }),
      keep: values.keep,
      log: (line) => process.stderr.write(`contracts:selftest: ${line}\n`),
    })
    process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report, UNREACHABLE))
    return report.caught === report.planted && report.uncovered.length === 0 ? 0 : 1
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    const isExpected = error instanceof ToolError
    process.stderr.write(
      `contracts:selftest: ${isExpected ? message : `an internal error: ${message.split('\n')[0]}`}\n`,
    )
    if (!isExpected && process.env.DEBUG !== undefined && error instanceof Error)
      process.stderr.write(`${error.stack}\n`)
    return 2
  }
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        seed: { type: 'string' },
        only: { type: 'string', multiple: true },
        jobs: { type: 'string' },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        root: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new ToolError(error instanceof Error ? error.message : String(error))
  }
}

function toNumber(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new ToolError(`${name} must be a whole number from 1, not ${text}`)
  return value
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
