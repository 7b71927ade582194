import { describe, expect, onTestFinished, test } from 'vitest'
import { setPollCredential } from '../../src/webhooks/poll/credential.ts'
import { pollTenant } from '../../src/webhooks/poll/service.ts'
import type { Delivery } from '../../src/webhooks/simulator/delivery.ts'
import { givenEndpoint, HOUR, MINUTE } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'
import { deliver, enterStored, givenPolledShop, PAID } from '../support/polled-shop.ts'
import { simulate } from '../support/signed-deliveries.ts'
import { CREDENTIALS } from '../support/vendor-api.ts'

const platform = usePlatform()

const captures = ({ tenantId }: { tenantId: string }) =>
  platform.query<{ source: string; amount: string }>(
    `select source, amount_minor::text as amount from ledger_entries where tenant_id = $1 and kind = 'capture' order by source, amount`,
    [tenantId],
  )

const SINCE = () => new Date(Date.now() - 12 * HOUR)

describe.each(['stripe', 'paypal', 'shopify', 'woocommerce'] as const)('%s', (vendor) => {
  test('what no delivery brought is found, told, stored once, and counts once with the delivery that comes late', async () => {
    const shop = await givenPolledShop(platform, vendor, onTestFinished)
    const { endpoint, api, ctx, means } = shop
    const purchases = Array.from({ length: 5 }, () => simulate(vendor, PAID[vendor]))
    api.resources.push(...purchases.map(({ body }) => body.toString()))
    const [seen, ...lost] = purchases as [Delivery, ...Delivery[]]
    expect(await deliver(platform, shop, seen)).toBe('accepted')
    await enterStored(platform, ctx)

    const [dry] = await pollTenant(ctx, { isDry: true, since: SINCE() }, means)
    expect(dry).toMatchObject({ vendor, endpointId: endpoint.endpointId, unreachedSince: null, fault: null })
    const paid = dry?.topics.find(({ topic }) => topic === PAID[vendor])
    expect(paid).toMatchObject({ listed: 5, seen: 1, missing: 4, recovered: 0, unreadable: 0 })
    expect(await captures(ctx)).toHaveLength(1)
    // Several pages, in the vendor's own way of paging.
    expect(api.asked.length).toBeGreaterThanOrEqual(3)

    const [report] = await pollTenant(ctx, { isDry: false, since: SINCE() }, means)
    expect(report?.topics.find(({ topic }) => topic === PAID[vendor])).toMatchObject({ missing: 4, recovered: 4 })
    await enterStored(platform, ctx)
    const entered = await captures(ctx)
    expect(entered.map(({ source }) => source)).toEqual(['poll', 'poll', 'poll', 'poll', 'webhook'])
    const money = entered
      .filter(({ source }) => source === 'poll')
      .reduce((sum, { amount }) => sum + BigInt(amount), 0n)
    expect(Object.values(paid?.missingMinor ?? {})).toEqual([money])

    const [again] = await pollTenant(ctx, { isDry: false, since: SINCE() }, means)
    expect(again?.topics.every(({ missing }) => missing === 0)).toBe(true)
    for (const late of lost) expect(await deliver(platform, shop, late)).toBe('accepted')
    await enterStored(platform, ctx)
    expect(await captures(ctx)).toEqual(entered)

    const findings = await platform.query(
      `select listed, seen, missing, recovered from poll_findings where tenant_id = $1 and topic = $2 order by recorded_at`,
      [ctx.tenantId, PAID[vendor]],
    )
    expect(findings).toEqual([{ listed: 5, seen: 1, missing: 4, recovered: 4 }])
  })

  test('goes on where the last one ended, and asks for a window that has settled', async () => {
    const { api, ctx, means } = await givenPolledShop(platform, vendor, onTestFinished)
    await pollTenant(ctx, { isDry: false }, means)
    api.asked.length = 0
    await pollTenant(ctx, { isDry: false }, means)
    const names = {
      stripe: ['created[gte]', 'created[lte]'],
      paypal: ['start_time', 'end_time'],
      shopify: ['updated_at_min', 'updated_at_max'],
      woocommerce: ['modified_after', 'modified_before'],
    }
    const [from, to] = names[vendor].map((name) => {
      const value = api.asked[0]?.searchParams.get(name) ?? ''
      return /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value)
    })
    expect(api.asked).toHaveLength(1)
    const expected = Date.now() - 10 * MINUTE
    expect(Math.abs((to as number) - expected)).toBeLessThan(10_000)
    expect(Math.abs((from as number) - (expected - 15 * MINUTE))).toBeLessThan(10_000)
  })

  test('a limit of the vendor is waited for, a refused credential and an answer of another kind are told', async () => {
    const { api, ctx, means } = await givenPolledShop(platform, vendor, onTestFinished)
    api.resources.push(simulate(vendor, PAID[vendor]).body.toString())
    const poll = async () => (await pollTenant(ctx, { isDry: true, since: SINCE() }, means))[0]
    api.faults.push(
      { status: 429, headers: { 'retry-after': '0.1' } },
      { status: 429, headers: { 'retry-after': '0' } },
    )
    expect(await poll()).toMatchObject({
      fault: null,
      topics: expect.arrayContaining([expect.objectContaining({ listed: 1 })]),
    })
    for (const [fault, code] of [
      [{ status: 429, headers: { 'retry-after': '3600' } }, 'rate_limited'],
      [{ status: 401 }, 'unauthorized'],
      [{ status: 404 }, 'bad_answer'],
      [{ status: 200, body: 'no JSON' }, 'bad_answer'],
      [{ status: 200, body: '{"data":7}' }, 'bad_answer'],
    ] as const) {
      api.faults.push(fault)
      expect((await poll())?.fault, JSON.stringify(fault)).toMatchObject({ code })
    }
  })
})

test('a delivery sent again under an id that a poll makes up hides nothing of what is missing', async () => {
  const shop = await givenPolledShop(platform, 'shopify', onTestFinished)
  const { api, ctx, means } = shop
  const [captured, lost] = [simulate('shopify', 'orders/paid'), simulate('shopify', 'orders/paid')]
  const headers = { ...captured.headers, 'X-Shopify-Webhook-Id': 'poll' }
  expect(await deliver(platform, shop, { ...captured, headers })).toBe('accepted')
  await enterStored(platform, ctx)
  api.resources.push(captured.body.toString(), lost.body.toString())
  const [report] = await pollTenant(ctx, { isDry: false, since: SINCE() }, means)
  const found = report?.topics.find(({ topic }) => topic === 'orders/paid')
  expect(found).toMatchObject({ listed: 2, missing: 1, recovered: 1 })
})

test('a refund that a shop lists within its order is found by its own id', async () => {
  const shop = await givenPolledShop(platform, 'shopify', onTestFinished)
  const { api, ctx, means } = shop
  const order = simulate('shopify', 'orders/paid', 77)
  const refunded = simulate('shopify', 'orders/updated', 77)
  expect(await deliver(platform, shop, order)).toBe('accepted')
  await enterStored(platform, ctx)
  api.resources.push(refunded.body.toString())
  const [report] = await pollTenant(ctx, { isDry: false, since: SINCE() }, means)
  const found = report?.topics.find(({ topic }) => topic === 'refunds/create')
  expect(found).toMatchObject({ listed: 1, missing: 1, recovered: 1 })
  expect(Object.values(found?.missingMinor ?? {}).every((minor) => minor < 0n)).toBe(true)
  await enterStored(platform, ctx)
  const kinds = await platform.query('select kind from ledger_entries where tenant_id = $1 order by kind', [
    ctx.tenantId,
  ])
  expect(kinds).toEqual([{ kind: 'capture' }, { kind: 'refund' }])
})

test('the next page of another server gets no credential', async () => {
  const { api, ctx, means } = await givenPolledShop(platform, 'shopify', onTestFinished)
  api.faults.push({
    status: 200,
    headers: { link: '<https://evil.example/orders.json>; rel="next"' },
    body: '{"orders":[]}',
  })
  const [report] = await pollTenant(ctx, { isDry: true, since: SINCE() }, means)
  expect(report?.fault).toMatchObject({ code: 'bad_answer' })
})

test('an endpoint without a credential is told of, and holds up no other', async () => {
  const shop = await givenPolledShop(platform, 'stripe', onTestFinished)
  await givenEndpoint(platform, 'paypal', { tenant: shop.endpoint.tenant })
  const reports = await pollTenant(shop.ctx, { isDry: true, since: SINCE() }, shop.means)
  expect(reports.map(({ vendor, fault }) => [vendor, fault?.code ?? null])).toEqual([
    ['stripe', null],
    ['paypal', 'no_access'],
  ])
})

test('credentials are sealed, must be of the vendor, and are given to its own servers only', async () => {
  const { endpoint, ctx } = await givenPolledShop(platform, 'woocommerce', onTestFinished)
  const [row] = await platform.query<{ sealed: Buffer }>('select sealed from poll_credentials where tenant_id = $1', [
    ctx.tenantId,
  ])
  expect(row?.sealed.includes('cs_test')).toBe(false)
  const set = (credential: object) => setPollCredential(ctx, endpoint.endpointId, { ...credential })
  await expect(set({ consumer_key: 'x' })).rejects.toThrow('consumer_key and consumer_secret')
  await expect(set({ ...CREDENTIALS.woocommerce, api_key: 'x' })).rejects.toThrow('"api_key" is not right')
  for (const site of ['http://shop.example', 'https://localhost', 'shop.example', ''])
    await expect(set({ ...CREDENTIALS.woocommerce, site }), site).rejects.toThrow('where the shop is')
  const unbound = await givenEndpoint(platform, 'shopify', { tenant: endpoint.tenant })
  await expect(setPollCredential(ctx, unbound.endpointId, CREDENTIALS.shopify)).rejects.toThrow('bound to no shop')
})
