import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { listLiveEditions } from '../../../src/attribution/engine/editions/queries.ts'
import { publishStored } from '../../../src/attribution/recompute/service.ts'
import {
  askForWindow,
  findWindowRun,
  measureAll,
  measureAsked,
  measureWindow,
  type ReportWindow,
  type WindowRun,
} from '../../../src/attribution/windows/service.ts'
import type { TenantContext } from '../../../src/context.ts'
import { inTenant } from '../../../src/db/tenant.ts'
import { run } from '../../support/apart.ts'
import { childEnvironment } from '../../support/child-environment.ts'
import { startPlatform, type TestPlatform, type TestTenant, until } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { type StoredJourney, storeJourneys, visitor } from '../../support/window-journeys.ts'
import { bringUp, killHard, workerContext } from '../../support/worker.ts'

const MARCH: ReportWindow = {
  from: '2026-03-01',
  to: '2026-03-31',
  timeZone: 'UTC',
  currency: 'USD',
  isConverted: false,
}
const day = (number: number, hours = 12) => new Date(Date.UTC(2026, 2, number, hours))
const touch = (channel: string, at: Date) => ({ channel, at })
const { signal } = new AbortController()

let platform: TestPlatform
let ctx: TenantContext
beforeEach(async () => {
  platform = await startPlatform(onTestFinished)
  ctx = workerContext(platform, platform.tenant, onTestFinished)
})

async function given(journeys: readonly StoredJourney[], tenant: TestTenant = platform.tenant): Promise<TenantContext> {
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  await storeJourneys(admin, tenant.tenantId, journeys)
  const worker = tenant === platform.tenant ? ctx : workerContext(platform, tenant, onTestFinished)
  await bringUp(worker)
  return worker
}

async function findRun(window: ReportWindow = MARCH, worker = ctx): Promise<WindowRun | undefined> {
  return inTenant(worker.db.main, worker, async (tx) => {
    const edition = (await listLiveEditions(tx, worker.tenantId)).find(({ status }) => status === 'published')
    return edition === undefined
      ? undefined
      : findWindowRun(tx, worker.tenantId, { ...window, editionId: edition.editionId })
  })
}

async function measured(window: ReportWindow = MARCH, worker = ctx): Promise<WindowRun> {
  await measureWindow(worker, window, { signal })
  const found = await findRun(window, worker)
  if (found === undefined) throw new Error('nothing was published')
  return found
}

const figuresOf = (found: WindowRun | undefined, model: string) =>
  found?.models
    .find((one) => one.model === model)
    ?.channels.map(({ channel, conversionMicro, revenueMinor, sampleSize }) => [
      channel,
      Number(conversionMicro) / 1e6,
      Number(revenueMinor),
      sampleSize,
    ])

/** 40 visitors, two of three of whom buy. */
function shop(count = 40): StoredJourney[] {
  return Array.from({ length: count }, (_, n) => ({
    identity: visitor(n),
    touches: ['email', 'ads', 'direct'].slice(n % 3).map((channel, place) => touch(channel, day(5 + (n % 20), place))),
    orders: n % 3 === 0 ? [] : [{ key: `o${n}`, at: day(6 + (n % 20)), amountMinor: 1_000 + n }],
  }))
}

describe('the journeys of a window', () => {
  test("orders convert, touches without an order do not, and orders without a touch are nobody's", async () => {
    await given([
      {
        identity: visitor(1),
        touches: [touch('email', day(2)), touch('ads', day(3))],
        orders: [{ key: 'a', at: day(4), amountMinor: 1_000 }],
      },
      { identity: visitor(2), touches: [touch('email', day(5))], orders: [] },
      { identity: null, touches: [], orders: [{ key: 'b', at: day(6), amountMinor: 500 }] },
    ])
    const found = await measured()
    expect(found).toMatchObject({
      orders: 2,
      netMinor: 1_500n,
      coverage: 2 / 3,
      startsAt: day(1, 0),
      endsAt: new Date('2026-04-01T00:00:00Z'),
    })
    expect(found.diagnostics).toMatchObject({ visitors: 2, converting: 1, open: 1, touches: 3 })
    expect(found.diagnostics.markov).toMatchObject({ conversion_probability: 0.5, is_ok: true })
    // Removing either channel takes the only conversion away.
    expect(figuresOf(found, 'markov')).toEqual([
      ['(unattributed)', 1, 500, 0],
      ['ads', 0.5, 500, 1],
      ['email', 0.5, 500, 1],
    ])
    expect(figuresOf(found, 'last_touch')).toEqual([
      ['(unattributed)', 1, 500, 0],
      ['ads', 1, 1_000, 1],
      ['email', 0, 0, 0],
    ])
    expect(found.models.map(({ model }) => model).at(-1)).toBe('markov')
    // One visitor is no sample.
    for (const { channels } of found.models)
      for (const { channel, grade, lower } of channels)
        expect([channel, grade, lower]).toEqual([channel, channel === '(unattributed)' ? null : 'D', null])
  })

  test('what the path transform leaves out is in no journey, with an order or without', async () => {
    await platform.query(
      `insert into attribution_setting_versions (tenant_id, version, path_transform)
       values ($1, 2, '{"name":"remove_unless_all","parameters":{"channel":"direct"}}')`,
      [platform.tenant.tenantId],
    )
    await given([
      {
        identity: visitor(1),
        touches: [touch('email', day(2)), touch('direct', day(3))],
        orders: [{ key: 'a', at: day(4), amountMinor: 1_000 }],
      },
      { identity: visitor(2), touches: [touch('direct', day(5)), touch('ads', day(6))], orders: [] },
      { identity: visitor(3), touches: [touch('direct', day(7))], orders: [] },
    ])
    const found = await measured()
    expect(found.diagnostics).toMatchObject({ visitors: 3, converting: 1, open: 2, touches: 3 })
    expect(figuresOf(found, 'linear')).toEqual([['email', 1, 1_000, 1]])
  })

  test('a touch that an order after the window has used up is in neither, and one from before the window is in its order', async () => {
    await given([
      {
        identity: visitor(1),
        touches: [touch('email', day(30))],
        orders: [{ key: 'a', at: new Date('2026-04-02T00:00:00Z'), amountMinor: 100 }],
      },
      {
        identity: visitor(2),
        touches: [touch('ads', new Date('2026-02-20T00:00:00Z'))],
        orders: [{ key: 'b', at: day(1, 0), amountMinor: 100 }],
      },
      { identity: visitor(3), touches: [touch('sms', new Date('2026-02-27T00:00:00Z'))], orders: [] },
    ])
    const found = await measured()
    expect(found).toMatchObject({ orders: 1, netMinor: 100n, coverage: 1 })
    expect(found.diagnostics).toMatchObject({ converting: 1, open: 0, touches: 1 })
    expect(figuresOf(found, 'markov')).toEqual([['ads', 1, 100, 1]])

    const late = [touch('sms', new Date('2026-02-27T00:00:00Z')), touch('email', day(2))]
    await given([{ identity: visitor(4), touches: late, orders: [] }])
    expect((await measured()).diagnostics).toMatchObject({ converting: 1, open: 1, touches: 3 })
  })

  test('touches without an order are in order of their time: nothing follows the last of them', async () => {
    const orders = [{ key: 'a', at: day(4), amountMinor: 100 }]
    await given([
      { identity: visitor(1), touches: [touch('email', day(3))], orders },
      { identity: visitor(2), touches: [touch('ads', day(6)), touch('email', day(5))], orders: [] },
    ])
    // The other way round, ads would have a third: half of those that see them would come to email.
    expect(figuresOf(await measured(), 'markov')).toEqual([
      ['ads', 0, 0, 0],
      ['email', 1, 100, 1],
    ])
  })

  test('touches of one moment without an order are in the order of their ids', async () => {
    const before = Array.from({ length: 7 }, (_, n) => touch('email', new Date(Date.UTC(2025, 0, n + 1))))
    await given([
      { identity: visitor(1), touches: [touch('email', day(3))], orders: [{ key: 'a', at: day(4), amountMinor: 100 }] },
      { identity: visitor(3), touches: before, orders: [] },
      // The ninth and the tenth that are stored, and their ids end with that.
      { identity: visitor(2), touches: [touch('ads', day(5)), touch('email', day(5))], orders: [] },
    ])
    const found = await measured()
    expect(found.diagnostics).toMatchObject({ converting: 1, open: 1, touches: 3 })
    // The other way round, ads would have a third.
    expect(figuresOf(found, 'markov')).toEqual([
      ['ads', 0, 0, 0],
      ['email', 1, 100, 1],
    ])
  })

  test('an order with more touches than a row of credits holds, some of it given back, is one journey', async () => {
    const touches = Array.from({ length: 40 }, (_, n) =>
      touch(n === 39 ? 'ads' : (['email', 'sms', 'direct'][n % 3] ?? ''), day(2, n)),
    )
    const order = { key: 'a', at: day(5), amountMinor: 1_000, refundedMinor: 300 }
    await given([{ identity: visitor(1), touches, orders: [order] }])
    const found = await measured()
    expect(found.diagnostics).toMatchObject({ converting: 1, open: 0, touches: 40, markov: { states: 4 } })
    expect(figuresOf(found, 'last_touch')).toContainEqual(['ads', 1, 700, 1])
  })

  test('credits as the release before has them give the same', async () => {
    await given(shop())
    const found = await measured()
    const admin = await connectAs(platform.database, 'admin', onTestFinished)
    await admin.query("set session_replication_role = 'replica'")
    await admin.query('insert into attribution_touch_credits select * from attribution_order_credits')
    await admin.query('delete from attribution_entry_credits')
    expect(await measured()).toMatchObject({ windowRunId: found.windowRunId, inputHash: found.inputHash })
    await admin.query("update attribution_touch_credits set channel = 'sms' where channel = 'ads'")
    expect((await measured()).inputHash).not.toBe(found.inputHash)
  })

  test('an order of which nobody is known is a visitor of its own, with the touches that it brought', async () => {
    const unknown = (key: string): StoredJourney => ({
      identity: null,
      touches: [touch('ads', day(3))],
      orders: [{ key, at: day(4), amountMinor: 100 }],
    })
    await given([unknown('b'), unknown('a'), { identity: visitor(1), touches: [touch('ads', day(2))], orders: [] }])
    const found = await measured()
    expect(found.diagnostics).toMatchObject({ visitors: 3, converting: 2, open: 1 })
    expect(figuresOf(found, 'markov')).toEqual([['ads', 2, 200, 2]])
  })

  test("whose an order is may be known by another vendor's key of it", async () => {
    const orders = [{ key: 'a', otherKey: 'b', at: day(4), amountMinor: 100 }]
    await given([{ identity: visitor(1), touches: [touch('ads', day(3)), touch('sms', day(5))], orders }])
    const found = await measured()
    expect(found.diagnostics).toMatchObject({ visitors: 1, converting: 1, open: 1, touches: 2 })
    expect(figuresOf(found, 'linear')).toEqual([['ads', 1, 100, 1]])
  })

  test('days are those of the time zone', async () => {
    await given([
      {
        identity: visitor(1),
        touches: [touch('ads', day(1))],
        orders: [{ key: 'a', at: new Date('2026-03-31T23:30:00Z'), amountMinor: 100 }],
      },
    ])
    const paris = { ...MARCH, timeZone: 'Europe/Paris' }
    const april = { from: '2026-04-01', to: '2026-04-01' }
    expect((await measured()).orders).toBe(1)
    expect((await measured(paris)).orders).toBe(0)
    expect((await measured({ ...paris, ...april })).orders).toBe(1)
  })

  test('midnight is of the day that begins', async () => {
    const midnight = new Date('2026-04-01T00:00:00Z')
    const orders = [{ key: 'a', at: midnight, amountMinor: 100 }]
    await given([{ identity: visitor(1), touches: [touch('ads', midnight)], orders }])
    expect(await measured()).toMatchObject({ orders: 0, diagnostics: { touches: 0 } })
    expect(await measured({ ...MARCH, from: '2026-04-01', to: '2026-04-01' })).toMatchObject({
      orders: 1,
      diagnostics: { converting: 1 },
    })
  })

  test('a currency has its own orders; converted they are all there, where a rate is', async () => {
    await platform.query(
      "insert into fx_rates (base, quote, as_of, source, rate) values ('EUR', 'USD', '2026-03-02', 'ecb', 1.5)",
    )
    await given([
      { identity: visitor(1), touches: [touch('ads', day(1))], orders: [{ key: 'a', at: day(2), amountMinor: 1_000 }] },
      {
        identity: visitor(2),
        touches: [touch('email', day(1))],
        orders: [{ key: 'b', at: day(2), amountMinor: 1_000, currency: 'EUR' }],
      },
      {
        identity: visitor(3),
        touches: [touch('sms', day(1))],
        orders: [{ key: 'c', at: day(2), amountMinor: 1_000, currency: 'GBP' }],
      },
    ])
    expect(figuresOf(await measured(), 'markov')).toEqual([['ads', 1, 1_000, 1]])
    expect(figuresOf(await measured({ ...MARCH, currency: 'EUR' }), 'linear')).toEqual([['email', 1, 1_000, 1]])
    const converted = await measured({ ...MARCH, isConverted: true })
    expect(converted).toMatchObject({ orders: 2, netMinor: 2_500n })
    expect(figuresOf(converted, 'linear')).toEqual([
      ['ads', 1, 1_000, 1],
      ['email', 1, 1_500, 1],
    ])
    await measureWindow(ctx, { ...MARCH, currency: 'EUR', isConverted: true }, { signal })
    expect(
      await findRun({ ...MARCH, currency: 'EUR', isConverted: true }),
      "not the edition's currency",
    ).toBeUndefined()
  })

  test('an order that was paid in two currencies has the money of each in its own', async () => {
    await given([
      { identity: visitor(1), touches: [touch('ads', day(1))], orders: [{ key: 'a', at: day(2), amountMinor: 100 }] },
    ])
    await platform.query(
      `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
       values ($1, 'own:a:more', 'own:a', 'capture', 70, 'EUR', 'own', 'import', $2)`,
      [ctx.tenantId, day(2, 13)],
    )
    await bringUp(ctx)
    const revenueOf = async (currency: string) => {
      const { netMinor, models } = await measured({ ...MARCH, currency })
      expect(models.every(({ channels }) => channels.every(({ revenueMinor }) => revenueMinor === netMinor))).toBe(true)
      return netMinor
    }
    expect([await revenueOf('USD'), await revenueOf('EUR')]).toEqual([100n, 70n])
  })

  test('what was given back is not shared out, and its order is one all the same', async () => {
    await given([
      {
        identity: visitor(1),
        touches: [touch('ads', day(1)), touch('sms', day(1, 13))],
        orders: [{ key: 'a', at: day(2), amountMinor: 1_001, refundedMinor: 500 }],
      },
      {
        identity: visitor(2),
        touches: [touch('email', day(1))],
        orders: [{ key: 'b', at: day(2), amountMinor: 700, refundedMinor: 900 }],
      },
    ])
    const found = await measured()
    expect(found).toMatchObject({ orders: 2, netMinor: 501n, coverage: 1 })
    for (const { channels } of found.models) {
      expect(channels.reduce((sum, { revenueMinor }) => sum + revenueMinor, 0n)).toBe(501n)
      expect(channels.reduce((sum, { conversionMicro }) => sum + conversionMicro, 0n)).toBe(2_000_000n)
    }
  })

  test('another tenant with the same visitors changes nothing', async () => {
    const other = await platform.createTenant()
    await given(shop())
    const before = await measured()
    const neighbour = await given(shop(90), other)
    expect(await measured(MARCH, neighbour)).toMatchObject({ orders: 60 })
    await measureAll(ctx, signal)
    expect((await measured()).outputHash).toBe(before.outputHash)
    const own = await inTenant(neighbour.db.main, neighbour, (tx) =>
      findWindowRun(tx, ctx.tenantId, { ...MARCH, editionId: before.editionId }),
    )
    expect(own).toBeUndefined()
  })
})

describe('runs', () => {
  test('equal data give equal bytes, in any order of arrival, in another process and time zone', async () => {
    const other = await platform.createTenant()
    await given(shop(200))
    await given(shop(200).toReversed(), other)
    await measureWindow(ctx, MARCH, { signal, seed: 'seed' })
    const args = ['test/support/measure-window.ts', other.tenantId, JSON.stringify(MARCH), 'seed']
    const env = { DATABASE_URL: platform.database.urlOf('app_worker'), TZ: 'Pacific/Auckland', LC_ALL: 'tr_TR.UTF-8' }
    expect(await run(args, { env })).toMatchObject({ status: 0, stderr: '' })
    const here = await findRun()
    const there = await findRun(MARCH, workerContext(platform, other, onTestFinished))
    expect(there?.inputHash).toBe(here?.inputHash)
    expect(there?.outputHash).toBe(here?.outputHash)
    expect(there?.models).toEqual(here?.models)
    expect(here?.models.flatMap(({ channels }) => channels).some(({ lower }) => lower !== null)).toBe(true)
  })

  test('the same data leave the run as it is; a new touch without an order makes another, and so does an order without a touch', async () => {
    await given(shop())
    const first = await measured()
    const second = await measured()
    expect(second.windowRunId).toBe(first.windowRunId)
    expect(second.checkedAt.getTime()).toBeGreaterThan(first.checkedAt.getTime())
    await given([{ identity: visitor(1_000), touches: [touch('sms', day(9))], orders: [] }])
    const third = await measured()
    expect(third.windowRunId).not.toBe(first.windowRunId)
    expect(third.diagnostics.open).toBe(first.diagnostics.open + 1)
    expect(figuresOf(third, 'linear')).toEqual(figuresOf(first, 'linear'))
    await given([{ identity: null, touches: [], orders: [{ key: 'new', at: day(9), amountMinor: 10 }] }])
    const fourth = await measured()
    expect(fourth).toMatchObject({
      orders: first.orders + 1,
      netMinor: first.netMinor + 10n,
      diagnostics: third.diagnostics,
    })
    expect(await platform.query('select 1 from attribution_window_runs')).toHaveLength(3)
    await expect(platform.query('delete from attribution_window_runs')).rejects.toThrow(/never changed or deleted/)
  })

  test("another order of Markov's chain makes another run, with other figures of that model alone", async () => {
    await given(shop())
    const former = await measured()
    await platform.query(
      `insert into attribution_setting_versions (tenant_id, version, models) values ($1, 2, '{"markov":{"order":2,"uses_nulls":false,"value_rule":"share"}}')`,
      [platform.tenant.tenantId],
    )
    await bringUp(ctx)
    const now = await measured()
    expect(now.windowRunId).not.toBe(former.windowRunId)
    expect(now.inputHash).not.toBe(former.inputHash)
    expect(figuresOf(now, 'linear')).toEqual(figuresOf(former, 'linear'))
    expect(figuresOf(now, 'markov')).not.toEqual(figuresOf(former, 'markov'))
  })

  test('a worker that dies while it publishes leaves the former run, which answers', async () => {
    await given(shop())
    const former = await measured()
    await given([{ identity: visitor(1_000), touches: [touch('sms', day(9))], orders: [] }])
    const admin = await connectAs(platform.database, 'admin', onTestFinished)
    await admin.query('begin')
    await admin.query('lock table published_windows in exclusive mode')
    const child = spawn(process.execPath, ['test/support/measure-window.ts', ctx.tenantId, JSON.stringify(MARCH)], {
      env: { ...childEnvironment(), DATABASE_URL: platform.database.urlOf('app_worker') },
      stdio: 'inherit',
    })
    const ended = once(child, 'exit')
    const atWork = (state: string) =>
      platform.query(
        `select 1 from pg_stat_activity
         where query like '%into published_windows%' and ${state} and pid <> pg_backend_pid() and datname = current_database()`,
      )
    await until(
      () => atWork("wait_event_type = 'Lock'"),
      (rows) => rows.length === 1,
    )
    await killHard(child)
    await ended
    await admin.query('rollback')
    expect(await findRun()).toEqual(former)
    await until(
      () => atWork("state <> 'idle'"),
      (rows) => rows.length === 0,
    )
    expect(await platform.query('select 1 from attribution_window_runs')).toHaveLength(1)
    expect((await measured()).windowRunId).not.toBe(former.windowRunId)
  })

  test('a tenant without a published edition has nothing to measure', async () => {
    await measureAll(ctx, signal)
    await measureWindow(ctx, MARCH, { signal })
    expect(await platform.query('select 1 from attribution_window_runs')).toHaveLength(0)
  })
})

describe('which windows are measured', () => {
  const jobs = (name: string) =>
    platform.query<{ policy: string }>(
      "select policy from pgboss.job where data ->> 'job' = $1 and data ->> 'tenantId' = $2",
      [name, ctx.tenantId],
    )
  const asAsker = <T>(work: (tx: Parameters<typeof askForWindow>[0]) => Promise<T>) =>
    inTenant(platform.ctx.db.main, ctx, work)

  test('the last 30 days, this month and the former one, without being asked', async () => {
    await given(shop())
    await measureAll({ ...ctx, clock: () => new Date('2026-03-31T12:00:00Z') }, signal)
    const rows = await platform.query(
      'select first_day::text as "from", last_day::text as "to" from published_windows order by 1',
    )
    expect(rows).toEqual([
      { from: '2026-02-01', to: '2026-02-28' },
      { from: '2026-03-01', to: '2026-03-31' },
      { from: '2026-03-02', to: '2026-03-31' },
    ])
  })

  test('a report wakes the worker once, and not again while its window is as new as what is published', async () => {
    await given(shop())
    const window = { ...MARCH, from: '2026-03-03', to: '2026-03-20' }
    for (let time = 0; time < 3; time += 1) await asAsker((tx) => askForWindow(tx, ctx, window))
    expect(await jobs('attribution.measure_asked_windows')).toEqual([{ policy: 'exclusive' }])
    expect(await findRun(window)).toBeUndefined()
    await measureAsked(ctx, signal)
    const found = await findRun(window)
    expect(found?.orders).toBeGreaterThan(0)

    await platform.query('delete from pgboss.job')
    await asAsker((tx) => askForWindow(tx, ctx, window))
    expect(await jobs('attribution.measure_asked_windows')).toEqual([])
    await given([
      {
        identity: visitor(1_000),
        touches: [touch('sms', day(9))],
        orders: [{ key: 'new', at: day(10), amountMinor: 1 }],
      },
    ])
    await measureAsked(ctx, signal)
    expect((await findRun(window))?.windowRunId).toBe(found?.windowRunId)
    await asAsker((tx) => askForWindow(tx, ctx, window))
    expect(await jobs('attribution.measure_asked_windows')).toHaveLength(1)
    await measureAsked(ctx, signal)
    expect((await findRun(window))?.orders).toBe((found?.orders ?? 0) + 1)
  })

  test('a window that cannot be measured holds up no other', async () => {
    const orders = [{ key: 'much', at: day(5), amountMinor: 2 ** 53, currency: 'EUR' }]
    await given([...shop(), { identity: visitor(1_000), touches: [touch('sms', day(4))], orders }])
    const euros = { ...MARCH, currency: 'EUR' }
    await asAsker((tx) => askForWindow(tx, ctx, MARCH))
    await asAsker((tx) => askForWindow(tx, ctx, euros))
    await expect(measureAsked(ctx, signal)).rejects.toThrow('the net revenue of an order')
    expect(await findRun(euros)).toBeUndefined()
    expect((await findRun())?.orders).toBe(26)
  })

  test('what nobody asked for in a week is forgotten', async () => {
    await given(shop())
    await asAsker((tx) => askForWindow(tx, ctx, MARCH))
    await platform.query("update attribution_windows set last_asked_at = now() - interval '8 days'")
    await measureAsked(ctx, signal)
    expect(await platform.query('select 1 from attribution_windows')).toEqual([])
    expect(await findRun()).toBeUndefined()
  })

  test('publications add one job, however many there are', async () => {
    for (let time = 0; time < 3; time += 1) await publishStored(ctx, signal)
    expect(await jobs('attribution.measure_windows')).toEqual([{ policy: 'exclusive' }])
  })

  test('a worker process measures what was asked for', async () => {
    await given(shop())
    await asAsker((tx) => askForWindow(tx, ctx, MARCH))
    await platform.startWorker()
    const found = await until(
      () => findRun(),
      (answer) => answer !== undefined,
      30_000,
    )
    expect(found?.orders).toBe(26)
  })

  test('a window with more touches than a worker can hold is left alone', async () => {
    await given(shop(3))
    await measureWindow(ctx, MARCH, { signal, maxTouches: 5 })
    expect(await findRun()).toBeUndefined()
    await measureWindow(ctx, MARCH, { signal, maxTouches: 6 })
    expect((await findRun())?.diagnostics.touches).toBe(6)
  })

  test('a measurement that is told to stop publishes nothing', async () => {
    await given(shop())
    await expect(measureWindow(ctx, MARCH, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    )
    expect(await findRun()).toBeUndefined()
  })
})
