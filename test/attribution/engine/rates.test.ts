import { describe, expect, onTestFinished, test } from 'vitest'
import type { StatedRate } from '../../../src/attribution/rates/file.ts'
import { loadRates } from '../../../src/attribution/rates/service.ts'
import { connect } from '../../../src/db/connect.ts'
import { givenBooks, readRevisions } from '../../support/books.ts'
import { startPlatform, until } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, readResult, recomputeAll, workerContext } from '../../support/worker.ts'

const DAY = 86_400_000
const BASE = Date.parse('2026-03-01T00:00:00Z')
const at = (days: number, hours = 12) => new Date(BASE + days * DAY + hours * 3_600_000)
const dayOf = (days: number) => at(days).toISOString().slice(0, 10)
const rate = (days: number, of = '1.1', base = 'EUR'): StatedRate => ({
  base,
  quote: 'USD',
  asOf: dayOf(days),
  source: 'test',
  rate: of,
  line: 1,
})

/** A tenant that reports in USD. */
async function givenShop() {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { config, ctx } = platform
  const main = connect({ url: config.databaseUrls.app_rw, applicationName: 'test', log: ctx.log, max: 2 })
  onTestFinished(main.close)
  const { tenantId } = platform.tenant
  const notes = async (ofTenant = tenantId) => {
    const { rows } = await admin.query(
      `select order_key, identity, from_at as "from", until_at as until from attribution_changes where tenant_id = $1 order by change_id`,
      [ofTenant],
    )
    return rows.map(({ from, until: end, ...named }) => ({ ...named, from: toText(from), until: toText(end) }))
  }
  return {
    platform,
    admin,
    tenantId,
    books: await givenBooks(admin, tenantId),
    worker: workerContext(platform, platform.tenant, onTestFinished),
    load: (...rates: StatedRate[]) => loadRates({ ...ctx, db: { ...ctx.db, main } }, rates),
    notes,
  }
}

/** Infinities are numbers. */
function toText(time: Date | number | null): string | number | null {
  return time instanceof Date ? time.toISOString() : time
}

const span = (from: number, end: number) => ({
  order_key: null,
  identity: null,
  from: at(from, 0).toISOString(),
  until: at(end, 0).toISOString(),
})

/** Keys of orders that have other credits than before. */
function moved(before: Record<string, number>, after: Record<string, number>): string[] {
  return Object.keys(after)
    .filter((key) => after[key] !== before[key])
    .sort()
}

test('a load moves the orders that have no rate or an older one, up to a week after its days, and the runs of no other day', async () => {
  const { admin, tenantId, books, worker, load, notes } = await givenShop()
  const days = [9, 10, 12, 17, 18]
  await books.addOrders([
    ...days.map((day) => ({ key: `eur-${day}`, at: at(day), amount: 100, visitor: null, currency: 'EUR' })),
    ...days.map((day) => ({ key: `usd-${day}`, at: at(day), amount: 100, visitor: null })),
    { key: 'eur-first', at: at(10, 0), amount: 100, visitor: null, currency: 'EUR' },
    { key: 'eur-last', at: new Date(at(18, 0).getTime() - 1), amount: 100, visitor: null, currency: 'EUR' },
  ])
  await load(rate(12))
  await bringUp(worker)
  expect(await notes()).toEqual([])
  const before = await readRevisions(admin, tenantId)

  const runs = async () =>
    (await admin.query('select run_id from attribution_day_runs')).rows.map(({ run_id: id }) => id)
  const known = await runs()
  expect(await load(rate(10, '1.2'))).toEqual({ added: 1, corrected: 0, unchanged: 0 })
  expect(await notes()).toEqual([span(10, 18)])
  await bringUp(worker)
  expect(await notes()).toEqual([])
  const after = await readRevisions(admin, tenantId)
  expect(moved(before, after), 'those of the 12th on have a newer rate').toEqual(['eur-10', 'eur-first'])
  const { rows } = await admin.query(
    'select distinct window_start from attribution_day_runs where run_id <> all ($1::uuid[])',
    [known],
  )
  expect(rows.map(({ window_start: start }) => start)).toEqual([at(10, 0)])

  await load(rate(12, '1.3'))
  await bringUp(worker)
  expect(moved(after, await readRevisions(admin, tenantId)), 'a correction').toEqual([
    'eur-12',
    'eur-17',
    'eur-18',
    'eur-last',
  ])
  const answered = await readResult(admin, tenantId)
  await recomputeAll(worker)
  expect(await readResult(admin, tenantId)).toEqual(answered)
})

test('days that reach into each other are one span, others are spans of their own; what is known notes nothing', async () => {
  const { books, worker, load, notes } = await givenShop()
  await books.addOrders([
    { key: 'a', at: at(5), amount: 100, visitor: null, currency: 'EUR' },
    { key: 'b', at: at(40), amount: 100, visitor: null, currency: 'EUR' },
  ])
  await bringUp(worker)
  const history = Array.from({ length: 20 }, (_, day) => rate(day))
  // Of the last one no order could have another rate.
  await load(rate(60), rate(40), ...history)
  expect(await notes()).toEqual([span(0, 27), span(40, 48)])
  await load(rate(60), rate(40), ...history)
  expect(await notes()).toHaveLength(2)
  await bringUp(worker)
  expect(await notes()).toEqual([])
})

test('a tenant that has one currency, or had another on other days, is not told of a load', async () => {
  const { platform, admin, tenantId, books, worker, load, notes } = await givenShop()
  const other = await platform.createTenant()
  const others = await givenBooks(admin, other.tenantId)
  const order = { key: 'one', at: at(10), amount: 100, visitor: null }
  await books.addOrders([{ ...order, currency: 'EUR' }])
  await others.addOrders([order, { ...order, key: 'long-ago', at: at(-10), currency: 'EUR' }])
  await bringUp(worker)
  await bringUp(workerContext(platform, other, onTestFinished))
  const setCurrency = 'update tenants set reporting_currency = $2 where tenant_id = $1'
  await load(rate(10))
  expect(await notes()).toHaveLength(1)
  expect(await notes(other.tenantId)).toEqual([])

  // The money of its orders, before figures in it are whole and after.
  await bringUp(worker)
  await admin.query(setCurrency, [tenantId, 'EUR'])
  await load(rate(10, '1.2'))
  expect(await notes()).toHaveLength(1)
  await bringUp(worker)
  await load(rate(10, '1.3'))
  expect(await notes()).toEqual([])
})

describe('of a first order in another currency that is published while rates are loaded', () => {
  async function givenRace() {
    const shop = await givenShop()
    const { platform, admin, tenantId, books, worker } = shop
    await books.addOrders([{ key: 'usd', at: at(10), amount: 100, visitor: null }])
    await bringUp(worker)
    await books.addOrders([{ key: 'eur', at: at(10), amount: 100, visitor: null, currency: 'EUR' }])
    const waiting = async (event: string) => {
      const { rows } = await admin.query(
        'select count(*)::integer as n from pg_stat_activity where datname = current_database() and wait_event = $1',
        [event],
      )
      return rows[0].n
    }
    return {
      ...shop,
      holder: await connectAs(platform.database, 'admin', onTestFinished),
      untilOneWaits: (event: string) =>
        until(
          () => waiting(event),
          (count) => count === 1,
          20_000,
        ),
      reporting: async () => {
        const { rows } = await admin.query(
          "select reporting_minor from attribution_orders where tenant_id = $1 and order_key = 'stripe:eur'",
          [tenantId],
        )
        return rows.map(({ reporting_minor: minor }) => minor)
      },
    }
  }

  test('the load waits for what was published without its rates, and notes it', async () => {
    const { worker, load, notes, holder, untilOneWaits, reporting } = await givenRace()
    await holder.query('begin')
    await holder.query('lock table attribution_day_run_totals in share mode')
    const publishing = bringUp(worker)
    await untilOneWaits('relation')
    const loading = load(rate(10))
    await untilOneWaits('advisory')
    await holder.query('rollback')
    await Promise.all([publishing, loading])
    expect(await reporting()).toEqual([null])
    expect(await notes()).toEqual([span(10, 18)])
    await bringUp(worker)
    expect(await reporting()).toEqual([['110']])
  })

  test('the publication waits for the load, which has nothing to note, and has its rates', async () => {
    const { worker, notes, holder, untilOneWaits, reporting } = await givenRace()
    await holder.query('begin')
    await holder.query(
      "insert into fx_rates (base, quote, as_of, source, rate) values ('EUR', 'USD', $1, 'test', 1.1)",
      [dayOf(10)],
    )
    const publishing = bringUp(worker)
    await untilOneWaits('advisory')
    await holder.query('commit')
    await publishing
    expect(await reporting()).toEqual([['110']])
    expect(await notes()).toEqual([])
  })
})
