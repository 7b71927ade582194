import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { ingestConversions, type SentConversion } from '../../src/events/conversions/service.ts'
import { inventPurchase } from '../../src/webhooks/simulator/purchase.ts'
import { makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { type Books, enter, givenBooks } from '../support/ledger.ts'
import { usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const SHOP = 'north-fjord.myshopify.com'

interface Stored {
  orderKey: string
  covers: string
  versioned: boolean
  parts: string
}

const stored = ({ tenant }: Pick<Books, 'tenant'>) =>
  platform.query<Stored>(
    `select order_key as "orderKey", covers, version_at is not null as versioned,
            concat_ws(' ', currency, total_minor, tax_minor, shipping_minor, tip_minor, discount_minor) as parts
     from order_parts where tenant_id = $1 order by order_key, recorded_at, fact_id`,
    [tenant.tenantId],
  )

const changes = async ({ tenant }: Pick<Books, 'tenant'>, orderKey: string) =>
  (
    await platform.query<{ rows: number }>(
      'select count(*)::integer as rows from attribution_changes where tenant_id = $1 and order_key = $2',
      [tenant.tenantId, orderKey],
    )
  )[0]?.rows ?? 0

const deliver = (vendor: 'shopify' | 'stripe' | 'paypal' | 'woocommerce', topic: string, seed: number) =>
  makeDelivery(vendor, topic, seed, { currency: 'USD', shopDomain: SHOP })

/** Taxed and shipped with a discount: a seed of which no part is zero. */
function newPurchase() {
  for (;;) {
    const seed = randomInt(2 ** 40)
    const purchase = inventPurchase(seed, { currency: 'USD', stepMinor: 1n })
    if (purchase.taxMinor > 0n && purchase.shippingMinor > 0n && purchase.discount !== null) return { seed, purchase }
  }
}

test.each([
  ['shopify', 'orders/paid'],
  ['woocommerce', 'order.completed'],
  ['stripe', 'checkout.session.completed'],
] as const)('%s %s stores the parts beside the money, once', async (vendor, topic) => {
  const books = await givenBooks(platform)
  const { seed, purchase } = newPurchase()
  const delivery = deliver(vendor, topic, seed)
  await enter(books, delivery)
  await enter(books, delivery)
  const { totalMinor, taxMinor, shippingMinor, discount } = purchase
  expect(await stored(books)).toEqual([
    {
      orderKey: expect.stringMatching(`^${vendor}:`),
      covers: 'order',
      versioned: true,
      parts: `USD ${totalMinor} ${taxMinor} ${shippingMinor} 0 ${discount?.amountMinor}`,
    },
  ])
})

/** One that PayPal tells of in its second format: the first has the parts in the capture itself. */
function newPaypalOrder() {
  for (;;) {
    const found = newPurchase()
    const capture = deliver('paypal', 'PAYMENT.CAPTURE.COMPLETED', found.seed)
    if (!capture.body.includes('"details"')) return { ...found, capture }
  }
}

test('an order of PayPal tells the parts of its capture, and moves no money', async () => {
  const books = await givenBooks(platform)
  const { seed, purchase, capture: delivery } = newPaypalOrder()
  await enter(books, delivery)
  const entries = () =>
    platform.query<{ orderKey: string }>('select order_key as "orderKey" from ledger_entries where tenant_id = $1', [
      books.tenant.tenantId,
    ])
  const [capture] = await entries()
  expect(await stored(books)).toEqual([])
  const orderKey = capture?.orderKey ?? ''
  const before = await changes(books, orderKey)
  expect(await enter(books, deliver('paypal', 'CHECKOUT.ORDER.COMPLETED', seed))).toMatchObject({ result: 'accepted' })
  expect(await stored(books)).toMatchObject([
    {
      orderKey,
      parts: `USD ${purchase.totalMinor} ${purchase.taxMinor} ${purchase.shippingMinor} 0 ${purchase.discount?.amountMinor}`,
    },
  ])
  expect(await entries()).toEqual([capture])
  expect(await changes(books, orderKey)).toBe(before + 1)
})

test('parts that nothing tells leave the order as it is', async () => {
  const books = await givenBooks(platform)
  await enter(books, deliver('stripe', 'charge.succeeded', randomInt(2 ** 40)))
  expect(await stored(books)).toEqual([])
})

test('each purchase that a tenant tells of has its parts; a refund has none of its own', async () => {
  const tenant = await platform.createTenant()
  const usd = (amountMinor: bigint) => ({ amountMinor, currency: 'USD' })
  const sent = (conversionId: string, change: Partial<SentConversion>): SentConversion => ({
    conversionId,
    kind: 'purchase',
    orderId: '1042',
    occurredAt: new Date(Date.now() - 60_000),
    total: usd(11_900n),
    tax: usd(1_900n),
    shipping: usd(490n),
    tip: usd(100n),
    discount: usd(1_000n),
    visitorId: null,
    ...change,
  })
  const told = [
    sent('a', {}),
    sent('b', { total: usd(500n), tax: null, shipping: null, tip: null, discount: null }),
    sent('c', { kind: 'refund', total: usd(500n), tax: null, shipping: null, tip: null, discount: null }),
  ]
  for (const result of ['accepted', 'duplicate']) {
    const results = await ingestConversions(tenant.ctx, told)
    expect(results.map((each) => each.result)).toEqual([result, result, result])
  }
  const rows = await stored({ tenant })
  expect(rows.map(({ parts }) => parts).toSorted()).toEqual(['USD 11900 1900 490 100 1000', 'USD 500 0 0 0 0'])
  expect(new Set(rows.map((row) => `${row.orderKey} ${row.covers} ${row.versioned}`))).toEqual(
    new Set(['own:1042 payment false']),
  )
})

test('the database refuses parts that are more than their total, and to change any', async () => {
  const books = await givenBooks(platform)
  await enter(books, deliver('shopify', 'orders/paid', newPurchase().seed))
  const id = [books.tenant.tenantId]
  await expect(platform.query('update order_parts set tax_minor = 0 where tenant_id = $1', id)).rejects.toThrow(
    /never changed/,
  )
  await expect(
    platform.query(
      `insert into order_parts (tenant_id, order_key, event_id, currency, total_minor, tax_minor, shipping_minor, tip_minor, discount_minor)
       select tenant_id, 'shopify:1', event_id, currency, 100, 90, 11, 0, 0 from order_parts where tenant_id = $1`,
      id,
    ),
  ).rejects.toThrow(/order_parts_check/)
})
