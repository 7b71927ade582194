import { randomBytes, randomUUID } from 'node:crypto'
import { availableParallelism, cpus } from 'node:os'
import pg from 'pg'
import { loadConfig } from '../../src/config.ts'
import type { RequestContext } from '../../src/context.ts'
import { createContext } from '../../src/main/context.ts'
import { refreshView } from '../../src/rollups/service.ts'
import type { View } from '../../src/rollups/views.ts'
import { startEnvironment } from '../isolation/environment.ts'
import { CHANGED, ENTRIES, fillForRollups, MATVIEWS, newEntry, noteEverything, SIZE } from './rollups-rows.ts'

const VIEWS = Object.keys(MATVIEWS) as View[]
const SCENARIOS = ['first', 'recent', 'spread', 'nothing'] as const
type Scenario = (typeof SCENARIOS)[number]

interface Cost {
  ms: number
  walMb: number
}

export interface RollupRow {
  scenario: Scenario
  view: View
  matview: Cost
  rollup: Cost & { buckets: number }
  /** Whether both hold the same rows. */
  isAlike: boolean
}

export interface RollupReport {
  rows: RollupRow[]
  /** Microseconds that one entry of the ledger costs (median), in a transaction of its own, without and with the notes of its change. */
  insert: { withoutUs: number; withUs: number }
}

/** Prints what a refresh of whole materialized views costs, and one of the parts that changed. */
export async function runRollupsBench({ isJson }: { isJson: boolean }): Promise<number> {
  const report = await measureRollups((line) => process.stderr.write(`${line}\n`))
  const about = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    ...SIZE,
    entries: ENTRIES,
    changed: CHANGED,
  }
  process.stdout.write(isJson ? `${JSON.stringify({ ...about, ...report })}\n` : printReport(report))
  const sum = (scenario: Scenario, of: (row: RollupRow) => number) =>
    report.rows.filter((row) => row.scenario === scenario).reduce((total, row) => total + of(row), 0)
  const isFaster = (['recent', 'nothing'] as const).every(
    (scenario) => sum(scenario, (row) => row.rollup.ms) < sum(scenario, (row) => row.matview.ms),
  )
  return isFaster && report.rows.every(({ isAlike }) => isAlike) ? 0 : 1
}

/**
 * The same figures twice over the same rows: as materialized views, refreshed concurrently by a superuser, and as the tables
 * of migration 0022, refreshed by the service as `app_worker`. First from nothing, then after one entry in a hundred was added
 * (mostly of the last two days; then over all days), then after nothing at all.
 */
export async function measureRollups(say: (line: string) => void): Promise<RollupReport> {
  const environment = await startEnvironment(say)
  const admin = new pg.Client({ connectionString: environment.admin, application_name: 'skeldir bench' })
  admin.on('error', () => {})
  const config = loadConfig({
    DATABASE_URL: environment.of('app_user'),
    SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
    SKELDIR_PUBLIC_URL: 'https://bench.example.test',
    LOG_LEVEL: 'silent',
  })
  const worker = createContext(config, 'app_worker', 'bench')
  try {
    await admin.connect()
    say(`filling the database with ${ENTRIES} entries of ${SIZE.tenants} tenants`)
    await fillForRollups(admin)
    const ctx: RequestContext = { ...worker, correlationId: randomUUID(), clientAddress: null }
    const rows: RollupRow[] = []
    let insert: RollupReport['insert'] = { withoutUs: 0, withUs: 0 }
    for (const scenario of SCENARIOS) {
      say(scenario)
      if (scenario === 'first') await noteEverything(admin)
      if (scenario === 'recent') insert = await addEntries(admin, false)
      if (scenario === 'spread') await addEntries(admin, true)
      if (scenario === 'recent' || scenario === 'spread') await admin.query('vacuum analyze')
      for (const view of VIEWS) rows.push(await measure(admin, ctx, scenario, view))
    }
    return { rows, insert }
  } finally {
    await admin.end()
    await worker.close()
    await environment.stop()
  }
}

async function measure(admin: pg.Client, ctx: RequestContext, scenario: Scenario, view: View): Promise<RollupRow> {
  const { key = '', query = '', columns = '' } = MATVIEWS[view] ?? {}
  const matview = await costOf(admin, async () => {
    if (scenario !== 'first') return void (await admin.query(`refresh materialized view concurrently bench_${view}`))
    await admin.query(`create materialized view bench_${view} as ${query}`)
    await admin.query(`create unique index on bench_${view} (${key})`)
  })
  let buckets = 0
  const rollup = await costOf(admin, async () => {
    const refresh = await refreshView(ctx, view, { signal: new AbortController().signal })
    if (refresh.error !== null) throw refresh.error
    buckets = refresh.buckets
  })
  const differences = await admin.query(
    `(select ${columns} from bench_${view} except select ${columns} from view_${view})
     union all (select ${columns} from view_${view} except select ${columns} from bench_${view}) limit 1`,
  )
  return { scenario, view, matview, rollup: { ...rollup, buckets }, isAlike: differences.rows.length === 0 }
}

async function costOf(admin: pg.Client, work: () => Promise<void>): Promise<Cost> {
  const lsn = async () => (await admin.query('select pg_current_wal_insert_lsn() as lsn')).rows[0].lsn as string
  const before = await lsn()
  const started = performance.now()
  await work()
  const ms = performance.now() - started
  const { rows } = await admin.query('select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8 as bytes', [
    before,
  ])
  return { ms, walMb: rows[0].bytes / 1_048_576 }
}

/** Entries that are added with and without notes in turns: what else the machine does is shared by both. */
const BLOCK = 95

/** One by one, as ingestion has them; the same again while nobody takes notes; and the runs of their days are published anew. */
async function addEntries(admin: pg.Client, isSpread: boolean): Promise<RollupReport['insert']> {
  const spent = { without: [] as number[], with: [] as number[] }
  for (let first = 0; first < CHANGED; first += BLOCK) {
    for (const side of ['with', 'without'] as const) {
      await admin.query(`alter table ledger_entries ${side === 'with' ? 'enable' : 'disable'} trigger view_changes`)
      for (let n = first; n < first + BLOCK; n += 1) {
        const { tenantId, at, key } = newEntry(n, isSpread)
        const started = performance.now()
        await admin.query({
          name: 'add-entry',
          text: `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
                 values ($1, $2, $3, 'capture', $4, 'USD', 'shopify', 'import', $5)`,
          values: [tenantId, `${side}-${key}`, `shopify:${key}`, 100 + n, at],
        })
        spent[side].push(performance.now() - started)
      }
    }
  }
  await admin.query('alter table ledger_entries enable trigger view_changes')
  // Of those that nobody noted there is nothing to be seen.
  await admin.query('set session_replication_role = replica')
  await admin.query("delete from ledger_entries where entry_key like 'without-%'")
  await admin.query('set session_replication_role = default')
  await admin.query(
    `update published_day_runs as p set published_at = now()
     from (select distinct tenant_id, date_trunc('day', occurred_at, 'UTC') as at from ledger_entries
           where entry_key like $1) as d
     where p.tenant_id = d.tenant_id and p.window_start = d.at`,
    [`with-${isSpread ? 'spread' : 'recent'}-%`],
  )
  return { withoutUs: medianUs(spent.without), withUs: medianUs(spent.with) }
}

function medianUs(ms: number[]): number {
  return (ms.toSorted((a, b) => a - b)[Math.floor(ms.length / 2)] ?? Number.NaN) * 1_000
}

export function printReport({ rows, insert }: RollupReport): string {
  const cell = ({ ms, walMb }: Cost) => `${ms.toFixed(0).padStart(8)} ${walMb.toFixed(1).padStart(8)}`
  const lines = rows.map(
    ({ scenario, view, matview, rollup, isAlike }) =>
      `${scenario.padEnd(9)}${view.padEnd(21)}${cell(matview)}  ${cell(rollup)} ${String(rollup.buckets).padStart(8)}  ${isAlike ? 'yes' : 'NO'}`,
  )
  return [
    `${ENTRIES} entries of ${SIZE.tenants} tenants over ${SIZE.days} days, ${CHANGED} added`,
    `${' '.repeat(30)}materialized view      rollup`,
    `${' '.repeat(30)}      ms   MB WAL        ms   MB WAL  buckets  alike`,
    ...lines,
    '',
    `one entry of the ledger: ${insert.withoutUs.toFixed(0)} us, ${insert.withUs.toFixed(0)} us with the notes of its change`,
    '',
  ].join('\n')
}
