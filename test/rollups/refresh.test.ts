import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listLiveEditions, setPublications } from '../../src/attribution/engine/editions/queries.ts'
import type { CreditedEntry, Entry } from '../../src/attribution/engine/order.ts'
import { addRow, createBatch, toSend } from '../../src/attribution/engine/orders/batch.ts'
import { getCreditRowType, insertCredits } from '../../src/attribution/engine/orders/queries.ts'
import { deleteOrders, listCountedOrders, setOrders } from '../../src/attribution/engine/pointers/queries.ts'
import { addOrder, createDaySums } from '../../src/attribution/engine/runs/day.ts'
import { publishRuns } from '../../src/attribution/engine/runs/publish.ts'
import type { RequestContext, TenantContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { workerMetrics } from '../../src/metrics/catalogue.ts'
import {
  describeViews,
  estimateViewRows,
  refreshByTheClock,
  refreshView,
  refreshViews,
} from '../../src/rollups/service.ts'
import { type View, viewNames } from '../../src/rollups/views.ts'
import { givenEndpoint } from '../support/given.ts'
import { METRICS_TOKEN, startPlatform, type TestPlatform, type TestTenant, until } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { workerContext } from '../support/worker.ts'

const signal = new AbortController().signal
const WORKER = { executionContext: 'worker' } as const
const DAY_MS = 86_400_000
const START = Date.parse('2026-03-01T00:00:00Z')

interface World {
  platform: TestPlatform
  ctx: RequestContext
}

async function givenWorld(): Promise<World> {
  const platform = await startPlatform(onTestFinished)
  const { tenantId: _, principal: __, ...ctx } = workerContext(platform, platform.tenant, onTestFinished)
  return { platform, ctx: { ...ctx, correlationId: randomUUID() } }
}

interface EntryInput {
  key: string
  kind?: 'capture' | 'refund' | 'dispute'
  amountMinor: number | bigint
  currency?: string
  vendor?: string
  at: Date
  corrects?: string
}

/** As ingestion has it: app_ingest, in the tenant's own transaction. */
async function addEntries({ ctx, tenantId }: TestTenant, ...entries: EntryInput[]): Promise<void> {
  await inTenant(ctx.db.ingest, ctx, async (tx) => {
    for (const { key, kind = 'capture', amountMinor, currency = 'USD', vendor = 'shopify', at, corrects } of entries)
      await tx
        .insertInto('ledger_entries')
        .values({
          tenant_id: tenantId,
          entry_key: key,
          order_key: 'shopify:1',
          kind,
          amount_minor: BigInt(amountMinor),
          currency,
          vendor,
          source: 'import',
          occurred_at: at,
          corrects_entry_key: corrects ?? null,
        })
        .execute()
  })
}

/** True: it reports money that another one reports, and does not count. */
async function setUncounted({ ctx, tenantId }: TestTenant, key: string, isUncounted: boolean): Promise<void> {
  await inTenant(ctx.db.ingest, ctx, async (tx) => {
    if (isUncounted)
      await tx
        .insertInto('uncounted_entries')
        .values({ tenant_id: tenantId, entry_key: key, group_key: 'shopify:1' })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    else
      await tx.deleteFrom('uncounted_entries').where('tenant_id', '=', tenantId).where('entry_key', '=', key).execute()
  })
}

interface CreditInput {
  orderKey: string
  channel: string
  currency: string
  revenueMinor: bigint
}

const MODELS = ['linear', 'last_touch']

/** As the engine publishes them: from now on these are the orders of the day. */
async function publish(
  { platform, ctx }: World,
  { tenantId }: TestTenant,
  { day, credits }: { day: string; credits: CreditInput[] },
): Promise<void> {
  await platform.query(
    `insert into attribution_editions (tenant_id, number, config, config_sha256, models, status, published_at)
     values ($1, 1, '{}', sha256('x'), $2, 'published', now())
     on conflict (tenant_id, number) do nothing`,
    [tenantId, MODELS],
  )
  const former = await platform.query<{ orderKey: string }>(
    `select order_key as "orderKey" from attribution_orders
     where tenant_id = $1 and (ordered_at at time zone 'UTC')::date = $2::date`,
    [tenantId, day],
  )
  const scope: TenantContext = { ...ctx, tenantId, principal: { kind: 'worker', tenantId } }
  await inTenant(
    ctx.db.main,
    scope,
    async (tx) => {
      const [edition] = await listLiveEditions(tx, tenantId)
      if (edition === undefined) throw new Error('there is no edition')
      const { editionId } = edition
      const models = MODELS.map((name) => ({ name, version: '1.0.0', text: name }))
      const number = edition.publications + 1
      const publication = { tenantId, editionId, number, dataCutoff: new Date(), cause: 'data', models } as const
      const orderedAtUs = Date.parse(`${day}T12:00:00Z`) * 1_000
      const batch = createBatch(MODELS.length)
      for (const [position, { orderKey, channel, currency, revenueMinor }] of credits.entries()) {
        const entry: Entry = {
          entryKey: 'entry',
          kind: 'capture',
          amountMinor: revenueMinor,
          currency,
          reverses: null,
          occurredAtUs: orderedAtUs,
        }
        const shares = MODELS.map(() => Array.from({ length: position + 1 }, () => revenueMinor))
        const conversions = MODELS.map(() => Array.from({ length: position + 1 }, () => 1_000_000))
        const credited: CreditedEntry = {
          entry,
          revenueMinor: shares,
          conversionMicro: conversions,
          reportingMinor: null,
        }
        const touch = {
          occurredAtUs: orderedAtUs,
          origin: 'server',
          externalId: `t${position}`,
          channel,
          campaign: null,
          tier: 'visitor_id',
        } as const
        addRow(batch, { orderKey, orderedAtUs, credited, position, touches: [touch] })
      }
      const orders = [...Map.groupBy(credits, ({ orderKey }) => orderKey)].map(([orderKey, own]) => ({
        orderKey,
        orderedAtUs,
        identityTier: 'visitor_id' as const,
        touches: own.length,
        totals: [...Map.groupBy(own, ({ currency }) => currency)].map(([currency, ofOne]) => ({
          currency,
          capturedMinor: ofOne.reduce((sum, { revenueMinor }) => sum + revenueMinor, 0n),
          refundedMinor: 0n,
          overRefundedMinor: 0n,
          reportingMinor: null,
        })),
        inputSha256: Buffer.alloc(32),
        outputSha256: Buffer.alloc(64),
      }))
      const change = createDaySums(MODELS.length)
      for (const order of await listCountedOrders(tx, publication, day)) addOrder(change, order, -1)
      for (const order of orders) addOrder(change, { ...order, money: order.totals }, 1)
      await deleteOrders(
        tx,
        publication,
        former.map(({ orderKey }) => orderKey),
      )
      if (credits.length > 0) await insertCredits(tx, publication, toSend(batch, await getCreditRowType(tx)))
      if (credits.length > 0) await setOrders(tx, publication, orders)
      await publishRuns(tx, publication, new Map([[day, change]]))
      await setPublications(tx, publication, number)
    },
    WORKER,
  )
}

type Lines = Record<Exclude<View, 'reconciliation_status'>, string[]>

const COLUMNS = {
  allocation_summary: 'day, model, currency, orders, attributed_orders, revenue_minor, allocated_minor, is_balanced',
  channel_performance: 'day, model, channel, currency, orders, conversion_micro, revenue_minor',
  daily_revenue: 'day, currency, kind, amount_minor, entries',
  realtime_revenue: `to_char(hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24'), currency, vendor, captured_minor, refunded_minor, entries`,
} as const

/** What the views hold, of every tenant, as lines. */
async function readViews({ platform }: World): Promise<Lines> {
  const read = async (view: keyof typeof COLUMNS) => {
    const rows = await platform.query<{ line: string }>(
      `select concat_ws(' ', tenant_id, ${COLUMNS[view]}) as line from view_${view}`,
    )
    return rows.map(({ line }) => line).sort()
  }
  const [first, second, third, fourth] = await Promise.all([
    read('allocation_summary'),
    read('channel_performance'),
    read('daily_revenue'),
    read('realtime_revenue'),
  ])
  return { allocation_summary: first, channel_performance: second, daily_revenue: third, realtime_revenue: fourth }
}

interface LedgerRow {
  tenant_id: string
  entry_key: string
  root_key: string
  kind: string
  amount: string
  currency: string
  vendor: string
  at: Date
}

interface CreditRow {
  tenant_id: string
  day: string
  model: string
  channel: string
  currency: string
  order_key: string
  revenue: string
  micro: string
}

interface TotalRow {
  tenant_id: string
  day: string
  model: string
  currency: string
  orders: number
  attributed_orders: number
  net: string
}

/** The same, added up here from the rows of the base tables, one by one. */
async function recompute({ platform }: World): Promise<Lines> {
  const entries = await platform.query<LedgerRow>(
    `select tenant_id, entry_key, coalesce(corrects_entry_key, entry_key) as root_key, kind, amount_minor::text as amount,
            currency, vendor, occurred_at as at
     from ledger_entries`,
  )
  const uncounted = await platform.query<{ key: string }>(
    "select tenant_id || '/' || entry_key as key from uncounted_entries",
  )
  const hidden = new Set(uncounted.map(({ key }) => key))
  const roots = new Map(entries.map((entry) => [`${entry.tenant_id}/${entry.entry_key}`, entry]))
  const daily = new Map<string, { amount: bigint; entries: number }>()
  const hourly = new Map<string, { captured: bigint; refunded: bigint; entries: number }>()
  for (const { tenant_id, entry_key, root_key, kind, amount, currency, vendor } of entries) {
    if (hidden.has(`${tenant_id}/${root_key}`)) continue
    const at = (roots.get(`${tenant_id}/${root_key}`) as LedgerRow).at.toISOString()
    const day = `${tenant_id} ${at.slice(0, 10)} ${currency} ${kind}`
    const ofDay = daily.get(day) ?? { amount: 0n, entries: 0 }
    daily.set(day, { amount: ofDay.amount + BigInt(amount), entries: ofDay.entries + (entry_key === root_key ? 1 : 0) })
    const hour = `${tenant_id} ${at.slice(0, 13)} ${currency} ${vendor}`
    const ofHour = hourly.get(hour) ?? { captured: 0n, refunded: 0n, entries: 0 }
    hourly.set(hour, {
      captured: ofHour.captured + (kind === 'capture' ? BigInt(amount) : 0n),
      refunded: ofHour.refunded - (kind === 'capture' ? 0n : BigInt(amount)),
      entries: ofHour.entries + 1,
    })
  }
  const credits = await platform.query<CreditRow>(
    `select tenant_id, to_char(o.ordered_at at time zone 'UTC', 'YYYY-MM-DD') as day, p.model, c.channel, c.currency, order_key,
            p.revenue::text, p.conversion::text as micro
     from attribution_editions as e
     join attribution_orders as o using (tenant_id, edition_id)
     join attribution_order_credits as c using (tenant_id, edition_id, order_key, revision)
     cross join lateral unnest(e.models, c.revenue_minor, c.conversion_micro) as p (model, revenue, conversion)`,
  )
  const totals = await platform.query<TotalRow>(
    `select p.tenant_id, to_char(p.window_start at time zone 'UTC', 'YYYY-MM-DD') as day, p.model, t.currency, t.orders,
            t.attributed_orders, t.net_minor::text as net
     from published_day_runs as p join attribution_day_run_totals as t using (tenant_id, run_id)`,
  )
  const channels = Map.groupBy(
    credits,
    ({ tenant_id, day, model, channel, currency }) => `${tenant_id} ${day} ${model} ${channel} ${currency}`,
  )
  const sum = (rows: CreditRow[], of: (row: CreditRow) => string) =>
    rows.reduce((total, row) => total + BigInt(of(row)), 0n)
  return {
    allocation_summary: totals
      .map(({ tenant_id, day, model, currency, orders, attributed_orders, net }) => {
        const own = credits.filter(
          (row) => row.tenant_id === tenant_id && row.day === day && row.model === model && row.currency === currency,
        )
        const allocated = sum(own, ({ revenue }) => revenue)
        const isBalanced = allocated === BigInt(net) ? 't' : 'f'
        return [tenant_id, day, model, currency, orders, attributed_orders, net, allocated, isBalanced].join(' ')
      })
      .sort(),
    channel_performance: [...channels]
      .map(([key, rows]) =>
        [
          key,
          new Set(rows.map(({ order_key }) => order_key)).size,
          sum(rows, ({ micro }) => micro),
          sum(rows, ({ revenue }) => revenue),
        ].join(' '),
      )
      .sort(),
    daily_revenue: [...daily].map(([key, row]) => `${key} ${row.amount} ${row.entries}`).sort(),
    realtime_revenue: [...hourly].map(([key, row]) => `${key} ${row.captured} ${row.refunded} ${row.entries}`).sort(),
  }
}

/** The same walk for the same seed. */
function createRandom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Something that happens to a tenant's books. */
async function happen(
  world: World,
  tenant: TestTenant,
  keys: string[],
  random: (below: number) => number,
): Promise<void> {
  const pick = <T>(values: readonly T[]) => values[random(values.length)] as T
  const at = () => new Date(START + random(6 * DAY_MS))
  const what = random(10)
  if (what < 4 || keys.length === 0) {
    const entries = Array.from({ length: 1 + random(4) }, (): EntryInput => {
      const kind = pick(['capture', 'capture', 'refund', 'dispute'] as const)
      const size = pick([1, 1_999, 9_007_199_254_740_993n])
      const amountMinor = kind === 'capture' ? BigInt(size) : -BigInt(size)
      const money = { amountMinor, currency: pick(['USD', 'EUR', 'JPY']), vendor: pick(['shopify', 'stripe']) }
      return { key: randomUUID(), kind, ...money, at: at() }
    })
    await addEntries(tenant, ...entries)
    keys.push(...entries.map(({ key }) => key))
  } else if (what < 6) {
    // Long after the entry, and of the other sign or another currency.
    const corrects = pick(keys)
    await addEntries(tenant, {
      key: randomUUID(),
      amountMinor: pick([-7, 13]),
      currency: pick(['USD', 'EUR']),
      at: at(),
      corrects,
    })
  } else if (what < 8) await setUncounted(tenant, pick(keys), random(2) === 0)
  else {
    const day = new Date(START + random(6) * DAY_MS).toISOString().slice(0, 10)
    const credits = Array.from({ length: random(5) }, () => ({
      orderKey: `shopify:${Date.parse(day)}-${random(3)}`,
      channel: pick(['email', 'direct', '(unattributed)']),
      currency: pick(['USD', 'EUR']),
      revenueMinor: BigInt(random(10_000)),
    }))
    await publish(world, tenant, { day, credits })
  }
}

test.for([1, 2, 3])(
  'views are what the base tables add up to, whatever happens in whatever order (seed %i)',
  async (seed) => {
    const world = await givenWorld()
    const { platform, ctx } = world
    const tenants = [platform.tenant, await platform.createTenant(), await platform.createTenant()]
    const random = createRandom(seed)
    const keys = new Map(tenants.map(({ tenantId }) => [tenantId, [] as string[]]))
    for (let round = 0; round < 8; round += 1) {
      for (let step = 0; step < 12; step += 1) {
        const tenant = tenants[random(tenants.length)] as TestTenant
        await happen(world, tenant, keys.get(tenant.tenantId) as string[], random)
        // In the midst of it, one view of one tenant.
        if (random(6) === 0) await refreshView(ctx, viewNames[random(4)] as View, { signal, tenantId: tenant.tenantId })
      }
      await refreshViews(ctx, signal)
      expect(await readViews(world)).toEqual(await recompute(world))
    }
    // Again, with nothing new: not a row is written.
    const versions = () =>
      platform.query('select xmin::text, day, currency, kind from view_daily_revenue order by 1, 2, 3, 4')
    const before = await versions()
    expect(before.length).toBeGreaterThan(0)
    await refreshViews(ctx, signal)
    expect(await versions()).toEqual(before)
  },
)

test("a refresh for one tenant leaves the rows and the changes of another's alone", async () => {
  const world = await givenWorld()
  const { platform, ctx } = world
  const [own, other] = [platform.tenant, await platform.createTenant()]
  const at = new Date(START)
  await addEntries(own, { key: 'a', amountMinor: 100, at })
  await addEntries(other, { key: 'a', amountMinor: 250, at })
  await refreshViews(ctx, signal)
  const rowsOf = (tenant: TestTenant) =>
    platform.query<{ xmin: string; amount: string }>(
      'select xmin::text, amount_minor::text as amount from view_daily_revenue where tenant_id = $1',
      [tenant.tenantId],
    )
  const before = await rowsOf(other)
  await addEntries(own, { key: 'b', amountMinor: 11, at })
  await addEntries(other, { key: 'b', amountMinor: 22, at })
  const refresh = await refreshView(ctx, 'daily_revenue', { signal, tenantId: own.tenantId })
  expect(refresh).toMatchObject({ outcome: 'success', tenants: 1, buckets: 1 })
  expect((await rowsOf(own)).map(({ amount }) => amount)).toEqual(['111'])
  expect(await rowsOf(other)).toEqual(before)
  const changes = await platform.query<{ tenant: string }>(
    "select tenant_id as tenant from view_changes where view = 'daily_revenue'",
  )
  expect(changes.map(({ tenant }) => tenant)).toEqual([other.tenantId])
})

test.for(['app_user', 'app_ro', 'app_worker'] as const)(
  '%s reads the rows of its tenant and no other',
  async (role) => {
    const { platform, ctx } = await givenWorld()
    const [own, other] = [platform.tenant, await platform.createTenant()]
    for (const tenant of [own, other]) await addEntries(tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
    await refreshViews(ctx, signal)
    const client = await connectAs(platform.database, role, onTestFinished)
    const read = async (tenantId: string) => {
      await client.query('begin')
      await client.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
      const { rows } = await client.query('select distinct tenant_id from view_realtime_revenue')
      await client.query('rollback')
      return rows.map(({ tenant_id }) => tenant_id)
    }
    expect(await read(own.tenantId)).toEqual([own.tenantId])
    expect(await read(other.tenantId)).toEqual([other.tenantId])
    expect(await read('')).toEqual([])
  },
)

test('of two refreshes at once one works and the other is skipped', async () => {
  const world = await givenWorld()
  const { platform, ctx } = world
  await addEntries(platform.tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
  const told: string[] = []
  const heard = { ...ctx, onRefreshed: (view: string, outcome: string) => void told.push(`${view} ${outcome}`) }
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  await admin.query('begin')
  await admin.query('lock table view_daily_revenue')
  const first = refreshView(heard, 'daily_revenue', { signal })
  await until(waitingForLock(platform), (count) => count === 1)
  expect(await refreshView(heard, 'daily_revenue', { signal })).toMatchObject({ outcome: 'skipped', buckets: 0 })
  // Another view is not in its way.
  expect(await refreshView(heard, 'realtime_revenue', { signal })).toMatchObject({ outcome: 'success', buckets: 1 })
  await admin.query('rollback')
  expect(await first).toMatchObject({ outcome: 'success', tenants: 1, buckets: 1 })
  expect(await readViews(world)).toEqual(await recompute(world))
  expect(told).toEqual(['daily_revenue skipped', 'realtime_revenue success', 'daily_revenue success'])
})

const waitingForLock = (platform: TestPlatform) => async () => {
  const [row] = await platform.query<{ count: string }>(
    "select count(*)::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  )
  return Number(row?.count)
}

test('what takes too long is made in smaller parts, and holds up no other tenant', async () => {
  const world = await givenWorld()
  const { platform } = world
  const other = await platform.createTenant()
  const days = Array.from({ length: 12 }, (_, n) => new Date(START + n * DAY_MS))
  await addEntries(platform.tenant, ...days.map((at, n) => ({ key: `e${n}`, amountMinor: 100, at })))
  await addEntries(other, { key: 'a', amountMinor: 100, at: new Date(START) })
  // Each day takes 0.1 s, twelve at once longer than the 0.9 s that a statement has.
  await platform.query(`create function public.take_long() returns trigger language plpgsql as
                        $$ begin perform pg_sleep(0.1); return new; end $$`)
  await platform.query(
    'create trigger take_long before insert on view_daily_revenue for each row execute function public.take_long()',
  )
  const url = platform.database.urlOf('app_worker')
  const main = connect({ url, applicationName: 'test', max: 3, statementTimeoutMs: 900, log: world.ctx.log })
  onTestFinished(() => main.close())
  const ctx = { ...world.ctx, db: { ...world.ctx.db, main } }
  expect(await refreshView(ctx, 'daily_revenue', { signal })).toMatchObject({
    outcome: 'success',
    tenants: 2,
    buckets: 13,
    error: null,
  })
  expect((await readViews(world)).daily_revenue).toEqual((await recompute(world)).daily_revenue)

  // What cannot be divided is told of.
  await platform.query(`create or replace function public.take_long() returns trigger language plpgsql as
                        $$ begin perform pg_sleep(5); return new; end $$`)
  await addEntries(platform.tenant, { key: 'b', amountMinor: 100, at: new Date(START) })
  const { outcome, error } = await refreshView(ctx, 'daily_revenue', { signal })
  expect(`${outcome} ${error?.message}`).toMatch('failure canceling statement due to statement timeout')
})

test('a lock that cannot be given back ends with its connection', async () => {
  const { platform, ctx } = await givenWorld()
  await addEntries(platform.tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
  await platform.query('revoke execute on function pg_advisory_unlock(bigint) from public')
  expect(await refreshView(ctx, 'daily_revenue', { signal })).toMatchObject({ outcome: 'success' })
  await until(
    () =>
      platform.query(
        "select from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
      ),
    (locks) => locks.length === 0,
  )
  expect(await refreshView(ctx, 'daily_revenue', { signal })).toMatchObject({ outcome: 'success' })
})

test('a refresh that dies midway leaves the rows as they were and what is to be done', async () => {
  const world = await givenWorld()
  const { platform, ctx } = world
  await addEntries(platform.tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
  await refreshViews(ctx, signal)
  const before = await readViews(world)
  await addEntries(platform.tenant, { key: 'b', amountMinor: 11, at: new Date(START) })
  // It waits where the old rows are gone and the new ones are not there yet.
  await platform.query(`create function public.wait_here() returns trigger language plpgsql as
                        $$ begin perform pg_advisory_xact_lock(4711); return new; end $$`)
  await platform.query(
    'create trigger wait_here before insert on view_daily_revenue for each row execute function public.wait_here()',
  )
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  await admin.query('select pg_advisory_lock(4711)')
  const dying = refreshView(ctx, 'daily_revenue', { signal })
  await until(waitingForLock(platform), (count) => count === 1)
  expect((await readViews(world)).daily_revenue).toEqual(before.daily_revenue)
  await platform.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'app_worker'",
  )
  expect(await dying).toMatchObject({ outcome: 'failure' })
  await admin.query('select pg_advisory_unlock(4711)')
  expect((await readViews(world)).daily_revenue).toEqual(before.daily_revenue)
  expect(await refreshView(ctx, 'daily_revenue', { signal })).toMatchObject({ outcome: 'success', buckets: 1 })
  expect((await readViews(world)).daily_revenue).toEqual((await recompute(world)).daily_revenue)
})

test('a tenant whose rows cannot be made holds up no other, and is told of', async () => {
  const world = await givenWorld()
  const { platform, ctx } = world
  const [bad, good] = [platform.tenant, await platform.createTenant()]
  await platform.query(
    `alter table view_daily_revenue add constraint not_that_much check (amount_minor <> 666) not valid`,
  )
  await addEntries(bad, { key: 'a', amountMinor: 666, at: new Date(START) })
  await addEntries(good, { key: 'a', amountMinor: 100, at: new Date(START) })
  const outcomes = (await refreshViews(ctx, signal)).map(({ view, outcome }) => `${view} ${outcome}`)
  expect(outcomes).toEqual(viewNames.map((view) => `${view} ${view === 'daily_revenue' ? 'failure' : 'success'}`))
  const lines = (await readViews(world)).daily_revenue
  expect(lines).toEqual((await recompute(world)).daily_revenue.filter((line) => line.startsWith(good.tenantId)))
  const stateOf = async (view: View) => (await describeViews(ctx)).find((state) => state.view === view)
  expect(await stateOf('daily_revenue')).toMatchObject({
    changedBuckets: 1,
    lastRefresh: { outcome: 'failure', tenants: 2, buckets: 1, succeededAt: null },
  })
  expect(await stateOf('realtime_revenue')).toMatchObject({ changedBuckets: 0, lastRefresh: { outcome: 'success' } })

  await addEntries(bad, { key: 'b', amountMinor: 1, at: new Date(START) })
  await refreshViews(ctx, signal)
  expect(await readViews(world)).toEqual(await recompute(world))
  expect(await stateOf('daily_revenue')).toMatchObject({
    changedBuckets: 0,
    behindS: 0,
    lastRefresh: { outcome: 'success', message: null, succeededAt: expect.any(Date) },
  })
})

test('what commits while a refresh works is in the next one', async () => {
  const world = await givenWorld()
  const { platform, ctx } = world
  const { tenant } = platform
  await addEntries(tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
  const late = await connectAs(platform.database, 'app_ingest', onTestFinished)
  await late.query('begin')
  await late.query("select set_config('app.current_tenant_id', $1, true)", [tenant.tenantId])
  await late.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
     values ($1, 'b', 'shopify:1', 'capture', 11, 'USD', 'shopify', 'import', $2)`,
    [tenant.tenantId, new Date(START)],
  )
  await refreshViews(ctx, signal)
  await late.query('commit')
  const state = (await describeViews(ctx)).find(({ view }) => view === 'daily_revenue')
  expect(state?.changedBuckets).toBe(1)
  await refreshViews(ctx, signal)
  expect(await readViews(world)).toEqual(await recompute(world))
  expect((await readViews(world)).daily_revenue).toEqual([`${tenant.tenantId} 2026-03-01 USD capture 111 2`])
})

test('how far a view is behind is the age of the first change that is not in it', async () => {
  const { platform, ctx } = await givenWorld()
  expect((await describeViews(ctx)).map(({ behindS, isStale }) => [behindS, isStale])).toEqual(
    viewNames.map(() => [0, false]),
  )
  await addEntries(platform.tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
  await platform.query("update view_changes set changed_at = changed_at - interval '2 minutes'")
  const api = await describeViews(platform.ctx)
  expect(Object.fromEntries(api.map(({ view, isStale }) => [view, isStale]))).toEqual({
    allocation_summary: false,
    channel_performance: false,
    daily_revenue: false,
    realtime_revenue: true,
    reconciliation_status: false,
  })
  const behind = api.filter(({ behindS }) => behindS > 0)
  expect(behind.map(({ view }) => view)).toEqual(['daily_revenue', 'realtime_revenue'])
  for (const { behindS } of behind) expect(behindS).toBeGreaterThanOrEqual(120)
  const scrape = async () => {
    const { text } = await platform.call('getMetrics', { token: METRICS_TOKEN })
    return Number(/^skd_view_staleness_seconds\{view="realtime_revenue"\} (\S+)$/m.exec(text)?.[1])
  }
  expect(await scrape()).toBeGreaterThanOrEqual(120)
  await refreshViews(ctx, signal)
  await until(scrape, (seconds) => seconds === 0)
  expect((await describeViews(ctx)).every(({ behindS }) => behindS === 0)).toBe(true)
})

test('an endpoint is as the last comparison that found anything left it', async () => {
  const { platform, ctx } = await givenWorld()
  const { tenantId } = platform.tenant
  const { endpointId } = await givenEndpoint(platform, 'stripe', { tenant: platform.tenant })
  const read = () =>
    platform.query(
      `select endpoint_id, polled_until, listed::integer, missing::integer, recovered::integer, is_whole
       from view_reconciliation_status`,
    )
  const find = (runId: string, topic: string, [listed, missing, recovered]: number[], isWhole: boolean) =>
    platform.query(
      `insert into poll_findings (tenant_id, run_id, endpoint_id, topic, listed_since, listed_until, is_whole, seen, listed, missing,
                                  recovered, unreadable, missing_money, recorded_at)
       values ($1, $2, $3, $4, '2026-03-01', '2026-03-02', $5, $6::integer - $7::integer, $6, $7, $8, 0, '{}', clock_timestamp())`,
      [tenantId, runId, endpointId, topic, isWhole, listed, missing, recovered],
    )
  const [first, second] = [randomUUID(), randomUUID()]
  await find(first, 'charge', [10, 4, 1], false)
  await refreshViews(ctx, signal)
  expect(await read()).toEqual([
    { endpoint_id: endpointId, polled_until: null, listed: 10, missing: 4, recovered: 1, is_whole: false },
  ])
  const polledUntil = new Date('2026-03-02T00:00:00Z')
  await platform.query('insert into poll_cursors (tenant_id, endpoint_id, polled_until) values ($1, $2, $3)', [
    tenantId,
    endpointId,
    polledUntil,
  ])
  await find(second, 'charge', [5, 2, 2], true)
  await find(second, 'refund', [3, 1, 1], true)
  await refreshViews(ctx, signal)
  expect(await read()).toEqual([
    { endpoint_id: endpointId, polled_until: polledUntil, listed: 8, missing: 3, recovered: 3, is_whole: true },
  ])
})

test('a refresh that is told to stop ends after the tenant that it is at, and is no failure', async () => {
  const world = await givenWorld()
  const { platform, ctx } = world
  const tenants = [platform.tenant, await platform.createTenant()]
  for (const tenant of tenants) await addEntries(tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
  const stop = new AbortController()
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  await admin.query('begin')
  await admin.query('lock table view_daily_revenue')
  const stopped = refreshView(ctx, 'daily_revenue', { signal: stop.signal })
  await until(waitingForLock(platform), (count) => count === 1)
  stop.abort(new Error('told to stop'))
  await admin.query('rollback')
  await expect(stopped).rejects.toThrow('told to stop')
  expect((await readViews(world)).daily_revenue).toHaveLength(1)
  expect((await describeViews(ctx)).every(({ lastRefresh }) => lastRefresh === null)).toBe(true)
  expect(await refreshView(ctx, 'daily_revenue', { signal })).toMatchObject({ outcome: 'success', tenants: 1 })
  expect((await readViews(world)).daily_revenue).toHaveLength(2)
})

describe('the registry', () => {
  test('is what the database has, and what metrics tell of', async () => {
    const { platform, ctx } = await givenWorld()
    const rows = await platform.query<{ name: string }>(
      `select substr(c.relname, 6) as name
       from pg_class as c
       join pg_attribute as a on a.attrelid = c.oid and a.attname = 'tenant_id'
       where c.relkind = 'r' and c.relname like 'view\\_%' and c.relname <> 'view_changes'
       order by 1`,
    )
    expect(rows.map(({ name }) => name)).toEqual([...viewNames].sort())
    expect(workerMetrics([]).skd_view_refresh_total.labels.view).toEqual(viewNames)
    expect(Object.keys(await estimateViewRows(ctx))).toEqual(viewNames)
    expect(await platform.query("select relname from pg_class where relkind = 'm'")).toEqual([])
    const checks = await platform.query<{ text: string }>(
      `select pg_get_constraintdef(oid) as text from pg_constraint where conname in ('view_changes_view_check', 'view_refreshes_view_check')`,
    )
    expect(checks).toHaveLength(2)
    for (const { text } of checks)
      expect([...text.matchAll(/'([a-z_]+)'::text/g)].map(([, name]) => name)).toEqual(viewNames)
  })
})

describe('by the clock', () => {
  test('every view is refreshed, and once more half a minute later by a worker', async () => {
    const world = await givenWorld()
    const { platform, ctx } = world
    await addEntries(platform.tenant, { key: 'a', amountMinor: 100, at: new Date(START) })
    await refreshByTheClock(ctx, signal)
    expect(await readViews(world)).toEqual(await recompute(world))
    const again = await platform.query(
      `select round(extract(epoch from start_after - created_on))::integer as delay from pgboss.job
       where data ->> 'job' = 'rollups.refresh_again'`,
    )
    expect(again).toEqual([{ delay: 30 }])
    await addEntries(platform.tenant, { key: 'b', amountMinor: 11, at: new Date(START) })
    await platform.query("update pgboss.job set start_after = now() where data ->> 'job' = 'rollups.refresh_again'")
    await platform.startWorker()
    await until(
      () => platform.query<{ sum: string }>('select sum(amount_minor)::text from view_daily_revenue'),
      ([row]) => row?.sum === '111',
    )
    await until(
      () =>
        platform.query<{ state: string }>(
          "select state::text from pgboss.job where data ->> 'job' = 'rollups.refresh_again' order by created_on limit 1",
        ),
      ([row]) => row?.state === 'completed',
    )
  })
})
