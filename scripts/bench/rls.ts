import { randomUUID } from 'node:crypto'
import { availableParallelism, cpus } from 'node:os'
import pg from 'pg'
import { pino } from 'pino'
import { connect, type Database } from '../../src/db/connect.ts'
import { inTenant, type Tx } from '../../src/db/tenant.ts'
import { startEnvironment } from '../isolation/environment.ts'
import { type HotQuery, hotQueries } from './rls-queries.ts'
import { fillForRls, SIZE, tenantId } from './rls-rows.ts'

/** p95 with policies in multiples of p95 without, same predicate: what is aimed at, and what must hold. */
const GOALS = { aim: 1.05, must: 1.25 }
const ROUNDS = 9
/** Calls of each side in a round, and how long a round may take. */
const CALLS = { least: 60, most: 400, milliseconds: 600 }
const WARM_UP_CALLS = 10
/** With the same grants, past the policies. */
const BYPASS = 'skeldir_bench_bypass'

export interface RlsRow {
  query: string
  role: string
  calls: number
  /** Milliseconds: medians over the rounds of the round's own median and p95. */
  withPolicies: { p50: number; p95: number }
  without: { p50: number; p95: number }
  /** Median over the rounds of p95 with ÷ p95 without. */
  tax: number
}

export interface RlsTax {
  rows: RlsRow[]
  /** Median and highest of the queries. */
  median: number
  worst: number
  goals: typeof GOALS
  meetsAim: boolean
  meetsMust: boolean
}

/** Prints what the policies cost the queries that are sent most. */
export async function runRlsBench({ isJson }: { isJson: boolean }): Promise<number> {
  const tax = await measureRlsTax((line) => process.stderr.write(`${line}\n`))
  const about = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    rounds: ROUNDS,
    ...SIZE,
  }
  process.stdout.write(isJson ? `${JSON.stringify({ ...about, ...tax })}\n` : printRlsTax(tax))
  return tax.meetsMust ? 0 : 1
}

/**
 * The queries of src/ on a database of several tenants, once as the role that sends them and once as a role with the
 * same grants that bypasses policies: call by call in turns, in the same transaction's length, so that load, caches and
 * plans are those of the same moment.
 */
export async function measureRlsTax(say: (line: string) => void): Promise<RlsTax> {
  const environment = await startEnvironment(say)
  try {
    say('filling the database')
    const bypassUrl = await prepare(environment.admin)
    const rows: RlsRow[] = []
    for (const query of hotQueries()) {
      say(query.name)
      rows.push(await measure(query, environment.of(query.role), bypassUrl))
    }
    const taxes = rows.map(({ tax }) => tax)
    const median = middleOf(taxes)
    const worst = Math.max(...taxes)
    return { rows, median, worst, goals: GOALS, meetsAim: median <= GOALS.aim, meetsMust: worst <= GOALS.must }
  } finally {
    await environment.stop()
  }
}

export function printRlsTax({ rows, median, worst, goals, meetsAim, meetsMust }: RlsTax): string {
  const width = Math.max(...rows.map(({ query }) => query.length))
  const ms = (value: number) => value.toFixed(2).padStart(7)
  const lines = rows.map(
    ({ query, withPolicies, without, tax }) =>
      `${query.padEnd(width)}  ${ms(withPolicies.p50)} ${ms(withPolicies.p95)}  ${ms(without.p50)} ${ms(without.p95)}  ${tax.toFixed(3)}`,
  )
  return [
    `${'milliseconds'.padEnd(width)}   p50 with  p95     p50 without p95  tax (p95)`,
    ...lines,
    '',
    `RLS tax: median ${median.toFixed(3)} (goal ${goals.aim}, ${meetsAim ? 'met' : 'missed'}), highest ${worst.toFixed(3)} (must ${goals.must}, ${meetsMust ? 'met' : 'missed'})`,
    '',
  ].join('\n')
}

/** Fills the database and makes the role that policies do not hold for. Gives its URL. */
async function prepare(adminUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'skeldir bench' })
  client.on('error', () => {})
  await client.connect()
  try {
    await fillForRls(client)
    const password = randomUUID()
    await client.query(`create role ${BYPASS} login bypassrls inherit password '${password}'`)
    await client.query(`grant app_user, app_worker, app_ingest to ${BYPASS}`)
    await client.query(`grant connect on database ${client.database} to ${BYPASS}`)
    const url = new URL(adminUrl)
    url.username = BYPASS
    url.password = password
    return url.href
  } finally {
    await client.end()
  }
}

interface Round {
  calls: number
  withPolicies: { p50: number; p95: number }
  without: { p50: number; p95: number }
}

async function measure(query: HotQuery, url: string, bypassUrl: string): Promise<RlsRow> {
  const log = pino({ level: 'silent' })
  const open = (databaseUrl: string) => connect({ url: databaseUrl, applicationName: 'skeldir bench', max: 1, log })
  const [bound, free] = [open(url), open(bypassUrl)]
  try {
    const rounds: Round[] = []
    for (let number = 0; number < ROUNDS; number += 1) rounds.push(await runRound(query, bound, free, number))
    const middle = (pick: (round: Round) => number) => middleOf(rounds.map(pick))
    return {
      query: query.name,
      role: query.role,
      calls: rounds.reduce((sum, { calls }) => sum + calls, 0),
      withPolicies: { p50: middle((round) => round.withPolicies.p50), p95: middle((round) => round.withPolicies.p95) },
      without: { p50: middle((round) => round.without.p50), p95: middle((round) => round.without.p95) },
      tax: middle((round) => round.withPolicies.p95 / round.without.p95),
    }
  } finally {
    await Promise.all([bound.close(), free.close()])
  }
}

const DONE = new Error('the round is over')

/** Both sides in one open transaction each, of the same tenant; what they write is rolled back. */
async function runRound(query: HotQuery, bound: Database, free: Database, number: number): Promise<Round> {
  const scope = { tenantId: tenantId(1 + (number % SIZE.tenants)), correlationId: randomUUID() }
  let round: Round | undefined
  await inTenant(bound, scope, (tx) =>
    inTenant(free, scope, async (other) => {
      round = await alternate(query, scope.tenantId, tx, other)
      throw DONE
    }),
  ).catch((error) => {
    if (error !== DONE) throw error
  })
  return round as Round
}

async function alternate({ run }: HotQuery, tenant: string, bound: Tx, free: Tx): Promise<Round> {
  const times = { bound: [] as number[], free: [] as number[] }
  const call = async (side: 'bound' | 'free', turn: number) => {
    const startedAt = performance.now()
    await run(side === 'bound' ? bound : free, tenant, turn)
    times[side].push(performance.now() - startedAt)
  }
  let endsAt = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < WARM_UP_CALLS + CALLS.most; turn += 1) {
    if (turn === WARM_UP_CALLS) {
      times.bound = []
      times.free = []
      endsAt = performance.now() + CALLS.milliseconds
    }
    if (performance.now() > endsAt && turn >= WARM_UP_CALLS + CALLS.least) break
    // Who goes second finds the processor's caches warm: they take turns at that too.
    for (const side of turn % 2 === 0 ? (['bound', 'free'] as const) : (['free', 'bound'] as const))
      await call(side, turn)
  }
  const summary = (values: number[]) => ({ p50: middleOf(values), p95: at(values, 0.95) })
  return { calls: times.bound.length, withPolicies: summary(times.bound), without: summary(times.free) }
}

function middleOf(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right)
  const half = sorted.length / 2
  const [below, above] = [sorted[Math.ceil(half) - 1] ?? Number.NaN, sorted[Math.floor(half)] ?? Number.NaN]
  return (below + above) / 2
}

/** The value below which this share of the others lies. */
function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
