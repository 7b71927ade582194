import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Books, countedRevenue, deadCodes, enter, givenBooks, readBooks } from '../support/ledger.ts'
import { enterInMemory, type Told, told } from '../support/memory-ledger.ts'
import { usePlatform } from '../support/platform.ts'

// What the books say at the end follows from the set of the deliveries. Each story is entered in every order, or in many of
// them, and repeated in part; what it must come to is stated.

const NOON_S = Date.UTC(2026, 10, 20, 12) / 1000
let serial = 0

/** An event of Stripe so many seconds after noon. */
function stripe(second: number, type: string, object: object): Told {
  serial += 1
  const event = { object: 'event', api_version: '2026-10-28.endive', livemode: true, pending_webhooks: 1, type }
  return told('stripe', { id: `evt_${serial}`, ...event, created: NOON_S + second, data: { object } })
}

const CHARGE = 'ch_3QOrderOfArrival'
const INTENT = 'pi_3QOrderOfArrival'

const charge = (change: object = {}) => ({
  id: CHARGE,
  object: 'charge',
  payment_intent: INTENT,
  currency: 'usd',
  created: NOON_S,
  status: 'succeeded',
  captured: true,
  amount: 10_000,
  amount_captured: 10_000,
  amount_refunded: 0,
  metadata: {},
  ...change,
})
const intent = (change: object = {}) => ({
  id: INTENT,
  object: 'payment_intent',
  currency: 'usd',
  created: NOON_S,
  status: 'succeeded',
  amount: 10_000,
  amount_received: 10_000,
  metadata: {},
  ...change,
})
const refund = (id: string, amount: number, second: number, status: string) => ({
  id,
  object: 'refund',
  charge: CHARGE,
  payment_intent: INTENT,
  amount,
  currency: 'usd',
  created: NOON_S + second,
  status,
})
const dispute = (status: string, change: object = {}) => ({
  id: 'dp_1',
  object: 'dispute',
  charge: CHARGE,
  payment_intent: INTENT,
  amount: 10_000,
  currency: 'usd',
  created: NOON_S + 1,
  status,
  ...change,
})
const PAID = stripe(0, 'charge.succeeded', charge())
const refundedTo = (second: number, to: number, change: object = {}) =>
  stripe(second, 'charge.refunded', charge({ amount_refunded: to, ...change }))
const authorised = { captured: false, amount_captured: 0 }

/** A snapshot of a WooCommerce order so many seconds after noon; null: without a time. */
function woo(second: number | null, change: object = {}): Told {
  const at = (seconds: number) => new Date((NOON_S + seconds) * 1000).toISOString().slice(0, 19)
  const order = {
    id: 723,
    status: 'completed',
    currency: 'USD',
    total: '39.00',
    date_created_gmt: at(0),
    date_paid_gmt: at(0),
    date_modified_gmt: second === null ? null : at(second),
    refunds: [],
    transaction_id: '',
    meta_data: [],
  }
  const headers = {
    'x-wc-webhook-topic': 'order.updated',
    'x-wc-webhook-id': '7',
    'x-wc-webhook-source': 'https://a.example/',
  }
  return told('woocommerce', { ...order, ...change }, { headers })
}
const unpaid = { date_paid_gmt: null, status: 'processing' }
const wooRefund = (id: number, total: string) => ({ id, reason: '', total: `-${total}` })

function shopify(topic: string, body: object, headers: Record<string, string> = {}): Told {
  serial += 1
  const sent = {
    'x-shopify-topic': topic,
    'x-shopify-webhook-id': `w${serial}`,
    'x-shopify-shop-domain': 'a.myshopify.com',
  }
  return told('shopify', body, { headers: { ...sent, ...headers } })
}
const shopifyOrder = {
  id: 450_789_469,
  currency: 'USD',
  total_price: '100.00',
  financial_status: 'paid',
  created_at: '2026-11-20T12:00:00Z',
  processed_at: '2026-11-20T12:00:00Z',
  updated_at: '2026-11-20T12:00:00Z',
  test: false,
}
const shopifyRefund = (id: number, amount: string) => ({
  id,
  order_id: shopifyOrder.id,
  created_at: '2026-11-21T12:00:00Z',
  processed_at: '2026-11-21T12:00:00Z',
  transactions: [{ id, kind: 'refund', status: 'success', amount, currency: 'USD', test: false }],
})
const shopifyDispute = (status: string) => ({
  id: 77,
  order_id: shopifyOrder.id,
  type: 'chargeback',
  amount: '100.00',
  currency: 'USD',
  status,
  initiated_at: '2026-11-22T12:00:00Z',
  finalized_on: status === 'needs_response' ? null : '2026-11-25T12:00:00Z',
})

function paypal(type: string, resource: object, day: number): Told {
  serial += 1
  const at = `2026-11-${day}T12:00:00Z`
  const full = { create_time: at, update_time: at, ...resource }
  return told('paypal', { id: `WH-${serial}`, event_type: type, create_time: at, resource: full })
}
const CAPTURE = '27M47624FP291604U'
const usd = (value: string) => ({ currency_code: 'USD', value })
const ofCapture = {
  links: [{ rel: 'up', href: `https://api.paypal.com/v2/payments/captures/${CAPTURE}`, method: 'GET' }],
}
const paypalCase = (change: object = {}) => ({
  dispute_id: 'PP-D-1',
  disputed_transactions: [{ seller_transaction_id: CAPTURE }],
  dispute_amount: usd('10.00'),
  status: 'OPEN',
  dispute_life_cycle_stage: 'CHARGEBACK',
  ...change,
})
const paypalPaid = paypal('PAYMENT.CAPTURE.COMPLETED', { id: CAPTURE, status: 'COMPLETED', amount: usd('10.00') }, 20)
const paypalEnd = (outcome: string, day: number) =>
  paypal(
    'CUSTOMER.DISPUTE.RESOLVED',
    paypalCase({ status: 'RESOLVED', dispute_outcome: { outcome_code: outcome } }),
    day,
  )

/** A payment at Stripe of a shop's order, and what each of them says was given back. */
const shopAndStripe = (atShop: readonly string[], atStripe: readonly number[]) => [
  woo(1, {
    total: '100.00',
    transaction_id: CHARGE,
    refunds: atShop.map((total, index) => wooRefund(index + 1, total)),
  }),
  PAID,
  ...atStripe.map((amount, index) => stripe(9, 'refund.created', refund(`re_${index}`, amount, 9, 'succeeded'))),
]

type Story = [name: string, deliveries: Told[], net: Record<string, bigint>, state: string]

const STORIES: Story[] = [
  [
    'a payment that was captured in parts',
    [
      stripe(1, 'charge.captured', charge({ amount_captured: 6_000 })),
      stripe(5, 'charge.captured', charge()),
      stripe(5, 'payment_intent.succeeded', intent()),
      stripe(0, 'charge.succeeded', charge(authorised)),
    ],
    { USD: 10_000n },
    'captured',
  ],
  [
    'a released authorisation',
    [
      stripe(0, 'charge.succeeded', charge(authorised)),
      stripe(9, 'refund.created', refund('re_1', 10_000, 9, 'succeeded')),
      refundedTo(9, 10_000, authorised),
    ],
    {},
    'unpaid',
  ],
  [
    'a payment of which a part was released, and a part refunded',
    [
      stripe(1, 'charge.captured', charge({ amount_captured: 6_000, amount_refunded: 4_000 })),
      refundedTo(1, 4_000, { amount_captured: 6_000 }),
      stripe(1, 'payment_intent.succeeded', intent({ amount_received: 6_000 })),
      refundedTo(9, 5_500, { amount_captured: 6_000 }),
    ],
    { USD: 4_500n },
    'partially_refunded',
  ],
  [
    'a refund that failed without a word, and another',
    [
      PAID,
      refundedTo(5, 5_000),
      stripe(5, 'refund.created', refund('re_1', 5_000, 5, 'pending')),
      refundedTo(9, 3_000),
      stripe(9, 'refund.created', refund('re_2', 3_000, 9, 'succeeded')),
    ],
    { USD: 7_000n },
    'partially_refunded',
  ],
  [
    'a refund that failed, made again, and another',
    [
      PAID,
      refundedTo(5, 5_000),
      stripe(6, 'refund.failed', refund('re_1', 5_000, 5, 'failed')),
      refundedTo(7, 5_000),
      refundedTo(8, 10_000),
    ],
    {},
    'refunded',
  ],
  [
    'a refund that failed, told with a clock that is wrong',
    [PAID, refundedTo(5, 5_000), stripe(6, 'refund.failed', refund('re_1', 5_000, 500, 'failed'))],
    { USD: 10_000n },
    'captured',
  ],
  [
    'a refund that failed in the second in which it was made',
    [
      PAID,
      refundedTo(5, 5_000),
      stripe(5, 'refund.created', refund('re_1', 5_000, 5, 'pending')),
      stripe(5, 'refund.updated', refund('re_1', 5_000, 5, 'failed')),
      stripe(5, 'refund.failed', refund('re_1', 5_000, 5, 'failed')),
    ],
    { USD: 10_000n },
    'captured',
  ],
  [
    'a refund that was told by its id after the last sum',
    [PAID, refundedTo(5, 2_000), stripe(9, 'refund.created', refund('re_2', 3_000, 9, 'succeeded'))],
    { USD: 5_000n },
    'partially_refunded',
  ],
  [
    'a dispute of less than it began with',
    [
      PAID,
      stripe(1, 'charge.dispute.created', dispute('needs_response')),
      stripe(1, 'charge.dispute.funds_withdrawn', dispute('needs_response')),
      stripe(5, 'charge.dispute.updated', dispute('under_review', { amount: 9_000 })),
    ],
    { USD: 1_000n },
    'disputed',
  ],
  [
    'a dispute that a refund prevented',
    [
      PAID,
      stripe(1, 'charge.dispute.created', dispute('needs_response')),
      stripe(5, 'charge.dispute.updated', dispute('prevented')),
      refundedTo(4, 10_000),
      stripe(6, 'charge.dispute.closed', dispute('prevented')),
    ],
    {},
    'refunded',
  ],
  [
    'a lost dispute that was won on appeal',
    [
      PAID,
      stripe(1, 'charge.dispute.created', dispute('needs_response')),
      stripe(5, 'charge.dispute.closed', dispute('lost')),
      stripe(9, 'charge.dispute.closed', dispute('won')),
      stripe(9, 'charge.dispute.funds_reinstated', dispute('won')),
    ],
    { USD: 10_000n },
    'dispute_won',
  ],
  [
    'a won dispute that was lost after all',
    [
      PAID,
      stripe(1, 'charge.dispute.created', dispute('needs_response')),
      stripe(5, 'charge.dispute.closed', dispute('won')),
      stripe(5, 'charge.dispute.funds_reinstated', dispute('won')),
      stripe(9, 'charge.dispute.closed', dispute('lost')),
    ],
    {},
    'dispute_lost',
  ],
  [
    'a session in the currency of the buyer',
    [
      stripe(0, 'payment_intent.succeeded', intent()),
      stripe(1, 'checkout.session.completed', {
        id: 'cs_1',
        object: 'checkout.session',
        mode: 'payment',
        payment_intent: INTENT,
        payment_status: 'paid',
        amount_total: 9_300,
        currency: 'eur',
      }),
    ],
    { USD: 10_000n },
    'captured',
  ],
  [
    'an invoice that was paid out of band',
    [
      stripe(0, 'invoice.paid', {
        id: 'in_1',
        object: 'invoice',
        amount_paid: 5_000,
        currency: 'usd',
        created: NOON_S,
      }),
      stripe(0, 'invoice_payment.paid', {
        id: 'inpay_1',
        object: 'invoice_payment',
        invoice: 'in_1',
        amount_paid: 5_000,
        currency: 'usd',
        payment: { type: 'payment_record', payment_record: 'pr_1' },
      }),
    ],
    { USD: 5_000n },
    'captured',
  ],
  [
    'a refund that was deleted',
    [
      woo(1),
      woo(2, { refunds: [wooRefund(1, '10.00')] }),
      woo(3, { refunds: [wooRefund(1, '10.00'), wooRefund(2, '4.00')] }),
      woo(4, { refunds: [wooRefund(2, '4.00')] }),
    ],
    { USD: 3_500n },
    'partially_refunded',
  ],
  [
    'a refund that was deleted, and made again with another amount',
    [
      woo(2, { refunds: [wooRefund(1, '10.00')] }),
      woo(3, { refunds: [] }),
      woo(4, { refunds: [wooRefund(3, '12.00')] }),
      woo(4, { refunds: [wooRefund(3, '12.00')], status: 'processing' }),
    ],
    { USD: 2_700n },
    'partially_refunded',
  ],
  ['a total that became 0', [woo(1), woo(2, { total: '45.00' }), woo(3, { total: '0.00' })], {}, 'unpaid'],
  [
    'cash on delivery that came back',
    [woo(1, unpaid), woo(2, { ...unpaid, status: 'completed' }), woo(3, { ...unpaid, status: 'cancelled' })],
    {},
    'cancelled',
  ],
  [
    'an order in another currency',
    [
      woo(1),
      woo(2, { currency: 'EUR', total: '35.00' }),
      woo(3, { currency: 'EUR', total: '36.00', refunds: [wooRefund(1, '6.00')] }),
      woo(2, { refunds: [wooRefund(1, '5.00')] }),
    ],
    { EUR: 3_000n },
    'partially_refunded',
  ],
  [
    'a snapshot without a time among some with',
    [woo(null), woo(30, { total: '45.00' }), woo(40, { total: '41.00' })],
    { USD: 4_100n },
    'captured',
  ],
  [
    'snapshots without a time that say otherwise',
    [woo(null), woo(null, { total: '45.00' }), woo(null, { total: '41.00' })],
    { USD: 4_500n },
    'captured',
  ],
  [
    'a refund that shop and payment service tell',
    shopAndStripe(['10.00'], [1_000]),
    { USD: 9_000n },
    'partially_refunded',
  ],
  [
    'one in cash at the shop and one at the payment service alone',
    shopAndStripe(['5.00'], [700]),
    { USD: 8_800n },
    'partially_refunded',
  ],
  [
    'one of the shop that the payment service made in two parts, and one more',
    shopAndStripe(['15.00', '3.00'], [1_000, 500, 200]),
    { USD: 8_000n },
    'partially_refunded',
  ],
  ['more than was paid, told twice with a difference', shopAndStripe(['100.00'], [9_500]), {}, 'refunded'],
  [
    'an order of Shopify with a dispute that a refund ended',
    [
      shopify('orders/paid', shopifyOrder),
      shopify('disputes/create', shopifyDispute('needs_response')),
      shopify('refunds/create', shopifyRefund(5, '100.00')),
      shopify('disputes/update', shopifyDispute('charge_refunded')),
    ],
    {},
    'refunded',
  ],
  [
    'refunds of Shopify with unequal amounts, and a dispute that was won',
    [
      shopify('orders/paid', shopifyOrder),
      shopify('refunds/create', shopifyRefund(5, '30.00')),
      shopify('refunds/create', shopifyRefund(6, '12.50')),
      shopify('disputes/create', shopifyDispute('needs_response')),
      shopify('disputes/update', shopifyDispute('won')),
    ],
    { USD: 5_750n },
    'partially_refunded',
  ],
  [
    'a refund and a reversal of one capture at PayPal',
    [
      paypalPaid,
      paypal('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', status: 'COMPLETED', amount: usd('4.00'), ...ofCapture }, 21),
      paypal('PAYMENT.CAPTURE.REVERSED', { id: 'RV1', status: 'COMPLETED', amount: usd('5.00'), ...ofCapture }, 22),
    ],
    { USD: 100n },
    'disputed',
  ],
  [
    'two reversals of one capture at PayPal',
    [
      paypalPaid,
      paypal('PAYMENT.CAPTURE.REVERSED', { id: 'RV1', status: 'COMPLETED', amount: usd('4.00'), ...ofCapture }, 21),
      paypal('PAYMENT.CAPTURE.REVERSED', { id: 'RV2', status: 'COMPLETED', amount: usd('6.00'), ...ofCapture }, 22),
    ],
    {},
    'disputed',
  ],
  [
    'a case at PayPal that ended in a refund',
    [
      paypalPaid,
      paypal('CUSTOMER.DISPUTE.CREATED', paypalCase(), 21),
      paypal('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', status: 'COMPLETED', amount: usd('10.00'), ...ofCapture }, 23),
      paypalEnd('RESOLVED_BUYER_FAVOUR', 23),
    ],
    {},
    'dispute_lost',
  ],
  [
    'a case at PayPal that a bank made and that was won',
    [
      paypalPaid,
      paypal('PAYMENT.CAPTURE.REVERSED', { id: 'RV1', status: 'COMPLETED', amount: usd('10.00'), ...ofCapture }, 21),
      paypal('CUSTOMER.DISPUTE.CREATED', paypalCase(), 21),
      paypalEnd('RESOLVED_SELLER_FAVOUR', 25),
    ],
    { USD: 1_000n },
    'dispute_won',
  ],
  [
    'a refund at PayPal that failed',
    [
      paypalPaid,
      paypal('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', status: 'PENDING', amount: usd('4.00'), ...ofCapture }, 21),
      paypal('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', status: 'FAILED', amount: usd('4.00'), ...ofCapture }, 22),
    ],
    { USD: 1_000n },
    'captured',
  ],
  [
    'a case at PayPal that was lost, and won on appeal',
    [
      paypalPaid,
      paypal('CUSTOMER.DISPUTE.CREATED', paypalCase(), 21),
      paypalEnd('RESOLVED_BUYER_FAVOUR', 23),
      paypalEnd('RESOLVED_SELLER_FAVOUR', 25),
    ],
    { USD: 1_000n },
    'dispute_won',
  ],
]

/** All orders of up to five, and of more so many, the reverse one among them. */
const MANY = 60

function ordersOf(deliveries: readonly Told[]): Told[][] {
  if (deliveries.length <= 5) return permutations(deliveries)
  const shuffled = fc.shuffledSubarray([...deliveries], { minLength: deliveries.length })
  return [[...deliveries].toReversed(), ...fc.sample(shuffled, { numRuns: MANY, seed: 6 })]
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))
}

function expectSameBooks([, deliveries, net, state]: Story): void {
  const first = enterInMemory(deliveries)
  expect(first.net).toEqual(net)
  expect(first.states.map((each) => each.split(' ').at(-1))).toContain(state)
  for (const order of ordersOf(deliveries)) {
    expect(enterInMemory(order)).toEqual(first)
    expect(enterInMemory([...order.slice(1), ...order])).toEqual(first)
  }
}

test.each(STORIES)('%s', (...story) => {
  expectSameBooks(story)
})

describe('a refund counts once, whichever topics an endpoint takes', () => {
  const SUMS = [refundedTo(3, 2_000), refundedTo(6, 5_000)]
  const MADE = [
    stripe(3, 'refund.created', refund('re_1', 2_000, 3, 'pending')),
    stripe(6, 'refund.created', refund('re_2', 3_000, 6, 'succeeded')),
  ]
  const SETTLED = (type: string) => [
    stripe(5, type, refund('re_1', 2_000, 3, 'succeeded')),
    stripe(7, type, refund('re_2', 3_000, 6, 'succeeded')),
  ]
  const FAILED = (type: string, status = 'failed') => stripe(9, type, refund('re_2', 3_000, 6, status))
  const sources: [string, Told[]][] = [
    ['charge.refunded', SUMS],
    ['refund.created', MADE],
    ['refund.updated', SETTLED('refund.updated')],
    ['charge.refund.updated', SETTLED('charge.refund.updated')],
  ]
  const ends: [string, Told[], bigint][] = [
    ['none fails', [], 5_000n],
    ['refund.failed', [FAILED('refund.failed')], 8_000n],
    ['refund.updated: failed', [FAILED('refund.updated')], 8_000n],
    ['charge.refund.updated: canceled', [FAILED('charge.refund.updated', 'canceled')], 8_000n],
    ['all of them', [FAILED('refund.failed'), FAILED('refund.updated'), FAILED('charge.refund.updated')], 8_000n],
  ]
  const subsets = Array.from({ length: 2 ** sources.length - 1 }, (_, index) =>
    sources.filter((_source, bit) => ((index + 1) >> bit) % 2 === 1),
  )
  const cases = subsets.flatMap((some) =>
    ends.map(
      ([end, failing, net]): Story => [
        `${some.map(([name]) => name).join(', ')}; ${end}`,
        [PAID, ...some.flatMap(([, deliveries]) => deliveries), ...failing],
        { USD: net },
        'partially_refunded',
      ],
    ),
  )
  test.each(cases)('%s', (_name, deliveries, net) => {
    const first = enterInMemory(deliveries)
    expect(first.net).toEqual(net)
    for (const order of ordersOf(deliveries).slice(0, 20)) expect(enterInMemory(order)).toEqual(first)
  })
})

test('any mixture of what one charge may tell comes to the same books in any order', () => {
  const second = fc.integer({ min: 0, max: 6 })
  const amount = fc.integer({ min: 0, max: 4 })
  const event = fc.oneof(
    fc.tuple(second, amount).map(([at, to]) => refundedTo(at, to * 1_000)),
    fc
      .tuple(
        second,
        fc.constantFrom('re_1', 're_2'),
        amount,
        fc.constantFrom('pending', 'succeeded', 'failed', 'canceled'),
      )
      .map(([at, id, part, status]) => stripe(at, 'refund.updated', refund(id, part * 1_000, 2, status))),
    fc
      .tuple(second, amount)
      .map(([at, part]) => stripe(at, 'charge.dispute.updated', dispute('under_review', { amount: part * 1_000 }))),
    fc
      .tuple(second, fc.constantFrom('won', 'lost', 'prevented'))
      .map(([at, status]) => stripe(at, 'charge.dispute.closed', dispute(status))),
    fc
      .tuple(second, amount)
      .map(([at, part]) => stripe(at, 'charge.captured', charge({ amount_captured: part * 2_000 }))),
    fc.tuple(second, amount, fc.subarray([1, 2, 3]), fc.constantFrom('USD', 'EUR')).map(([at, total, ids, currency]) =>
      woo(at, {
        currency,
        total: `${total}0.00`,
        transaction_id: CHARGE,
        refunds: ids.map((id) => wooRefund(id, `${id}.00`)),
      }),
    ),
  )
  fc.assert(
    fc.property(
      fc
        .array(event, { minLength: 2, maxLength: 8 })
        .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => {
        expect(enterInMemory(shuffled)).toEqual(enterInMemory(list))
      },
    ),
    { numRuns: 400 },
  )
})

describe('in the database', () => {
  const platform = usePlatform()
  const named = (name: string) => STORIES.find(([each]) => each === name) as Story
  const SOME = [
    'a refund that failed, made again, and another',
    'a lost dispute that was won on appeal',
    'an order in another currency',
    'one in cash at the shop and one at the payment service alone',
    'a case at PayPal that ended in a refund',
    'a case at PayPal that a bank made and that was won',
  ].map(named)

  test.each(SOME)('%s', async (_name, deliveries, net) => {
    const books: Books[] = []
    for (const order of [deliveries, [...deliveries.slice(1).toReversed(), ...deliveries.toReversed()]]) {
      const own = await givenBooks(platform)
      for (const { vendor, body, headers = {} } of order) {
        const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
        await enter(own, { vendor, body: Buffer.from(body), headers: sent })
      }
      books.push(own)
    }
    const [first, ...others] = books as [Books, ...Books[]]
    const revenue = await countedRevenue(platform, first)
    expect(Object.fromEntries(Object.entries(revenue).filter(([, minor]) => minor !== 0n))).toEqual(net)
    expect(await deadCodes(platform, first)).toEqual([])
    const lines = await readBooks(platform, first)
    for (const other of others) expect(await readBooks(platform, other)).toEqual(lines)
  })
})
