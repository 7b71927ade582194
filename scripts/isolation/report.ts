import type { CallFinding } from './calls/calls.ts'
import type { Note } from './citus.ts'
import type { CellFinding } from './matrix.ts'
import type { MutantResult } from './mutants/run.ts'
import type { PoolResult } from './pool.ts'
import type { Oracle } from './statistics.ts'
import type { Fault } from './structure/fault.ts'

export interface IsolationReport {
  seed: number
  /** `180004`. */
  postgres: number
  tables: { tenant: string[]; outside: { name: string; reason: string }[]; views: string[] }
  functions: { all: number; definers: { signature: string; reason: string }[] }
  faults: Fault[]
  cells: number
  findings: CellFinding[]
  calls: number
  callFindings: CallFinding[]
  oracles: Oracle[]
  /** Null where they were not tried: the database as it is fails already, so nothing says what noticed a planted fault. */
  mutants: MutantResult[] | null
  /** Null where it was not run: with --table. */
  pool: PoolResult | null
  citus: { dialect: string | null; notes: Note[] }
  /** Milliseconds by part. */
  durations: Record<string, number>
}

export interface Summary {
  leaks: number
  differences: number
  killed: number
  mutants: number
  byStructure: number
  byBehaviour: number
  structureOnly: number
  behaviourOnly: number
  /** Noticed by the structure alone although a statement could tell: the behavioural check has a gap there. */
  weak: MutantResult[]
  survivors: MutantResult[]
  /** Why the structure alone notices some, and how many for each reason. */
  alike: [reason: string, times: number][]
  isProven: boolean
}

export function summarize(report: IsolationReport): Summary {
  const { findings, callFindings, oracles, faults, pool } = report
  const mutants = report.mutants ?? []
  const leaks =
    findings.filter(({ verdict }) => verdict.kind === 'leak').length +
    callFindings.length +
    oracles.filter(({ status }) => status === 'open').length +
    (pool?.faults.length ?? 0)
  const differences = findings.length - findings.filter(({ verdict }) => verdict.kind === 'leak').length
  const survivors = mutants.filter(({ byStructure, byBehaviour }) => byStructure === null && byBehaviour === null)
  const weak = mutants.filter(
    ({ mutant, byStructure, byBehaviour }) =>
      byStructure !== null && byBehaviour === null && mutant.equivalent === null,
  )
  const unneeded = oracles.filter(({ status }) => status === 'unneeded').length
  const isProven =
    leaks + differences + faults.length + survivors.length + weak.length + unneeded === 0 && report.mutants !== null
  return {
    leaks,
    differences,
    mutants: mutants.length,
    killed: mutants.length - survivors.length - weak.length,
    byStructure: mutants.filter(({ byStructure }) => byStructure !== null).length,
    byBehaviour: mutants.filter(({ byBehaviour }) => byBehaviour !== null).length,
    structureOnly: mutants.filter(({ byStructure, byBehaviour }) => byStructure !== null && byBehaviour === null)
      .length,
    behaviourOnly: mutants.filter(({ byStructure, byBehaviour }) => byStructure === null && byBehaviour !== null)
      .length,
    weak,
    survivors,
    alike: countReasons(mutants),
    isProven,
  }
}

function countReasons(mutants: readonly MutantResult[]): [string, number][] {
  const times = new Map<string, number>()
  for (const { mutant, byBehaviour } of mutants)
    if (mutant.equivalent !== null && byBehaviour === null)
      times.set(mutant.equivalent, (times.get(mutant.equivalent) ?? 0) + 1)
  return [...times].sort(([, left], [, right]) => right - left)
}

export function toJson(report: IsolationReport): string {
  const { isProven, leaks, differences, mutants, killed, byStructure, byBehaviour, structureOnly, behaviourOnly } =
    summarize(report)
  const counts = {
    leaks,
    differences,
    faults: report.faults.length,
    cells: report.cells,
    calls: report.calls,
    mutants,
    killed,
    byStructure,
    byBehaviour,
    structureOnly,
    behaviourOnly,
  }
  return `${JSON.stringify({ proven: isProven, ...counts, report }, null, 2)}\n`
}

/** Lines of one part that are printed before the rest is only counted. */
const LINES = 20

export function toText(report: IsolationReport): string {
  const { seed, postgres, tables, functions, cells, calls, oracles, pool, citus } = report
  const summary = summarize(report)
  const total = tables.tenant.length + tables.outside.length + tables.views.length
  const lines = [
    `isolation, PostgreSQL ${Math.floor(postgres / 10_000)}.${postgres % 10_000}, seed ${seed}`,
    '',
    row(
      'tables',
      `${total}: ${tables.tenant.length} under the template, ${tables.outside.length} reviewed exceptions, ${tables.views.length} views`,
    ),
    row('functions', `${functions.all}, of which ${functions.definers.length} run as their owner`),
    row('structure', count(report.faults.length, 'fault')),
    ...some(report.faults, ({ rule, object, detail }) => `${rule}: ${object} ${detail}`),
    row(
      'matrix',
      `${thousands(cells)} cells (table, statement, role, context), ${count(leaksOf(report), 'leak')}, ${count(summary.differences, 'other difference')}`,
    ),
    ...some(report.findings, describeFinding),
    row('calls', `${thousands(calls)} calls of functions, ${count(report.callFindings.length, 'leak')}`),
    ...some(
      report.callFindings,
      ({ call, detail }) => `${call.relation} as ${call.role}, ${call.operation}: ${detail}`,
    ),
    row('oracles', oracles.map(({ id, status }) => `${id} ${status}`).join(', ')),
    ...oracles.filter(({ status }) => status !== 'closed').map(({ id, detail }) => `             ${id}: ${detail}`),
    ...(report.mutants === null
      ? [row('mutants', 'not tried: the database as it is fails already')]
      : mutantLines(summary)),
    ...poolLines(pool),
    ...citusLines(citus),
    '',
    'reviewed exceptions',
    ...tables.outside.map(({ name, reason }) => `  ${name}: ${reason}`),
    ...functions.definers.map(({ signature, reason }) => `  ${signature}: ${reason}`),
    '',
    row(
      'time',
      Object.entries(report.durations)
        .map(([name, ms]) => `${name} ${(ms / 1_000).toFixed(1)} s`)
        .join(', '),
    ),
    '',
    `${summary.leaks} leaks`,
    report.mutants === null ? 'mutants not tried' : `${summary.killed}/${summary.mutants} mutants killed`,
  ]
  return `${lines.join('\n')}\n`
}

const row = (name: string, text: string) => `${name.padEnd(12)} ${text}`
const thousands = (number: number) => number.toLocaleString('en-US')
const count = (number: number, noun: string) => `${thousands(number)} ${noun}${number === 1 ? '' : 's'}`

const leaksOf = ({ findings }: IsolationReport) => findings.filter(({ verdict }) => verdict.kind === 'leak').length

function some<T>(items: readonly T[], print: (item: T) => string): string[] {
  const shown = items.slice(0, LINES).map((item) => `             ${print(item)}`)
  return items.length > LINES ? [...shown, `             and ${items.length - LINES} more`] : shown
}

export function describeFinding({ cell, verdict }: CellFinding): string {
  return `${verdict.kind}: ${cell.relation}, ${cell.operation} as ${cell.role}, ${cell.context}: ${verdict.detail}`
}

function mutantLines(summary: Summary): string[] {
  const { mutants, killed, byStructure, byBehaviour, structureOnly, behaviourOnly, survivors, weak, alike } = summary
  return [
    row(
      'mutants',
      `${killed}/${mutants} killed; the structure alone notices ${byStructure}, the behaviour alone ${byBehaviour}`,
    ),
    `             only by the structure: ${structureOnly - weak.length} that no statement can tell from the original:`,
    ...alike.map(([reason, times]) => `               ${times} x ${reason}`),
    `             only by the behaviour: ${behaviourOnly}`,
    ...some(survivors, ({ mutant }) => `survived: ${mutant.id}`),
    ...some(weak, ({ mutant, byStructure: noticed }) => `missed by the behaviour: ${mutant.id} (${noticed})`),
  ]
}

function poolLines(pool: PoolResult | null): string[] {
  if (pool === null) return []
  const { transactions, connections, handedOut, made, troubles, faults } = pool
  const kinds = Object.entries(troubles).filter(([trouble]) => trouble !== 'none')
  return [
    row(
      'pool',
      `${thousands(transactions)} transactions on ${connections} connections (${made} made, ${thousands(handedOut)} looked at), ${count(faults.length, 'fault')}`,
    ),
    `             ${kinds.map(([trouble, times]) => `${trouble} ${thousands(times)}`).join(', ')}`,
    ...some(faults, (fault) => fault),
  ]
}

function citusLines({ dialect, notes }: IsolationReport['citus']): string[] {
  return [
    row('citus', `${count(notes.length, 'note')} for a distribution by tenant_id`),
    ...notes.map(({ rule, detail }) => `             ${rule}: ${detail}`),
    ...(dialect === null ? [] : [`             the policy for Citus: ${dialect}`]),
  ]
}
