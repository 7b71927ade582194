import { describe, expect, onTestFinished, test } from 'vitest'
import type { DeliveryStore, TenantContext } from '../../src/context.ts'
import type { Outbound } from '../../src/outbound.ts'
import { ProblemError } from '../../src/problem/problem.ts'
import { type GapReport, pollTenant } from '../../src/webhooks/poll/service.ts'
import { finishReplay } from '../support/dead-events.ts'
import { DAY, deliverStripe, HOUR, MINUTE, nextNumber } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'
import { enterStored, givenPolledShop, PAID, type PolledShop } from '../support/polled-shop.ts'
import { simulate } from '../support/signed-deliveries.ts'
import { readAudit } from '../support/tenants.ts'
import { toLoopback } from '../support/vendor-api.ts'

const platform = usePlatform()

const ago = (ms: number) => new Date(Date.now() - ms)
const shopOf = (vendor: Parameters<typeof givenPolledShop>[1], tenant?: PolledShop['endpoint']['tenant']) =>
  givenPolledShop(platform, vendor, onTestFinished, tenant)
const poll = async ({ ctx, means }: PolledShop, since?: Date): Promise<GapReport> =>
  (await pollTenant(ctx, { isDry: false, since }, means))[0] as GapReport
const totalOf = ({ topics }: GapReport, name: 'missing' | 'recovered' | 'unreadable') =>
  topics.reduce((sum, topic) => sum + topic[name], 0)

async function readCursor({ tenantId }: TenantContext): Promise<Date | undefined> {
  const [row] = await platform.query<{ at: Date }>('select polled_until as at from poll_cursors where tenant_id = $1', [
    tenantId,
  ])
  return row?.at
}

const givenCursor = ({ endpoint, ctx }: PolledShop, at: Date) =>
  platform.query('insert into poll_cursors (tenant_id, endpoint_id, polled_until) values ($1, $2, $3)', [
    ctx.tenantId,
    endpoint.endpointId,
    at,
  ])

const findingsOf = ({ tenantId }: TenantContext) =>
  platform.query(
    `select is_whole as "isWhole", sum(missing)::integer as missing, sum(recovered)::integer as recovered,
            sum(unreadable)::integer as unreadable
     from poll_findings where tenant_id = $1 group by listed_since, is_whole order by listed_since`,
    [tenantId],
  )

const deadOf = ({ tenantId }: TenantContext) =>
  platform.query<{ code: string; topic: string }>(
    'select code, topic from dead_events where tenant_id = $1 order by topic',
    [tenantId],
  )

/** An order of an hour ago that was paid, as Shopify lists it. */
function paidOrder(changes: object = {}): string {
  const at = ago(HOUR).toISOString()
  const times = { created_at: at, processed_at: at, updated_at: at }
  return JSON.stringify({
    id: nextNumber(),
    currency: 'USD',
    total_price: '12.00',
    financial_status: 'paid',
    refunds: [],
    ...times,
    ...changes,
  })
}

describe('where the next poll begins', () => {
  test('a time that was asked for leaves no gap behind it', async () => {
    const shop = await shopOf('shopify')
    const cursor = ago(5 * DAY)
    await givenCursor(shop, cursor)
    await poll(shop, ago(HOUR))
    expect(await readCursor(shop.ctx)).toEqual(cursor)
    shop.api.asked.length = 0
    await poll(shop)
    expect(shop.api.asked[0]?.searchParams.get('updated_at_min')).toBe(
      new Date(cursor.getTime() - 15 * MINUTE).toISOString(),
    )
    expect(Date.now() - ((await readCursor(shop.ctx)) as Date).getTime()).toBeLessThan(11 * MINUTE)
  })

  test.each([
    ['a week back, as a first poll does', 7 * DAY + HOUR, true],
    ['an hour back', HOUR, false],
  ])('of an endpoint that was never polled: %s', async (_, reach, isMoved) => {
    const shop = await shopOf('shopify')
    await poll(shop, ago(reach))
    expect((await readCursor(shop.ctx)) !== undefined).toBe(isMoved)
  })

  test('what is no longer listed is left out, and told of', async () => {
    const shop = await shopOf('stripe')
    const cursor = ago(40 * DAY)
    await givenCursor(shop, cursor)
    const asked = await poll(shop, ago(35 * DAY))
    expect(asked.unreachedSince).not.toBeNull()
    expect(await readCursor(shop.ctx)).toEqual(cursor)
    const { unreachedSince, since } = await poll(shop)
    expect(unreachedSince).toEqual(cursor)
    expect(Math.abs(since.getTime() - (Date.now() - 30 * DAY))).toBeLessThan(MINUTE)
    expect(Date.now() - ((await readCursor(shop.ctx)) as Date).getTime()).toBeLessThan(11 * MINUTE)
    expect((await poll(shop)).unreachedSince).toBeNull()
    const told = (await readAudit(platform, shop.endpoint.tenant)).filter(
      ({ action }) => action === 'webhook_endpoint.not_polled',
    )
    expect(told).toHaveLength(1)
  })
})

describe('a list that breaks off', () => {
  const brokenAt = (request: number): Outbound => {
    let requests = 0
    return (asked) => {
      requests += 1
      if (requests >= request) return Promise.resolve({ status: 401, headers: {}, body: Buffer.from('{}') })
      return toLoopback(asked)
    }
  }

  test('in a later window: what the earlier ones brought is written down with the cursor', async () => {
    const shop = await shopOf('shopify')
    shop.api.resources.push(paidOrder())
    await givenCursor(shop, ago(4 * DAY))
    const report = await poll({ ...shop, means: { ...shop.means, send: brokenAt(3) } })
    expect(report.fault).toMatchObject({ code: 'unauthorized' })
    expect(totalOf(report, 'recovered')).toBe(2)
    expect(await findingsOf(shop.ctx)).toEqual([{ isWhole: true, missing: 2, recovered: 2, unreadable: 0 }])
    const cursor = (await readCursor(shop.ctx)) as Date
    expect(Math.abs(cursor.getTime() - (Date.now() - 2 * DAY - 15 * MINUTE))).toBeLessThan(MINUTE)
  })

  test('on its second page: what the first one brought is written down, and the window is read again', async () => {
    const shop = await shopOf('shopify')
    shop.api.resources.push(paidOrder(), paidOrder(), paidOrder())
    const since = ago(HOUR)
    await givenCursor(shop, since)
    await poll({ ...shop, means: { ...shop.means, send: brokenAt(2) } })
    expect(await findingsOf(shop.ctx)).toEqual([{ isWhole: false, missing: 4, recovered: 4, unreadable: 0 }])
    expect(await readCursor(shop.ctx)).toEqual(since)
    await poll(shop)
    const rows = await findingsOf(shop.ctx)
    expect(rows).toHaveLength(2)
    expect(rows).toContainEqual({ isWhole: true, missing: 2, recovered: 2, unreadable: 0 })
  })
})

describe('what cannot be used', () => {
  test('becomes a dead event for each topic, once, and holds up nothing; a replay takes it as polled', async () => {
    const shop = await shopOf('shopify')
    const { ctx, endpoint } = shop
    shop.api.resources.push(paidOrder({ total_price: ' 12.00 ' }), paidOrder())
    const dry = (await pollTenant(ctx, { isDry: true, since: ago(HOUR) }, shop.means))[0] as GapReport
    expect(totalOf(dry, 'unreadable')).toBe(1)
    expect(await deadOf(ctx)).toEqual([])
    const report = await poll(shop)
    expect(totalOf(report, 'unreadable')).toBe(1)
    expect(report.fault).toBeNull()
    expect(await deadOf(ctx)).toEqual([{ code: 'bad_amount', topic: 'orders/paid' }])
    expect(await findingsOf(ctx)).toContainEqual(expect.objectContaining({ unreadable: 1 }))
    expect(totalOf(await poll(shop, ago(HOUR)), 'unreadable')).toBe(0)
    expect(await deadOf(ctx)).toHaveLength(1)

    const filter = { code: 'bad_amount' }
    const { body } = await platform.call('replayDeadEvents', {
      tenant: endpoint.tenant,
      body: { filter, dry_run: false },
    })
    await finishReplay(platform, endpoint.tenant, body.replay_id, onTestFinished)
    await enterStored(platform, ctx)
    const captured = await platform.query(
      `select source, sum(amount_minor)::text as amount from ledger_entries where tenant_id = $1 group by source`,
      [ctx.tenantId],
    )
    expect(captured).toEqual([{ source: 'poll', amount: '2400' }])
    expect(await poll(shop, ago(HOUR))).toMatchObject({ fault: null })
    expect(await deadOf(ctx)).toHaveLength(1)
  })

  test('is told once where its delivery is a dead event already', async () => {
    const shop = await shopOf('stripe')
    const { endpoint, ctx } = shop
    const event = simulate('stripe', PAID.stripe)
    const body = event.body.toString().replaceAll(/"currency":\s*"usd"/g, '"currency":"usdollar"')
    expect((await deliverStripe(platform, endpoint, body)).body.result).toBe('dead')
    shop.api.resources.push(body)
    const report = await poll(shop, ago(HOUR))
    expect(totalOf(report, 'unreadable')).toBe(0)
    expect(await deadOf(ctx)).toHaveLength(1)
  })

  test('what the database refuses is kept sealed, and the poll goes on', async () => {
    const shop = await shopOf('shopify')
    const [refused, fine] = [paidOrder(), paidOrder()]
    shop.api.resources.push(refused, fine)
    const { deliveries } = shop.ctx
    const key = `"id":${JSON.parse(refused).id}`
    const store: DeliveryStore['store'] = (delivery) =>
      JSON.stringify(delivery.payload).includes(key)
        ? Promise.reject(Object.assign(new Error('refused'), { code: '23514' }))
        : deliveries.store(delivery)
    const report = await poll({ ...shop, ctx: { ...shop.ctx, deliveries: { store } } }, ago(HOUR))
    expect(report.fault).toBeNull()
    expect([totalOf(report, 'missing'), totalOf(report, 'recovered'), totalOf(report, 'unreadable')]).toEqual([4, 2, 2])
    expect((await deadOf(shop.ctx)).map(({ code }) => code)).toEqual(['unstorable', 'unstorable'])
    const sealed = await platform.query('select from dead_event_bodies where tenant_id = $1', [shop.ctx.tenantId])
    expect(sealed).toHaveLength(2)
  })
})

describe('an endpoint that cannot be polled', () => {
  test.each<[string, string, (shop: PolledShop) => Promise<TenantContext>]>([
    [
      'the store has no time',
      'failed',
      async ({ ctx, endpoint }) => {
        const store: DeliveryStore['store'] = (delivery) =>
          delivery.endpointId === endpoint.endpointId
            ? Promise.reject(new ProblemError('service_unavailable', 'Try again shortly.'))
            : ctx.deliveries.store(delivery)
        return { ...ctx, deliveries: { store } }
      },
    ],
    [
      'its credential does not open',
      'no_access',
      async ({ ctx, endpoint }) => {
        await platform.query(
          `update poll_credentials set sealed = overlay(sealed placing '\\x0000' from 40) where endpoint_id = $1`,
          [endpoint.endpointId],
        )
        return ctx
      },
    ],
  ])('holds up no other: %s', async (_, code, spoil) => {
    const shop = await shopOf('shopify')
    const other = await shopOf('stripe', shop.endpoint.tenant)
    shop.api.resources.push(paidOrder())
    other.api.resources.push(simulate('stripe', PAID.stripe).body.toString())
    const origins = { ...shop.means.origins, stripe: other.means.origins.stripe }
    const ctx = await spoil(shop)
    const reports = await pollTenant(ctx, { isDry: false, since: ago(HOUR) }, { ...shop.means, origins })
    expect(reports.map(({ vendor, fault }) => [vendor, fault?.code ?? null])).toEqual([
      ['shopify', code],
      ['stripe', null],
    ])
    expect(totalOf(reports[1] as GapReport, 'recovered')).toBe(1)
    expect(await readCursor(shop.ctx)).toBeUndefined()
  })

  test('a poll that is stopped stops', async () => {
    const shop = await shopOf('shopify')
    shop.api.resources.push(paidOrder())
    const stop = new AbortController()
    const send: Outbound = (request) => {
      stop.abort()
      return toLoopback(request)
    }
    const stopped = pollTenant(shop.ctx, { isDry: false }, { ...shop.means, send, signal: stop.signal })
    await expect(stopped).rejects.toThrow('aborted')
  })
})

describe('of an order that changed and whose delivery was lost', () => {
  const gmt = (ms: number) => ago(ms).toISOString().slice(0, 19)
  const order = (total: string, refunds: object[], modifiedMs: number) =>
    JSON.stringify({
      id: 31,
      number: '31',
      status: 'completed',
      currency: 'USD',
      total,
      date_created_gmt: gmt(5 * HOUR),
      date_paid_gmt: gmt(5 * HOUR),
      date_modified_gmt: gmt(modifiedMs),
      refunds,
      meta_data: [],
      transaction_id: '',
    })

  test('the poll finds the difference, and the books have the newest', async () => {
    const shop = await shopOf('woocommerce')
    const { ctx, api } = shop
    const captured = async () => {
      await enterStored(platform, ctx)
      const [row] = await platform.query<{ sum: string }>(
        `select sum(amount_minor)::text as sum from ledger_entries where tenant_id = $1`,
        [ctx.tenantId],
      )
      return row?.sum
    }
    const refund = { id: 32, reason: '', total: '-10.00' }
    const steps: [what: string, total: string, refunds: object[], missing: bigint | undefined, books: string][] = [
      ['it is new', '100.00', [], 10_000n, '10000'],
      ['its total was edited', '60.00', [], -4_000n, '6000'],
      ['it is as it was once, but not as the books have it', '100.00', [], 4_000n, '10000'],
      ['something else of it changed', '100.00', [], undefined, '10000'],
      ['it was refunded in part', '100.00', [refund], -1_000n, '9000'],
      ['the refund was deleted', '100.00', [], 1_000n, '10000'],
    ]
    for (const [step, [what, total, refunds, missing, books]] of steps.entries()) {
      api.resources[0] = order(total, refunds, (4 - step / 2) * HOUR)
      const { topics } = await poll(shop, ago(12 * HOUR))
      expect(topics[0]?.missingMinor.USD, what).toBe(missing)
      expect(await captured(), what).toBe(books)
      expect((await poll(shop, ago(12 * HOUR))).topics[0], what).toMatchObject({ listed: 1, missing: 0 })
    }
  })
})

test('an endpoint in test mode brings no money', async () => {
  const shop = await shopOf('shopify')
  await platform.query(`update webhook_endpoints set mode = 'test' where endpoint_id = $1`, [shop.endpoint.endpointId])
  shop.api.resources.push(paidOrder(), paidOrder({ total_price: 'x' }))
  expect(await poll(shop, ago(HOUR))).toMatchObject({ topics: [], fault: null })
  expect(await deadOf(shop.ctx)).toEqual([])
})
