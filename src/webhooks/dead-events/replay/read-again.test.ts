import { expect, test } from 'vitest'
import type { Vendor } from '../../../context.ts'
import type { JsonObject } from '../../lossless-json.ts'
import { DeadDelivery } from '../../normalize/dead-delivery.ts'
import { readDelivery } from '../../normalize/read-delivery.ts'
import { type KeptEvent, readAgain } from './read-again.ts'

const hashes = { identityOf: () => 'ab'.repeat(32), hashClickId: () => Buffer.alloc(32) }

const PAID = {
  id: 4850,
  currency: 'USD',
  total_price: ' 12.00 ',
  financial_status: 'paid',
  created_at: '2026-11-20 09:01:28 +0000',
  processed_at: '2026-11-20 09:01:28 +0000',
}

const kept = (change: Partial<KeptEvent> = {}): KeptEvent => ({
  deadEventId: '00000000-0000-4000-8000-000000000001',
  vendor: 'shopify',
  endpoint: { endpointId: '00000000-0000-4000-8000-000000000002', mode: 'live', shopDomain: null },
  externalId: 'delivery-1',
  topic: 'orders/paid',
  code: 'bad_amount',
  bodySha256: Buffer.alloc(32),
  payload: { body: PAID },
  correlationId: '00000000-0000-4000-8000-000000000003',
  ...change,
})

test('two faults of one delivery are mended one after the other', () => {
  const { recipes, canonical } = readAgain(kept(), null) as Extract<ReturnType<typeof readAgain>, { code: null }>
  expect(recipes.toSorted()).toEqual(['date_time_to_rfc3339@1', 'trim_blanks@1'])
  expect(canonical).toContainEqual(
    expect.objectContaining({
      type: 'payment_captured',
      amountMinor: 1200n,
      occurredAt: new Date('2026-11-20T09:01:28Z'),
    }),
  )
})

test("what today's maps can read needs no recipe", () => {
  const body = {
    ...PAID,
    total_price: '12.00',
    created_at: '2026-11-20T09:01:28Z',
    processed_at: '2026-11-20T09:01:28Z',
  }
  const judgement = readAgain(kept({ payload: { body } }), null)
  expect(judgement).toMatchObject({ code: null, recipes: [], delivery: { externalId: 'delivery-1', handled: true } })
})

test('without a recipe that helps it stays dead, by the fault that is left', () => {
  const { currency: _, ...body } = PAID
  expect(readAgain(kept({ payload: { body } }), null)).toMatchObject({ delivery: null, code: 'missing_field' })
  expect(readAgain(kept(), null, [])).toMatchObject({ delivery: null, recipes: [] })
})

test.each([
  'shop_mismatch',
  'topic_path_mismatch',
  'topic_body_mismatch',
  'personal_data',
  'same_id_other_body',
  'unsupported_envelope',
])('%s was decided on more than what is kept: it is not judged again', (code) => {
  const body = {
    ...PAID,
    total_price: '12.00',
    created_at: '2026-11-20T09:01:28Z',
    processed_at: '2026-11-20T09:01:28Z',
  }
  expect(readAgain(kept({ code, payload: { body } }), null)).toEqual({ delivery: null, code, recipes: [] })
})

test.each([
  ['no id', { externalId: null }],
  ['no topic', { topic: null }],
])('%s: dead as before', (_, change) => {
  expect(readAgain(kept({ ...change, code: 'bad_value' }), null)).toMatchObject({ delivery: null, code: 'bad_value' })
})

test('nothing was kept, or not for so long', () => {
  expect(readAgain(kept({ payload: null, code: 'syntax' }), null)).toMatchObject({ code: 'nothing_kept', recipes: [] })
})

test('a Stripe event that does not say whether it is a test is no money', () => {
  const charge: JsonObject = { id: 'evt_1', type: 'charge.succeeded', data: { object: {} } }
  const event = kept({ vendor: 'stripe', topic: 'charge.succeeded', externalId: 'evt_1', payload: { body: charge } })
  expect(readAgain({ ...event, code: 'missing_field' }, null)).toMatchObject({ delivery: null, code: 'missing_field' })
})

test("a vendor's request about personal data is not made up from what is left of it", () => {
  const event = kept({ topic: 'customers/redact', code: 'topic_body_mismatch', payload: { body: {} } })
  expect(readAgain(event, null).delivery).toBeNull()
  expect(readAgain({ ...event, code: 'too_many_orders' }, null)).toMatchObject({
    delivery: null,
    code: 'too_many_orders',
  })
})

test('a body that is mended is read with its headers, and keeps its id', () => {
  const rawBody = Buffer.from(`\ufeff${JSON.stringify(PAID)}`, 'utf16le')
  const headers = { 'x-shopify-topic': 'orders/paid', 'x-shopify-webhook-id': 'delivery-1' }
  const event = kept({ payload: null, code: 'invalid_utf8' })
  const judgement = readAgain(event, { kept: { headers, rawBody }, hashes })
  expect(judgement).toMatchObject({ code: null, delivery: { externalId: 'delivery-1', topic: 'orders/paid' } })
  expect(judgement.recipes[0]).toBe('utf16_to_utf8@1')
  const other = { ...event, endpoint: { ...event.endpoint, shopDomain: 'another-shop.myshopify.com' } }
  expect(readAgain(other, { kept: { headers, rawBody }, hashes })).toMatchObject({ code: 'shop_mismatch' })
})

/** A delivery that is dead, as it is kept. */
function kill(vendor: Vendor, topic: string, body: JsonObject): KeptEvent {
  const headers = { 'x-shopify-topic': topic, 'x-shopify-webhook-id': 'delivery-1', 'x-wc-webhook-topic': topic }
  const { endpoint } = kept()
  try {
    readDelivery({ vendor, rawBody: Buffer.from(JSON.stringify(body)), headers, endpoint, ...hashes })
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const { externalId, code, payload } = error
    return kept({ vendor, externalId, topic: error.topic, code, payload })
  }
  throw new Error('it lives')
}

const GOOD = {
  ...PAID,
  total_price: '12.00',
  created_at: '2026-11-20T09:01:28Z',
  processed_at: '2026-11-20T09:01:28Z',
}
const MONEY = { kind: 'refund', status: 'success', currency: 'USD' }
const REFUND = { id: 77, order_id: 4850, created_at: '2026-11-20T09:01:28Z', processed_at: '2026-11-20T09:01:28Z' }

test.each<[string, Vendor, string, JsonObject, string]>([
  ['a mark of a test that is a text', 'shopify', 'orders/paid', { ...GOOD, test: 'true' }, 'wrong_type'],
  ['a mark of a test that is a number', 'shopify', 'orders/paid', { ...GOOD, test: 1 }, 'wrong_type'],
  [
    'such a mark of one of its transactions',
    'shopify',
    'refunds/create',
    { ...REFUND, transactions: [{ ...MONEY, id: 1, amount: '10.00', test: 'true' }] },
    'wrong_type',
  ],
  [
    'one of two amounts that is none',
    'shopify',
    'refunds/create',
    {
      ...REFUND,
      transactions: [
        { ...MONEY, id: 1, amount: '10.00' },
        { ...MONEY, id: 2, amount: '90,00' },
      ],
    },
    'bad_amount',
  ],
  [
    'one of two amounts that is not there',
    'shopify',
    'refunds/create',
    {
      ...REFUND,
      transactions: [
        { ...MONEY, id: 1, amount: '10.00' },
        { ...MONEY, id: 2 },
      ],
    },
    'missing_field',
  ],
  [
    'a time that is none, beside another one',
    'shopify',
    'refunds/create',
    { ...REFUND, processed_at: 'yesterday', transactions: [{ ...MONEY, id: 1, amount: '10.00' }] },
    'bad_time',
  ],
  [
    'whether it is a test, which it does not say',
    'stripe',
    'charge.succeeded',
    {
      id: 'evt_1',
      object: 'event',
      type: 'charge.succeeded',
      livemode: 'true',
      created: 1_795_165_288,
      data: { object: { id: 'ch_1', object: 'charge', captured: true, amount: 500, currency: 'usd' } },
    },
    'wrong_type',
  ],
])('what was refused for a value is not taken without it: %s', (_, vendor, topic, body, code) => {
  const dead = kill(vendor, topic, body)
  expect(dead.code).toBe(code)
  expect(readAgain(dead, null).delivery).toBeNull()
})

test('what was left out and decides nothing stops no repair, and is not stored with it', () => {
  const odd = {
    ...GOOD,
    total_price: ' 12.00',
    source_name: 'Jane Doe',
    note_attributes: [{ name: 'skeldir', value: 'av1.x' }],
  }
  const dead = kill('shopify', 'orders/paid', odd)
  expect(dead.payload?.left_out).toContain('/source_name')
  const judgement = readAgain(dead, null)
  expect(judgement).toMatchObject({ code: null, recipes: ['trim_blanks@1'] })
  expect(judgement.delivery?.payload).not.toHaveProperty('left_out')
})

test('a refund is mended whatever else its list holds', () => {
  const transactions = [
    { ...MONEY, id: 1, amount: ' 10.00' },
    { ...MONEY, id: 2, status: 'failure', amount: '90.00' },
    { id: 3, kind: 'void', status: 'success', amount: '0.00', currency: 'USD' },
  ]
  const dead = kill('shopify', 'refunds/create', { ...REFUND, transactions })
  const judgement = readAgain(dead, null) as Extract<ReturnType<typeof readAgain>, { code: null }>
  expect(judgement.canonical).toMatchObject([{ type: 'payment_refunded', amountMinor: 1000n }])
})
