import { expect, onTestFinished, test } from 'vitest'
import { measureWindow } from '../../src/attribution/windows/service.ts'
import { givenBooks } from '../support/books.ts'
import { givenOwnOrders } from '../support/money.ts'
import { usePlatform } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { bringUp, workerContext } from '../support/worker.ts'

const DAY = 86_400_000
const BASE = Date.parse('2026-03-10T12:00:00Z')
const at = (days: number) => new Date(BASE + days * DAY)
const WINDOW = { start_date: '2026-03-10', end_date: '2026-03-14' }

const platform = usePlatform()

async function givenShop(options?: { timeZone?: string }) {
  const tenant = await platform.createTenant(options)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = tenant
  const books = await givenBooks(admin, tenantId)
  const ask = async (
    operation: 'getDailyRevenue' | 'getChannelAttribution' | 'compareAttributionModels',
    query: Record<string, string> = WINDOW,
  ) => (await platform.call(operation, { tenant, token: tenant.tokens.viewer, query })).body
  return { tenant, tenantId, admin, books, ask, ctx: workerContext(platform, tenant, onTestFinished) }
}

test('until figures are in a new reporting currency, what is converted is in the former one and says so', async () => {
  const { tenantId, admin, books, ask, ctx } = await givenShop()
  await books.addOrders([{ key: 'one', at: at(0), amount: 10_000, visitor: null }])
  await bringUp(ctx)
  await admin.query("update tenants set reporting_currency = 'JPY' where tenant_id = $1", [tenantId])
  const usd = { amount_minor: 10_000, currency: 'USD' }
  expect(await ask('getChannelAttribution', { ...WINDOW, convert: 'true' })).toMatchObject({
    currency: 'USD',
    net_revenue: usd,
    channels: [{ revenue: usd }],
  })
  await bringUp(ctx)
  expect(await ask('getChannelAttribution', { ...WINDOW, convert: 'true' })).toMatchObject({
    currency: 'JPY',
    net_revenue: { amount_minor: 0, currency: 'JPY' },
    other_currencies: [{ net_revenue: usd, conversions: 1 }],
  })
})

test('a dispute that was won and then lost has taken the money, by the day as by the channel', async () => {
  const { tenant, ask, ctx } = await givenShop()
  const order = { orderKey: 'own:one', orderedAt: at(0), currency: 'USD' }
  await givenOwnOrders(platform, tenant, [
    {
      ...order,
      entries: [
        { entryKey: 'own:paid', kind: 'capture', amountMinor: 1_000n, at: at(0) },
        { entryKey: 'own:disputed', kind: 'dispute', amountMinor: 400n, at: at(1) },
        { entryKey: 'own:won', kind: 'dispute_reversal', amountMinor: 400n, at: at(2), reverses: 'own:disputed' },
      ],
    },
  ])
  const nets = async () => {
    await bringUp(ctx)
    const answers = [await ask('getDailyRevenue'), await ask('getChannelAttribution')]
    return answers.map(({ net_revenue }) => net_revenue.amount_minor)
  }
  expect(await nets()).toEqual([1_000, 1_000])
  await platform.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at,
                                 reverses_entry_key, corrects_entry_key)
     select tenant_id, entry_key || '~1', order_key, kind, -amount_minor, currency, vendor, source, occurred_at, reverses_entry_key, entry_key
     from ledger_entries where tenant_id = $1 and entry_key = 'own:won'`,
    [tenant.tenantId],
  )
  expect(await nets()).toEqual([600, 600])
})

test('a model of whole windows that has not seen the newest touches is not compared with those that have', async () => {
  const { books, ask, ctx } = await givenShop()
  await books.addOrders([
    { key: 'one', at: at(0), amount: 10_000, visitor: 'ann' },
    { key: 'two', at: at(0), amount: 10_000, visitor: 'ben' },
  ])
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: at(-2), channel: 'email' },
    { id: 't2', visitor: 'ben', at: at(-2), channel: 'email' },
  ])
  await bringUp(ctx)
  const window = { from: WINDOW.start_date, to: WINDOW.end_date, timeZone: 'UTC', currency: 'USD', isConverted: false }
  const measure = () => measureWindow(ctx, window, { signal: new AbortController().signal })
  const isCompared = async () =>
    (await ask('compareAttributionModels')).models.some(({ model }: { model: string }) => model === 'markov')
  await measure()
  expect(await isCompared()).toBe(true)
  await books.addOrders([{ key: 'elsewhere', at: at(30), amount: 1, visitor: null }])
  await bringUp(ctx)
  expect(await isCompared(), 'after a publication of other days').toBe(true)
  await books.addTouches([{ id: 't3', visitor: 'ben', at: at(-1), channel: 'sms' }])
  await bringUp(ctx)
  expect(await isCompared(), 'after a late touch').toBe(false)
  await measure()
  expect(await isCompared()).toBe(true)
})

test.each([
  [
    'Atlantic/Azores',
    '2025-10-25',
    '2025-10-26',
    '2025-10-26T00:30:00Z',
    'clocks go back over midnight: the first of two hours',
  ],
  ['Atlantic/Azores', '2025-10-25', '2025-10-26', '2025-10-26T01:30:00Z', 'the second of them'],
  ['America/Havana', '2025-11-01', '2025-11-02', '2025-11-02T04:15:00Z', 'the same in the west'],
  ['Africa/Cairo', '2025-04-24', '2025-04-25', '2025-04-24T22:00:00Z', 'clocks go forward at midnight'],
  ['Asia/Beirut', '2025-10-25', '2025-10-26', '2025-10-25T22:00:00Z', 'clocks go back at midnight'],
  ['Asia/Kathmandu', '2025-10-25', '2025-10-26', '2025-10-25T18:15:00Z', 'no whole hour'],
])(
  'an order counts on one day, which is in the window of that day alone: %s %s %s %s, %s',
  async (timeZone, before, day, ordered) => {
    const { tenantId, books, ask, ctx } = await givenShop({ timeZone })
    await books.addOrders([{ key: 'one', at: new Date(ordered), amount: 10_000, visitor: null }])
    await bringUp(ctx)
    const ofDay = (date: string) => ({ start_date: date, end_date: date })
    const usd = (amount_minor: number) => ({ amount_minor, currency: 'USD' })
    for (const [date, amount] of [
      [before, 0],
      [day, 10_000],
    ] as const) {
      const days = await ask('getDailyRevenue', ofDay(date))
      expect(days).toMatchObject({ net_revenue: usd(amount), days: [{ date, net_revenue: usd(amount) }] })
      const channels = await ask('getChannelAttribution', { ...ofDay(date), group_by: 'day' })
      expect(channels.net_revenue, date).toEqual(usd(amount))
      expect(channels.groups.map((one: { date: string }) => one.date)).toEqual(amount === 0 ? [] : [date])
      const window = { from: date, to: date, timeZone, currency: 'USD', isConverted: false }
      await measureWindow(ctx, window, { signal: new AbortController().signal })
      const measured = await platform.query<{ orders: number }>(
        `select r.orders from published_windows join attribution_window_runs as r using (tenant_id, window_run_id)
       where tenant_id = $1 and r.first_day = $2`,
        [tenantId, date],
      )
      expect(measured).toEqual([{ orders: amount === 0 ? 0 : 1 }])
    }
  },
)

test('by day, money counts on the day of the calendar, whatever the clocks do in the window', async () => {
  const { tenantId, books, ask, ctx } = await givenShop()
  const first = Date.parse('2025-10-24T21:00:00Z')
  for (let index = 0; index < 48; index += 1) {
    const ordered = first + index * 90 * 60_000
    await books.addOrders([{ key: `${index}`, at: new Date(ordered), amount: 1_000 + index, visitor: null }])
    await books.addRefund({ order: `${index}`, at: new Date(ordered + 5 * 3_600_000), amount: 1 + index })
  }
  await bringUp(ctx)
  const days = { start_date: '2025-10-25', end_date: '2025-10-27' }
  for (const timeZone of ['Atlantic/Azores', 'Asia/Beirut', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'UTC']) {
    for (const basis of ['order_date', 'refund_date']) {
      const { groups, channels } = await ask('getChannelAttribution', {
        ...days,
        group_by: 'day',
        basis,
        time_zone: timeZone,
      })
      const expected = await platform.query(
        `select to_char(d.day, 'YYYY-MM-DD') as date, sum(l.amount_minor)::integer as amount
         from ledger_entries as l
         join order_facts as o using (tenant_id, order_key)
         cross join lateral (select (case when $2 then o.ordered_at else l.occurred_at end at time zone $3)::date as day) as d
         where l.tenant_id = $1 and d.day between $4 and $5 group by d.day order by d.day`,
        [tenantId, basis === 'order_date', timeZone, days.start_date, days.end_date],
      )
      type Group = { date: string; revenue: { amount_minor: number } }
      const given = groups.map(({ date, revenue }: Group) => ({ date, amount: revenue.amount_minor }))
      expect(given, `${timeZone} ${basis}`).toEqual(expected)
      const sum = given.reduce((total: number, { amount }: { amount: number }) => total + amount, 0)
      expect(channels[0].revenue.amount_minor).toBe(sum)
    }
  }
})

test('a day that a zone left out has nothing, and nothing to be measured', async () => {
  const { ask, books, ctx } = await givenShop()
  await books.addOrders([{ key: 'one', at: new Date('2011-12-30T10:00:00Z'), amount: 10_000, visitor: null }])
  await bringUp(ctx)
  const query = { start_date: '2011-12-30', end_date: '2011-12-30', time_zone: 'Pacific/Apia' }
  expect(await ask('getChannelAttribution', query)).toMatchObject({ conversions: 0, channels: [] })
  const days = { ...query, start_date: '2011-12-29', end_date: '2011-12-31', group_by: 'day' }
  expect((await ask('getChannelAttribution', days)).groups).toMatchObject([{ date: '2011-12-31', conversions: 1 }])
  const window = { from: '2011-12-30', to: '2011-12-30', timeZone: 'Pacific/Apia', currency: 'USD', isConverted: false }
  await measureWindow(ctx, window, { signal: new AbortController().signal })
})
