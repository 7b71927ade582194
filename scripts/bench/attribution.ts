import { spawnSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { loadConfig } from '../../src/config.ts'
import { createContext } from '../../src/main/context.ts'
import { startEnvironment } from '../isolation/environment.ts'
import { toTable } from '../load/table.ts'
import { BASELINE_TABLE, runRowByRow } from './attribution-baseline.ts'
import { addTouches, fillShop, type ShopSize, tenantOf } from './attribution-rows.ts'
import type { Published } from './attribution-worker.ts'

/** Of the whole size; a tenth is for a first look. */
const SHARE = Number(process.env.BENCH_SHARE ?? 1)
const MAX_MB = 512
const MAX_INCREMENTAL = 0.03
/** Orders that the row by row method does; the rest is told by its own rate. */
const BASELINE_ORDERS = 500

interface Scenario {
  name: string
  size: Omit<ShopSize, 'number'>
  /** Null: shown, and no goal. */
  mustMs: number | null
}

const usual = { touchesPerOrder: 10, days: 30, channels: 12, touchesOfOne: 0 }
const SCENARIOS: readonly Scenario[] = [
  { name: '10,000 events', size: { ...usual, orders: 900 }, mustMs: 500 },
  { name: '100,000 events', size: { ...usual, orders: 9_000 }, mustMs: 3_000 },
  { name: 'one visitor with 100,000 touches', size: { ...usual, orders: 900, touchesOfOne: 100_000 }, mustMs: null },
  { name: '500 channels, 100,000 events', size: { ...usual, orders: 9_000, channels: 500 }, mustMs: 3_000 },
  { name: '1,000,000 touches, 100,000 orders', size: { ...usual, orders: 100_000, days: 100 }, mustMs: 20_000 },
]

export interface AttributionRow extends Published {
  name: string
  mustMs: number | null
  orders: number
  credits: number
}

export interface AttributionReport {
  rows: AttributionRow[]
  /** After the last of them: one order in a hundred has a new touch, of the last day or of every day. */
  incremental: (Published & { name: string; changed: number; share: number })[]
  /** All orders of the last scenario, by the row by row method's own rate. */
  baseline: { orders: number; ms: number; allMs: number }
  load: number
}

/** Prints how long it takes to compute and publish figures by every order-level model, in minor units, as `app_worker`. */
export async function runAttributionBench({ isJson }: { isJson: boolean }): Promise<number> {
  const report = await measureAttribution((line) => process.stderr.write(`${line}\n`))
  const about = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    share: SHARE,
  }
  process.stdout.write(isJson ? `${JSON.stringify({ ...about, ...report })}\n` : printReport(report))
  const isFast = report.rows.every(({ ms, mustMs, peakMb }) => (mustMs === null || ms <= mustMs) && peakMb <= MAX_MB)
  return isFast && report.incremental.every(({ share }) => share <= MAX_INCREMENTAL) ? 0 : 1
}

async function measureAttribution(say: (line: string) => void): Promise<AttributionReport> {
  const environment = await startEnvironment(say)
  const admin = new pg.Client({ connectionString: environment.admin, application_name: 'skeldir bench' })
  admin.on('error', () => {})
  const env = {
    ...process.env,
    DATABASE_URL: environment.of('app_user'),
    SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'warn',
  }
  try {
    await admin.connect()
    await admin.query(BASELINE_TABLE)
    const rows: AttributionRow[] = []
    const incremental: AttributionReport['incremental'] = []
    let baseline: AttributionReport['baseline'] = { orders: 0, ms: 0, allMs: 0 }
    for (const [index, { name, size, mustMs }] of SCENARIOS.entries()) {
      const shop = { ...size, number: index + 1, orders: Math.round(size.orders * SHARE) }
      say(`${name}: filling the database`)
      await fillShop(admin, shop)
      say(`${name}: computing`)
      const published = publish(env, tenantOf(shop))
      rows.push({ ...published, name, mustMs, orders: shop.orders, credits: await countCredits(admin, shop) })
      if (index < SCENARIOS.length - 1) continue
      for (const [what, ofLastDay] of [
        ['of the last day', true],
        ['of every day', false],
      ] as const) {
        await admin.query('vacuum analyze')
        say(`${name}: one order in a hundred, ${what}`)
        const changed = await addTouches(admin, shop, ofLastDay)
        const after = publish(env, tenantOf(shop))
        incremental.push({ ...after, name: what, changed, share: after.ms / published.ms })
      }
      say(`row by row: ${BASELINE_ORDERS} orders`)
      baseline = await measureBaseline(env, shop)
    }
    return { rows, incremental, baseline, load: loadavg()[0] ?? Number.NaN }
  } finally {
    await admin.end()
    await environment.stop()
  }
}

function publish(env: NodeJS.ProcessEnv, tenantId: string): Published {
  const script = join(import.meta.dirname, 'attribution-worker.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, tenantId], { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the worker ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as Published
}

async function countCredits(admin: pg.Client, shop: ShopSize): Promise<number> {
  const { rows } = await admin.query(
    'select count(*)::integer as n from attribution_order_credits where tenant_id = $1',
    [tenantOf(shop)],
  )
  return rows[0].n
}

async function measureBaseline(env: NodeJS.ProcessEnv, shop: ShopSize): Promise<AttributionReport['baseline']> {
  const worker = createContext(loadConfig(env), 'app_worker', 'bench')
  try {
    const tenantId = tenantOf(shop)
    const principal = { kind: 'worker', tenantId } as const
    const ctx = { ...worker, tenantId, correlationId: randomUUID(), clientAddress: null, principal }
    const orders = Math.min(BASELINE_ORDERS, shop.orders)
    const ms = await runRowByRow(ctx, orders)
    return { orders, ms, allMs: (ms / orders) * shop.orders }
  } finally {
    await worker.close()
  }
}

function printReport({ rows, incremental, baseline, load }: AttributionReport): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`
  const full = rows.at(-1)?.ms ?? Number.NaN
  return [
    ...toTable(
      ['', 'orders', 'credits', 'time', 'must be', 'processor', 'of the database', 'peak memory'],
      rows.map(({ name, orders, credits, ms, mustMs, cpuMs, databaseCpuMs, peakMb }) => [
        name,
        String(orders),
        String(credits),
        seconds(ms),
        mustMs === null ? '' : `<= ${seconds(mustMs)}`,
        seconds(cpuMs),
        seconds(databaseCpuMs),
        `${peakMb.toFixed(0)} MB`,
      ]),
      1,
    ),
    '',
    ...incremental.map(
      ({ name, changed, ms, cpuMs, databaseCpuMs, share }) =>
        `${changed} changed orders ${name}: ${seconds(ms)} (processor ${seconds(cpuMs)}, of the database ${seconds(databaseCpuMs)}), ${share.toFixed(3)} of all (must be <= ${MAX_INCREMENTAL})`,
    ),
    `row by row: ${baseline.orders} orders in ${seconds(baseline.ms)}, so all in ${seconds(baseline.allMs)}: ${(baseline.allMs / full).toFixed(1)} times as long, for one model and in floating point`,
    `load of the machine at the end: ${load.toFixed(1)}`,
    '',
  ].join('\n')
}
