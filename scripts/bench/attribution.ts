import { spawn, spawnSync } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { loadConfig } from '../../src/config.ts'
import { createContext } from '../../src/main/context.ts'
import { startEnvironment } from '../isolation/environment.ts'
import { measureAnswers } from './attribution-answers.ts'
import { BASELINE_TABLE, runRowByRow } from './attribution-baseline.ts'
import { type AttributionReport, type AttributionRow, judge, print } from './attribution-goals.ts'
import { addTouches, fillShop, type ShopSize, spanOf, tenantOf } from './attribution-rows.ts'
import type { Published, Windowed } from './attribution-worker.ts'

/** Of the whole size; a tenth is for a first look. */
const SHARE = Number(process.env.BENCH_SHARE ?? 1)
const WORKER = join(import.meta.dirname, 'attribution-worker.ts')
/** Of changes, of which the middle one counts. */
const ROUNDS = 3
/** As much memory for pages as the measured limits of attribution were measured with. */
const SHARED_BUFFERS = '1GB'
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

/**
 * Prints how long it takes to compute and publish figures by every order-level model, in minor units, and to measure a window by
 * Markov chains, as `app_worker`; then how long the API takes to tell of them.
 */
export async function runAttributionBench({ isJson }: { isJson: boolean }): Promise<number> {
  const report = await measureAttribution((line) => process.stderr.write(`${line}\n`))
  const goals = judge(report)
  const isMet = goals.every((goal) => goal.isMet || !goal.isMust)
  const about = {
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    share: SHARE,
    sharedBuffers: SHARED_BUFFERS,
  }
  process.stdout.write(
    isJson
      ? `${JSON.stringify({ ...about, goals, ok: isMet, ...report })}\n`
      : `Postgres with ${SHARED_BUFFERS} of shared_buffers\n\n${print(report, goals)}`,
  )
  return isMet ? 0 : 1
}

async function measureAttribution(say: (line: string) => void): Promise<AttributionReport> {
  const environment = await startEnvironment(say, { shared_buffers: SHARED_BUFFERS })
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
    const shops = SCENARIOS.map(({ size }, index) => {
      return { ...size, number: index + 1, orders: Math.round(size.orders * SHARE) }
    })
    for (const [index, shop] of shops.entries()) {
      const { name, mustMs } = SCENARIOS[index] as Scenario
      say(`${name}: filling the database`)
      await fillShop(admin, shop)
      say(`${name}: computing`)
      const published = runWorker<Published>(env, tenantOf(shop))
      rows.push({ ...published, name, mustMs, orders: shop.orders, credits: await countCredits(admin, shop) })
    }
    const shop = shops.at(-1) as ShopSize
    const fullMs = rows.at(-1)?.ms ?? Number.NaN
    await admin.query('vacuum analyze')
    say('a window of all days, by Markov chains')
    const { from, to } = spanOf(shop)
    const window = runWorker<Windowed>(env, tenantOf(shop), from, to)
    const answers = await measureAnswers(env, admin, shop, say)
    const incremental: AttributionReport['incremental'] = []
    for (const [name, ofLastDay] of [
      ['of the last day', true],
      ['of every day', false],
    ] as const) {
      await admin.query('vacuum analyze')
      say(`one order in a hundred, ${name}`)
      const median = await measureIncrement(env, admin, shop, ofLastDay)
      incremental.push({ ...median, name, share: median.ms / fullMs })
    }
    say(`row by row: ${BASELINE_ORDERS} orders`)
    const baseline = await measureBaseline(env, shop)
    return { rows, window, answers, incremental, baseline, load: loadavg()[0] ?? Number.NaN }
  } finally {
    await admin.end()
    await environment.stop()
  }
}

/** The median of some rounds, by time, in one worker. */
async function measureIncrement(
  env: NodeJS.ProcessEnv,
  admin: pg.Client,
  shop: ShopSize,
  ofLastDay: boolean,
): Promise<Published & { changed: number }> {
  const worker = spawn(process.execPath, [WORKER, tenantOf(shop)], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const lines = createInterface({ input: worker.stdout })[Symbol.asyncIterator]()
    const rounds: (Published & { changed: number })[] = []
    // The first that it says is of nothing: all is published.
    await lines.next()
    for (let round = 0; round < ROUNDS; round += 1) {
      const changed = await addTouches(admin, shop, { ofLastDay, round })
      worker.stdin.write('\n')
      const { value } = await lines.next()
      if (value === undefined) throw new Error('the worker ended')
      rounds.push({ ...(JSON.parse(value) as Published), changed })
    }
    return rounds.sort((a, b) => a.ms - b.ms)[Math.floor(ROUNDS / 2)] as Published & { changed: number }
  } finally {
    worker.stdin.end()
  }
}

/** Of a process of its own, so that its memory is told too. */
function runWorker<Done>(env: NodeJS.ProcessEnv, ...args: string[]): Done {
  const { status, stdout, stderr } = spawnSync(process.execPath, [WORKER, ...args], { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the worker ended with ${status}: ${stderr}`)
  return JSON.parse(stdout) as Done
}

async function countCredits(admin: pg.Client, shop: ShopSize): Promise<number> {
  const { rows } = await admin.query(
    'select count(*)::integer as n from attribution_credits_by_touch where tenant_id = $1',
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
