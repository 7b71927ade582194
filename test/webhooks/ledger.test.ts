import { createHash, randomInt } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inTenant } from '../../src/db/tenant.ts'
import { openDeadBody, unwrapTenantKey } from '../../src/secrets/keyring.ts'
import { getTenantKey } from '../../src/tenants/queries.ts'
import { findOrderHistory } from '../../src/webhooks/ledger/service.ts'
import type { Circumstances, Delivery, SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { type Books, countedRevenue, deadCodes, enter, givenBooks, readBooks } from '../support/ledger.ts'
import { usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const SHOP = 'north-fjord.myshopify.com'
const newSeed = () => randomInt(2 ** 40)

// biome-ignore lint/suspicious/noExplicitAny: bodies of vendors, changed here and there
type Body = any

/** What a vendor says of the purchase of a seed, with its body changed. Ids beyond 2^53 would not survive: Stripe and WooCommerce only. */
function tell(
  vendor: SimulatedVendor,
  topic: string,
  seed: number,
  change?: (body: Body) => void,
  circumstances: Partial<Circumstances> = {},
): Delivery {
  const delivery = makeDelivery(vendor, topic, seed, { currency: 'USD', shopDomain: SHOP, ...circumstances })
  if (change === undefined) return delivery
  const body = JSON.parse(delivery.body.toString())
  change(body)
  return { ...delivery, body: Buffer.from(JSON.stringify(body)) }
}

const bodyOf = ({ body }: Delivery): Body => JSON.parse(body.toString())

async function enterAll(books: Books, deliveries: readonly Delivery[]): Promise<void> {
  for (const delivery of deliveries) await enter(books, delivery)
}

/** A purchase as four vendors tell it, the last two of one another: the shop names the payment. */
function storyOf(seed: number): Delivery[] {
  const intent = bodyOf(tell('stripe', 'charge.succeeded', seed)).data.object.payment_intent
  const woo = (topic: string, stage: Circumstances['stage']) =>
    tell('woocommerce', topic, seed, (order) => Object.assign(order, { transaction_id: intent }), stage && { stage })
  return [
    ...['charge.succeeded', 'payment_intent.succeeded', 'checkout.session.completed', 'invoice_payment.paid'],
    ...['charge.refunded', 'refund.created', 'refund.updated'],
    ...['charge.dispute.created', 'charge.dispute.closed', 'charge.dispute.funds_withdrawn'],
  ]
    .map((topic) => tell('stripe', topic, seed))
    .concat(
      [
        'orders/create',
        'orders/paid',
        'order_transactions/create',
        'refunds/create',
        'disputes/create',
        'disputes/update',
      ].map((topic) => tell('shopify', topic, seed)),
      [
        'PAYMENT.CAPTURE.COMPLETED',
        'PAYMENT.CAPTURE.REFUNDED',
        'CUSTOMER.DISPUTE.CREATED',
        'CUSTOMER.DISPUTE.RESOLVED',
      ].map((topic) => tell('paypal', topic, seed)),
      [
        woo('order.created', 'placed'),
        woo('order.updated', 'paid'),
        woo('order.completed', 'completed'),
        woo('order.refunded', 'refunded'),
      ],
    )
}

test('any order and any repetition of the deliveries gives the same books', { timeout: 60_000 }, async () => {
  const [inOrder, shuffled] = [await givenBooks(platform), await givenBooks(platform)]
  const hash = (lines: readonly string[]) => createHash('sha256').update(lines.join('\n')).digest('hex')
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 2 ** 40 }).chain((seed) => {
        const story = storyOf(seed)
        const some = fc.shuffledSubarray(story, { minLength: story.length })
        return fc.tuple(fc.constant(story), some, fc.array(fc.constantFrom(...story), { maxLength: 8 }))
      }),
      async ([story, order, again]) => {
        await enterAll(inOrder, story)
        await enterAll(shuffled, [...again.slice(0, 4), ...order, ...again.slice(4)])
        const [expected, found] = [await readBooks(platform, inOrder), await readBooks(platform, shuffled)]
        expect(found).toEqual(expected)
        expect(hash(found)).toBe(hash(expected))
        const text = expected.join('\n')
        for (const part of [/ not counted/, / is woocommerce:/, /^shopify:\d+: /m, /^paypal:\w+: /m, / dispute /])
          expect(text).toMatch(part)
      },
    ),
    { numRuns: 6, endOnFailure: true },
  )
  expect(await deadCodes(platform, inOrder)).toEqual([])
  expect(await deadCodes(platform, shuffled)).toEqual([])
})

test('one payment with all its events of Stripe counts once, and a refund may come first', async () => {
  const books = await givenBooks(platform)
  const seed = newSeed()
  const charge = bodyOf(tell('stripe', 'charge.succeeded', seed)).data.object
  const refund = bodyOf(tell('stripe', 'charge.refunded', seed)).data
  await enterAll(
    books,
    [
      'charge.refunded',
      'checkout.session.completed',
      'charge.succeeded',
      'invoice_payment.paid',
      'payment_intent.succeeded',
    ].map((topic) => tell('stripe', topic, seed)),
  )
  const refunded = BigInt(refund.object.amount_refunded - refund.previous_attributes.amount_refunded)
  expect(await countedRevenue(platform, books)).toEqual({ USD: BigInt(charge.amount) - refunded })
  const rows = await platform.query('select kind from ledger_entries where tenant_id = $1 order by kind', [
    books.tenant.tenantId,
  ])
  expect(rows).toEqual([{ kind: 'capture' }, { kind: 'refund' }])
})

test('a cumulative refund counts what it added, whichever part comes first', async () => {
  const books = await givenBooks(platform)
  const seed = newSeed()
  const part = (id: string, from: number, to: number) =>
    tell('stripe', 'charge.refunded', seed, (event) => {
      event.id = `evt_${seed}${id}`
      event.data.object.amount_refunded = to
      event.data.previous_attributes = { amount_refunded: from }
    })
  await enterAll(books, [part('b', 100, 350), part('a', 0, 100), part('b', 100, 350)])
  expect(await countedRevenue(platform, books)).toEqual({ USD: -350n })
  const key = `stripe:${bodyOf(tell('stripe', 'charge.refunded', seed)).data.object.payment_intent}`
  expect(await findOrderHistory(books.tenant.ctx, key)).toMatchObject({ state: 'over_refunded' })
  await enter(books, tell('stripe', 'charge.succeeded', seed))
  expect(await findOrderHistory(books.tenant.ctx, key)).toMatchObject({ state: 'partially_refunded' })
})

test.each(['won', 'lost'] as const)('a dispute that is %s, its end before its beginning', async (outcome) => {
  const books = await givenBooks(platform)
  const seed = newSeed()
  const close = tell('stripe', 'charge.dispute.closed', seed, (event) => {
    event.data.object.status = outcome
  })
  const opened = tell('stripe', 'charge.dispute.created', seed)
  const { amount, payment_intent: intent } = bodyOf(opened).data.object
  const paid = BigInt(bodyOf(tell('stripe', 'charge.succeeded', seed)).data.object.amount)
  await enter(books, close)
  expect(await countedRevenue(platform, books)).toEqual({})
  await enterAll(books, [tell('stripe', 'charge.succeeded', seed), opened])
  expect(await countedRevenue(platform, books)).toEqual({ USD: outcome === 'won' ? paid : paid - BigInt(amount) })
  const history = await findOrderHistory(books.tenant.ctx, `stripe:${intent}`)
  expect(history?.state).toBe(`dispute_${outcome}`)
  expect(history?.transitions.map(({ to }) => to)).toEqual(['captured', 'disputed', `dispute_${outcome}`])
})

const intentOf = (seed: number): string => bodyOf(tell('stripe', 'charge.succeeded', seed)).data.object.payment_intent

/** Ways in which the ids of an order and of its payment say that they are one. */
const LINKS: [name: string, shop: (seed: number) => Delivery, payment: (seed: number) => Delivery][] = [
  [
    'a WooCommerce order with the intent of its payment',
    (seed) =>
      tell('woocommerce', 'order.updated', seed, (order) => Object.assign(order, { transaction_id: intentOf(seed) })),
    (seed) => tell('stripe', 'charge.succeeded', seed),
  ],
  [
    'a WooCommerce order with the charge of its payment',
    (seed) => {
      const { id } = bodyOf(tell('stripe', 'charge.succeeded', seed)).data.object
      return tell('woocommerce', 'order.updated', seed, (order) => Object.assign(order, { transaction_id: id }))
    },
    (seed) => tell('stripe', 'charge.succeeded', seed),
  ],
  [
    'a WooCommerce order with the intent in its meta data',
    (seed) =>
      tell('woocommerce', 'order.updated', seed, (order) => {
        order.transaction_id = ''
        order.meta_data.push({ id: 1, key: '_stripe_intent_id', value: intentOf(seed) })
      }),
    (seed) => tell('stripe', 'payment_intent.succeeded', seed),
  ],
  [
    'a WooCommerce order with the capture of PayPal',
    (seed) => {
      const { id } = bodyOf(tell('paypal', 'PAYMENT.CAPTURE.COMPLETED', seed)).resource
      return tell('woocommerce', 'order.updated', seed, (order) => Object.assign(order, { transaction_id: id }))
    },
    (seed) => tell('paypal', 'PAYMENT.CAPTURE.COMPLETED', seed),
  ],
  [
    'a payment of Stripe that names the order',
    (seed) => tell('woocommerce', 'order.updated', seed),
    (seed) =>
      tell('stripe', 'charge.succeeded', seed, (event) => {
        const { id } = bodyOf(tell('woocommerce', 'order.updated', seed))
        event.data.object.metadata.skeldir_order = `woocommerce:${id}`
      }),
  ],
  [
    'a payment of PayPal that names the order',
    (seed) => tell('woocommerce', 'order.updated', seed),
    (seed) =>
      tell('paypal', 'PAYMENT.CAPTURE.COMPLETED', seed, ({ resource }) => {
        const { id } = bodyOf(tell('woocommerce', 'order.updated', seed))
        Object.assign(resource, { custom_id: `woocommerce:${id}`, custom: `woocommerce:${id}` })
      }),
  ],
]

test.each(LINKS)('%s: one order, counted once, whichever comes first', async (_name, shop, payment) => {
  for (const isShopFirst of [true, false]) {
    const books = await givenBooks(platform)
    const seed = newSeed()
    const both = [shop(seed), payment(seed)]
    await enterAll(books, isShopFirst ? both : both.toReversed())
    const total = BigInt(bodyOf(both[0] as Delivery).total.replace('.', ''))
    expect(await countedRevenue(platform, books)).toEqual({ USD: total })
    const own = `woocommerce:${bodyOf(both[0] as Delivery).id}`
    const groups = await platform.query('select distinct group_key as key from order_groups where tenant_id = $1', [
      books.tenant.tenantId,
    ])
    expect(groups).toEqual([{ key: own }])
    expect(await findOrderHistory(books.tenant.ctx, own)).toMatchObject({ orderKey: own, state: 'captured' })
  }
})

test('a Shopify order and its payment are joined by the transaction between them', async () => {
  const books = await givenBooks(platform)
  const seed = newSeed()
  const transaction = tell('shopify', 'order_transactions/create', seed)
  const text = transaction.body.toString()
  const body = Buffer.from(`${text.slice(0, text.lastIndexOf('}'))},"authorization":"${intentOf(seed)}"}`)
  await enterAll(books, [
    tell('stripe', 'charge.succeeded', seed),
    { ...transaction, body },
    tell('shopify', 'orders/paid', seed),
    tell('stripe', 'charge.dispute.created', seed),
  ])
  const { amount } = bodyOf(tell('stripe', 'charge.dispute.created', seed)).data.object
  const paid = BigInt(bodyOf(tell('stripe', 'charge.succeeded', seed)).data.object.amount)
  expect(await countedRevenue(platform, books)).toEqual({ USD: paid - BigInt(amount) })
  expect(await findOrderHistory(books.tenant.ctx, `stripe:${intentOf(seed)}`)).toMatchObject({
    orderKey: expect.stringMatching(/^shopify:/),
    state: 'disputed',
  })
})

test('two that are joined while both are entered at once count once', async () => {
  for (let turn = 0; turn < 8; turn += 1) {
    const books = await givenBooks(platform)
    const seed = newSeed()
    const [, shop, payment] = LINKS[turn % LINKS.length] as (typeof LINKS)[number]
    const [order, paid] = [shop(seed), payment(seed)]
    await Promise.all([
      enter(books, order),
      enter(books, paid),
      enter(books, tell('stripe', 'payment_intent.succeeded', seed)),
    ])
    const others = turn % LINKS.length === 3 || turn % LINKS.length === 5 ? 2n : 1n
    const total = BigInt(bodyOf(order).total.replace('.', ''))
    // Where PayPal has the payment, Stripe's is another one of nobody.
    expect(await countedRevenue(platform, books)).toEqual({ USD: total * others })
  }
})

test('more orders of one name than an order can have are not joined, and each counts', async () => {
  const books = await givenBooks(platform)
  const name = `woocommerce:${randomInt(1, 2 ** 31)}`
  const claims = Array.from({ length: 110 }, (_, index) =>
    tell('stripe', 'payment_intent.succeeded', index + 1, (event) => {
      event.data.object.metadata.skeldir_order = name
    }),
  )
  await enterAll(books, claims)
  const total = claims.reduce((sum, claim) => sum + BigInt(bodyOf(claim).data.object.amount_received), 0n)
  expect(await countedRevenue(platform, books)).toEqual({ USD: total })
  expect(new Set(await deadCodes(platform, books))).toEqual(new Set(['conflict/contradicts_ledger']))
})

test('the newest snapshot of an order holds, whichever comes first', async () => {
  const results = []
  for (const isNewestFirst of [false, true]) {
    const books = await givenBooks(platform)
    const seed = 4_711
    const at = (total: string, second: string) =>
      tell('woocommerce', 'order.updated', seed, (order) =>
        Object.assign(order, { total, date_modified_gmt: `2026-11-20T08:00:${second}` }),
      )
    const edits = [at('39.00', '01'), at('45.50', '03'), at('41.00', '02')]
    await enterAll(books, isNewestFirst ? edits.toReversed() : edits)
    expect(await countedRevenue(platform, books)).toEqual({ USD: 4550n })
    expect(await deadCodes(platform, books)).toEqual([])
    results.push(await readBooks(platform, books))
  }
  expect(results[0]).toEqual(results[1])
})

test('what contradicts the ledger becomes a dead event that says so, and the books are the same for either order', async () => {
  const seed = newSeed()
  const snapshot = (total: string) =>
    tell('woocommerce', 'order.updated', seed, (order) =>
      Object.assign(order, { total, date_modified: null, date_modified_gmt: null }),
    )
  const both = [snapshot('39.00'), snapshot('45.50')]
  const lines = []
  for (const order of [both, both.toReversed()]) {
    const books = await givenBooks(platform)
    await enterAll(books, order)
    expect(await countedRevenue(platform, books)).toEqual({ USD: 4_550n })
    const { id } = bodyOf(snapshot('39.00'))
    const dead = await platform.query(
      'select class, code, detail, payload, topic from dead_events where tenant_id = $1',
      [books.tenant.tenantId],
    )
    expect(dead).toEqual([
      {
        class: 'conflict',
        code: 'contradicts_ledger',
        detail: expect.stringContaining(`woocommerce:${id}:capture`),
        payload: expect.objectContaining({
          body: expect.objectContaining({ total: bodyOf(order[1] as Delivery).total }),
        }),
        topic: 'order.updated',
      },
    ])
    lines.push(await readBooks(platform, books))
  }
  expect(lines[0]).toEqual(lines[1])
})

test('an entry that two orders claim is of one of them, whichever comes first, and a dead event says so', async () => {
  const seed = newSeed()
  const refundOf = (charge: string, second: number) =>
    tell('stripe', 'refund.updated', seed, (event) => {
      event.id = `evt_${seed}${second}`
      event.created += second
      Object.assign(event.data.object, { charge, payment_intent: null, status: 'succeeded' })
    })
  const both = [refundOf('ch_3QFirst00000', 1), refundOf('ch_3QSecond0000', 2)]
  const lines = []
  for (const order of [both, both.toReversed()]) {
    const books = await givenBooks(platform)
    await enterAll(books, order)
    expect(await deadCodes(platform, books)).toEqual(['conflict/contradicts_ledger'])
    const rows = await platform.query(
      `select order_key as key, sum(amount_minor)::bigint as sum from ledger_entries where tenant_id = $1
       group by order_key having sum(amount_minor) <> 0`,
      [books.tenant.tenantId],
    )
    expect(rows).toEqual([{ key: 'stripe:ch_3QSecond0000', sum: expect.anything() }])
    lines.push(await readBooks(platform, books))
  }
  expect(lines[0]).toEqual(lines[1])
})

test('two WooCommerce shops of a tenant have orders of the same number', async () => {
  const books = await givenBooks(platform)
  const seed = newSeed()
  const order = tell('woocommerce', 'order.refunded', seed)
  const { id } = bodyOf(order)
  const of = (host: string) => ({
    ...order,
    headers: { ...order.headers, 'X-WC-Webhook-Source': `https://${host}/`, 'X-WC-Webhook-ID': host },
  })
  await enter(books, of('one.example'))
  await enter(books, of('two.example'), { shopDomain: 'two.example' })
  expect((await enter(books, of('three.example'), { shopDomain: 'two.example' })).result).toBe('dead')
  const keys = await platform.query(
    'select distinct order_key as key from ledger_entries where tenant_id = $1 order by 1',
    [books.tenant.tenantId],
  )
  expect(keys).toEqual([{ key: `woocommerce:${id}` }, { key: `woocommerce:two_example-${id}` }])
})

test('a body that could not be read is kept under the key of the tenant, and each sighting is counted', async () => {
  const books = await givenBooks(platform)
  const { tenantId, ctx } = books.tenant
  const delivery = { ...tell('stripe', 'charge.succeeded', newSeed()), body: Buffer.from('{"name":"Jane Doe",') }
  const receipts = new Set<string>()
  for (let turn = 0; turn < 3; turn += 1) receipts.add((await enter(books, delivery)).receiptId)
  expect(receipts.size).toBe(1)
  const rows = await platform.query<{ sealed: Buffer; seen: number; hash: Buffer; text: string }>(
    `select b.sealed_body as sealed, s.seen, d.body_sha256 as hash, to_jsonb(d)::text as text
     from dead_events as d join dead_event_bodies as b using (tenant_id, dead_event_id)
     join dead_event_sightings as s using (tenant_id, dead_event_id)
     where d.tenant_id = $1`,
    [tenantId],
  )
  expect(rows).toMatchObject([{ seen: 3 }])
  const [{ sealed, hash, text }] = rows as [(typeof rows)[0]]
  expect(text).not.toContain('Jane')
  expect(sealed.includes('Jane')).toBe(false)
  const key = await inTenant(ctx.db.main, ctx, (tx) => getTenantKey(tx, tenantId))
  const opened = openDeadBody(unwrapTenantKey(ctx.keys, key), hash, sealed)
  expect(opened.toString()).toContain('{"name":"Jane Doe",')
  expect(() => openDeadBody(unwrapTenantKey(ctx.keys, key), Buffer.alloc(32), sealed)).toThrow()
})
