import { cpus } from 'node:os'
import { type CostRow, measureCost } from './auth-cost.ts'
import { measureRevocation } from './auth-revocation.ts'
import { measureForeign, measureLogins, PEOPLE, type TimingRow } from './auth-timing.ts'
import { eitherWay, median } from './auth-turns.ts'
import { startWorld } from './auth-world.ts'
import { measureRlsTax, printRlsTax, type RlsTax } from './rls.ts'

/** Statements behind a request whose credentials are known. */
const MUST_STATEMENTS = 0
/** Foreign over missing ids, and the same the other way round. */
const FOREIGN = { aim: 1.1, must: 1.2 }
/** Reasons to refuse a log-in, against one another. */
const AIM_LOGIN = 1.1
/** Milliseconds until every process refuses what was revoked. */
const AIM_REVOCATION_MS = 1_000
/** CPU time of a request with known credentials, quota and all, over that of `getLiveness`. */
const AIM_HOT = 2
/** CPU time that known credentials cost over that of new ones: a signature, or a look into the database. */
const AIM_KNOWN = 0.2
/** Statements that a key costs once. */
const AIM_NEW_KEY = 1

interface Goal {
  goal: string
  value: number
  /** How `value` is printed. */
  shown: string
  limit: string
  /** Whether the bench fails without it. */
  isMust: boolean
  isMet: boolean
}

interface Measured {
  cost: CostRow[]
  foreign: TimingRow[]
  logins: TimingRow[]
  /** Milliseconds. */
  revocation: number[]
  rls: RlsTax
}

/**
 * Prints what it costs that nobody gets in where they do not belong: CPU time and statements of an authenticated request,
 * what answer times tell of other tenants and of accounts, and row level security. Loopback only, a Postgres of its own.
 */
export async function runAuthBench({ isJson }: { isJson: boolean }): Promise<number> {
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const world = await startWorld(say, PEOPLE)
  let measured: Omit<Measured, 'rls'>
  try {
    measured = {
      cost: await measureCost(world, say),
      foreign: await measureForeign(world, say),
      logins: await measureLogins(world, say),
      revocation: await measureRevocation(world, say),
    }
  } finally {
    await world.stop()
  }
  const results: Measured = { ...measured, rls: await measureRlsTax(say) }
  const goals = judge(results)
  const isMet = goals.every((goal) => goal.isMet || !goal.isMust)
  const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', pinned: world.isPinned }
  process.stdout.write(
    isJson ? `${JSON.stringify({ ...about, goals, ok: isMet, ...results })}\n` : print(results, goals, isMet, about),
  )
  return isMet ? 0 : 1
}

function judge({ cost, foreign, logins, revocation, rls }: Measured): Goal[] {
  const slowest = Math.max(...revocation)
  return [
    ...cost.flatMap(judgeCost),
    ...judgeForeign(foreign),
    ...logins.map(judgeLogin),
    {
      ...atMost('a revoked token: ms until another process refuses it, the slowest', slowest, AIM_REVOCATION_MS),
      shown: slowest.toFixed(0),
    },
    ...judgeRls(rls),
  ]
}

function judgeCost(row: CostRow, _index: number, rows: CostRow[]): Goal[] {
  const { name, kind, credential, statements } = row
  if (kind === 'new' && credential === 'key')
    return [atMost(`${name}: statements behind a request`, statements, AIM_NEW_KEY)]
  if (kind === 'known') {
    const once = rows.find((other) => other.kind === 'new' && other.credential === credential)?.moreMicros
    return [atMost(`${name}: its CPU time over that of a new one`, row.moreMicros / (once ?? Number.NaN), AIM_KNOWN)]
  }
  if (kind !== 'hot') return []
  const must = atMost(`${name}: statements behind a request`, statements, MUST_STATEMENTS)
  const goals = [{ ...must, isMust: true }]
  return credential === 'key'
    ? goals
    : [...goals, atMost(`${name}: CPU time over getLiveness`, row.overLiveness, AIM_HOT)]
}

function judgeForeign(rows: readonly TimingRow[]): Goal[] {
  const farthest = Math.max(...rows.map(({ ratio }) => eitherWay(ratio)))
  const musts = rows.map(({ name, ratio }) => ({
    goal: `${name}: foreign over missing ids`,
    value: ratio,
    shown: ratio.toFixed(3),
    limit: `${FOREIGN.must}, or 1/${FOREIGN.must}`,
    isMust: true,
    isMet: eitherWay(ratio) <= FOREIGN.must,
  }))
  return [...musts, atMost('foreign and missing ids: the farthest apart', farthest, FOREIGN.aim)]
}

function judgeLogin({ name, ratio }: TimingRow): Goal {
  return {
    ...atMost(`log-in, ${name}: over an unknown user`, ratio, AIM_LOGIN),
    limit: `${AIM_LOGIN}, or 1/${AIM_LOGIN}`,
    isMet: eitherWay(ratio) <= AIM_LOGIN,
  }
}

function judgeRls({ median, worst, goals, meetsAim, meetsMust }: RlsTax): Goal[] {
  return [
    { ...atMost('RLS tax: highest of the queries', worst, goals.must), isMust: true, isMet: meetsMust },
    { ...atMost('RLS tax: median of the queries', median, goals.aim), isMet: meetsAim },
  ]
}

function atMost(goal: string, value: number, limit: number): Goal {
  return { goal, value, shown: value.toFixed(3), limit: String(limit), isMust: false, isMet: value <= limit }
}

function print(
  { cost, foreign, logins, revocation, rls }: Measured,
  goals: readonly Goal[],
  isMet: boolean,
  about: { node: string; cpu: string; pinned: boolean },
): string {
  return [
    `Node ${about.node}, ${about.cpu}, ${about.pinned ? 'server and load pinned to a core each' : 'not pinned'}`,
    '',
    ...printTable(
      [
        'request',
        'CPU us',
        'x getLiveness',
        'x unchecked',
        'requests/s',
        'p99 ms',
        'statements/request',
        'batched/1,000',
      ],
      cost.map((row) => [
        row.name,
        row.cpuMicros.toFixed(1),
        row.overLiveness.toFixed(2),
        row.kind === 'none' ? '-' : row.overBase.toFixed(2),
        String(row.perSecond),
        String(row.p99Ms),
        row.statements.toFixed(4),
        (row.batched * 1_000).toFixed(1),
      ]),
    ),
    '',
    ...printTimings('404, foreign beside missing ids', foreign),
    '',
    ...printTimings('401, beside an unknown user', logins),
    '',
    `a revoked token is refused by another process after ${median(revocation).toFixed(0)} ms (median of ${revocation.length})`,
    '',
    printRlsTax(rls),
    ...goals.map(
      ({ goal, shown, limit, isMust, isMet: ok }) =>
        `${ok ? 'met   ' : 'MISSED'}  ${isMust ? 'must' : 'aim '}  ${goal}: ${shown} (at most ${limit})`,
    ),
    isMet ? 'verdict: everything that must hold does' : 'verdict: something that must hold does not',
    '',
  ].join('\n')
}

function printTimings(title: string, rows: readonly TimingRow[]): string[] {
  return printTable(
    [title, 'calls each', 'ms', 'beside ms', 'ratio', 'told apart %'],
    rows.map(({ name, calls, ms, baseMs, ratio, toldApart }) => [
      name,
      String(calls),
      ms.toFixed(3),
      baseMs.toFixed(3),
      ratio.toFixed(3),
      (toldApart * 100).toFixed(1),
    ]),
  )
}

function printTable(columns: readonly string[], rows: readonly string[][]): string[] {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)))
  return [columns, ...rows].map((row) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  '),
  )
}
