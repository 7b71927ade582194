import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { CONTRACT_FOLDER } from '../generate/contract.ts'
import { engineHash, keyOfGate, readResult, writeResult } from './cache.ts'
import { type CheckContext, createContext } from './context.ts'
import { SyntaxFault, ToolError } from './finding.ts'
import type { CheckReport, Counts, Gate, GateReport, Profile } from './gate.ts'
import { gates as allGates } from './gates.ts'
import { runRules } from './rules.ts'

export interface CheckOptions {
  /** Of the repository, or of a copy of it. */
  root?: string
  /** Folder of other documents. */
  contracts?: string
  /** Default: skeldir for the documents of the repository, none for others. */
  profile?: Profile
  /** Only these, and nothing that they need. Default: all. */
  gates?: readonly string[]
  /** Rules that are left out; then nothing comes from the cache. */
  leaveOut?: readonly string[]
  /** Default: true. */
  cache?: boolean
  /** YYYY-MM-DD; default: the day it is (UTC). */
  today?: string
  onGate?: (name: string, event: 'start' | 'end', report?: GateReport) => void
}

/**
 * Runs the gates. Findings are in the report; throws ToolError when the tool cannot do its work.
 *
 * A gate whose prerequisite has failed is skipped, since it would say the same in other words. Gates that wait for a child
 * process (types, routes) run beside the others.
 */
export async function runChecks(options: CheckOptions = {}): Promise<CheckReport> {
  const startedAt = performance.now()
  const ctx = contextOf(options)
  const chosen = chooseGates(ctx, options.gates)
  const engine = options.cache === false || options.leaveOut !== undefined ? null : engineHash()
  const counted: { counts?: Counts } = {}
  const running = new Map<string, Promise<GateReport>>()
  const start = (gate: Gate): Promise<GateReport> => {
    const known = running.get(gate.name)
    if (known !== undefined) return known
    const needed = gate.needs.flatMap((name) => {
      const other = chosen.find((each) => each.name === name)
      return other === undefined ? [] : [start(other)]
    })
    const report = Promise.all(needed).then((reports) => runGate(ctx, gate, reports, engine, counted, options))
    running.set(gate.name, report)
    return report
  }
  // Children first: they work while this thread does the rest.
  for (const gate of chosen) if (gate.needs.length === 0 && gate.name !== 'document') start(gate)
  const reports = await Promise.all(chosen.map(start))
  const counts = counted.counts ?? countWithout(ctx)
  return { gates: reports, ...counts, duration_ms: Math.round(performance.now() - startedAt) }
}

function contextOf({ root, contracts, profile, today }: CheckOptions): CheckContext {
  const repository = resolve(root ?? join(import.meta.dirname, '../..'))
  if (!existsSync(repository)) throw new ToolError(`the folder ${repository} does not exist`)
  const own = join(repository, CONTRACT_FOLDER)
  const folder = contracts === undefined ? own : isAbsolute(contracts) ? contracts : resolve(contracts)
  return createContext({
    root: repository,
    folder,
    profile: profile ?? (folder === own ? 'skeldir' : 'none'),
    isOwn: folder === own,
    today: today ?? new Date().toISOString().slice(0, 10),
  })
}

function chooseGates(ctx: CheckContext, names: readonly string[] | undefined): Gate[] {
  for (const name of names ?? []) {
    if (allGates.some((gate) => gate.name === name)) continue
    throw new ToolError(`there is no gate ${name}; the gates are ${allGates.map((gate) => gate.name).join(', ')}`)
  }
  return allGates.filter(
    ({ name, profiles }) => profiles.includes(ctx.profile) && (names === undefined || names.includes(name)),
  )
}

async function runGate(
  ctx: CheckContext,
  gate: Gate,
  needed: readonly GateReport[],
  engine: string | null,
  counted: { counts?: Counts },
  { onGate = () => {}, leaveOut }: CheckOptions,
): Promise<GateReport> {
  const { name } = gate
  const startedAt = performance.now()
  const done = (report: Omit<GateReport, 'name' | 'duration_ms'>): GateReport => {
    const full = { name, ...report, duration_ms: Math.round(performance.now() - startedAt) }
    onGate(name, 'end', full)
    return full
  }
  const blocked = needed.filter(
    ({ status, reason }) => status === 'fail' || (status === 'skipped' && isBlocked(reason)),
  )
  const failed = blocked.filter(({ status }) => status === 'fail')
  const named = (failed.length > 0 ? failed : blocked).map((report) => report.name)
  const reason = named.length > 0 ? `${NEEDS}${named.join(', ')}` : gate.skip?.(ctx)
  if (reason !== undefined) return done({ status: 'skipped', findings: [], reason, cached: false })
  const key = engine === null ? null : keyOfGate(ctx, gate, engine)
  const known = key === null ? undefined : readResult(ctx, gate, key)
  if (known !== undefined) {
    if (known.counts !== undefined) counted.counts = known.counts
    return done({ status: statusOf(known.findings), findings: known.findings, cached: true })
  }
  onGate(name, 'start')
  const findings = await runRules(ctx, gate, leaveOut)
  const counts = await gate.counts?.(ctx)
  if (counts !== undefined) counted.counts = counts
  if (key !== null) writeResult(ctx, gate, key, { findings, ...(counts === undefined ? {} : { counts }) })
  return done({ status: statusOf(findings), findings, cached: false })
}

const NEEDS = 'needs '

/** Skipped because of another gate; a gate that has nothing to look at holds up nobody. */
function isBlocked(reason: string | undefined): boolean {
  return reason?.startsWith(NEEDS) === true
}

function statusOf(findings: GateReport['findings']): GateReport['status'] {
  return findings.some(({ severity }) => severity === 'error') ? 'fail' : 'pass'
}

/** Where the gate that counts did not run. */
function countWithout(ctx: CheckContext): Counts {
  try {
    const { operations } = ctx.source()
    return {
      operations: operations.length,
      statuses: operations.reduce((sum, { replies }) => sum + replies.length, 0),
      examples: 0,
    }
  } catch (error) {
    if (error instanceof SyntaxFault || error instanceof ToolError) return { operations: 0, statuses: 0, examples: 0 }
    throw error
  }
}
