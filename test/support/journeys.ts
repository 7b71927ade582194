import {
  DAY,
  daysAgo,
  deliverShopify,
  deliverStripe,
  givenEndpoint,
  givenTouches,
  HOUR,
  MINUTE,
  nextNumber,
  shopifyOrder,
  shopifyRefund,
  stripeCharge,
  ulid,
} from './given.ts'
import type { TestPlatform, TestTenant } from './platform.ts'

export interface Journeys {
  tenant: TestTenant
  /** 00:00 UTC of the day of all orders. */
  day: Date
  orders: Record<'repeated' | 'overRefunded' | 'anonymous' | 'afterReset' | 'usedUp' | 'lookback' | 'euro', string>
}

/**
 * A tenant (USD) with seven orders of one day, each there for one rule. Its figures, in minor units, by hand:
 *
 * | order        | captured | refunded    | net   | touches, oldest first                                   |
 * |--------------|----------|-------------|-------|---------------------------------------------------------|
 * | repeated     | 10000    | 1001        |  8999 | paid_search, email, paid_search (the last at the order) |
 * | overRefunded |  5000    | 3000 + 2500 |     0 | organic_search, direct; 500 are refunded too much       |
 * | anonymous    |  1234    |             |  1234 | no token                                                |
 * | afterReset   |  2000    |             |  2000 | referral: the earlier ones were used up by `repeated`   |
 * | usedUp       |   500    |             |   500 | none: all were used up                                  |
 * | lookback     |   777    |             |   777 | display, 30 days before; one a second older is too old  |
 * | euro         |  4000 €  |             | 4000 €| email                                                   |
 *
 * USD: captured 19511, refunded 6001, net 13510 in 6 orders, of which 11776 with a touch.
 */
export async function givenJourneys(platform: TestPlatform): Promise<Journeys> {
  const shop = await givenEndpoint(platform, 'shopify')
  const { tenant } = shop
  const account = await givenEndpoint(platform, 'stripe', { tenant })
  const day = daysAgo(3)
  const at = (hours: number) => new Date(day.getTime() + hours * HOUR)
  const [loyal, regretful, slow, european] = [ulid(), ulid(), ulid(), ulid()] as const
  const ids = {
    repeated: nextNumber(),
    overRefunded: nextNumber(),
    usedUp: nextNumber(),
    lookback: nextNumber(),
    euro: nextNumber(),
  }
  const stripeIds = { anonymous: String(nextNumber()), afterReset: String(nextNumber()) }

  await givenTouches(platform, tenant, [
    { visitorId: loyal, at: at(-24), channel: 'paid_search', eventId: 'loyal-1' },
    { visitorId: loyal, at: at(1), channel: 'email', eventId: 'loyal-2' },
    { visitorId: loyal, at: at(2), channel: 'paid_search', eventId: 'loyal-3' },
    { visitorId: loyal, at: at(3), channel: 'referral', eventId: 'loyal-4' },
    { visitorId: loyal, at: at(20), channel: 'sms', eventId: 'loyal-5-after-all-orders' },
    { visitorId: regretful, at: at(1), channel: 'organic_search', eventId: 'regretful-1' },
    { visitorId: regretful, at: at(2), channel: 'direct', eventId: 'regretful-2' },
    { visitorId: slow, at: new Date(at(6).getTime() - 30 * DAY - 1_000), channel: 'audio', eventId: 'slow-0' },
    { visitorId: slow, at: new Date(at(6).getTime() - 30 * DAY), channel: 'display', eventId: 'slow-1' },
    { visitorId: european, at: at(1), channel: 'email', eventId: 'european-1' },
    { visitorId: ulid(), at: at(1), channel: 'organic_video', eventId: 'nobody-buys' },
  ])

  const paid = (options: Parameters<typeof shopifyOrder>[0]) =>
    deliverShopify(platform, shop, shopifyOrder(options), { topic: 'orders/paid' })
  const refunded = (orderId: number, amount: string, when: Date) =>
    deliverShopify(platform, shop, shopifyRefund({ orderId, amount, at: when }), { topic: 'refunds/create' })
  const charged = (id: string, amount: number, when: Date, visitorId?: string) =>
    deliverStripe(
      platform,
      account,
      stripeCharge({ id, amount, at: when, ...(visitorId !== undefined && { visitorId }) }),
    )
  // A refund may come before its order, and the later refund before the earlier.
  const answers = [
    await refunded(ids.overRefunded, '25.00', at(30)),
    await refunded(ids.repeated, '10.01', at(26)),
    await paid({ id: ids.usedUp, total: '5.00', at: at(5), visitorId: loyal }),
    await charged(stripeIds.afterReset, 2_000, at(4), loyal),
    await paid({ id: ids.repeated, total: '100.00', at: at(2), visitorId: loyal }),
    await paid({ id: ids.overRefunded, total: '50.00', at: at(3), visitorId: regretful }),
    await refunded(ids.overRefunded, '30.00', at(28)),
    await charged(stripeIds.anonymous, 1_234, at(0)),
    await paid({ id: ids.lookback, total: '7.77', at: at(6), visitorId: slow }),
    await paid({
      id: ids.euro,
      total: '40.00',
      currency: 'EUR',
      at: new Date(at(24).getTime() - 1),
      visitorId: european,
    }),
  ]
  const lost = answers.filter(({ body }) => body.result !== 'accepted')
  if (lost.length > 0) throw new Error(`not all were accepted: ${JSON.stringify(lost.map(({ body }) => body))}`)
  return {
    tenant,
    day,
    orders: {
      repeated: `shopify:${ids.repeated}`,
      overRefunded: `shopify:${ids.overRefunded}`,
      anonymous: `stripe:pi_${stripeIds.anonymous}`,
      afterReset: `stripe:pi_${stripeIds.afterReset}`,
      usedUp: `shopify:${ids.usedUp}`,
      lookback: `shopify:${ids.lookback}`,
      euro: `shopify:${ids.euro}`,
    },
  }
}

/** Noise that no other tenant may ever see: the same visitor, touches and order under other amounts. */
export async function givenNeighbour(platform: TestPlatform): Promise<TestTenant> {
  const shop = await givenEndpoint(platform, 'shopify')
  const visitorId = ulid()
  const at = new Date(daysAgo(3).getTime() + HOUR)
  const before = new Date(at.getTime() - MINUTE)
  await givenTouches(platform, shop.tenant, [{ visitorId, at: before, channel: 'affiliates', eventId: 'loyal-1' }])
  await deliverShopify(platform, shop, shopifyOrder({ total: '999999.99', at, visitorId }), { topic: 'orders/paid' })
  return shop.tenant
}
