import { expect, test } from 'vitest'
import type { JsonObject } from '../../src/webhooks/lossless-json.ts'
import { deathOf, eventsOf, factsOf, IDENTITY, readSent } from '../support/readings.ts'

const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'

const headers = (topic: string) => ({
  'x-wc-webhook-topic': topic,
  'x-wc-webhook-id': '12',
  'x-wc-webhook-delivery-id': 'the same for all orders of a second',
  'x-wc-webhook-source': 'https://shop.example/',
})
const order = {
  id: 1042,
  number: '1042',
  status: 'processing',
  currency: 'USD',
  total: '132.00',
  date_created_gmt: '2026-11-19T16:42:10',
  date_modified_gmt: '2026-11-20T08:00:00',
  date_paid_gmt: '2026-11-19T16:42:15',
  transaction_id: '',
  refunds: [{ id: 7, reason: 'Jane did not like it', total: '-10.00' }],
  billing: { first_name: 'Jane', email: 'jane@example.com' },
  customer_ip_address: '203.0.113.7',
  line_items: [{ id: 1, price: 10.799999999999999, total: '10.80' }],
  meta_data: [
    { id: 1, key: 'skeldir', value: TOKEN },
    { id: 2, key: '_billing_nickname', value: 'Janie' },
  ],
}
const text = (change: object = {}) => JSON.stringify({ ...order, ...change })
const read = (change: object = {}, topic = 'order.updated', shopDomain: string | null = null) =>
  readSent('woocommerce', text(change), { headers: headers(topic), shopDomain })
const facts = (change: object = {}, topic = 'order.updated') =>
  factsOf('woocommerce', text(change), { headers: headers(topic) })

test('an order tells of itself, its money and what was given back, whatever the topic', () => {
  const orderKey = 'woocommerce:1042'
  for (const topic of ['order.created', 'order.updated', 'order.refunded']) {
    expect(facts({}, topic)[0]).toEqual({
      kind: 'order',
      orderKey,
      orderedAt: new Date('2026-11-19T16:42:10Z'),
      currency: 'USD',
      identity: IDENTITY,
    })
    expect(facts({}, topic).slice(1)).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ entryKey: `${orderKey}:capture`, amountMinor: 13_200n }),
        expect.objectContaining({ entryKey: `${orderKey}:refund:7`, amountMinor: 1_000n }),
      ]),
    )
  }
})

test('nothing of the buyer is kept, and no float is read', () => {
  const { payload } = read()
  expect(JSON.stringify(payload)).not.toMatch(/Jan|@|203\.|av1|10\.7|line_items|reason/)
  expect((payload.body as JsonObject).meta_data).toEqual([{ key: 'skeldir', value: `id1.${IDENTITY}` }])
  expect(facts({ line_items: [{ price: '1e999' }] })).toEqual(facts())
})

test.each([
  ['JPY', '1500', 1_500n],
  ['KWD', '1.234', 1_234n],
  ['USD', '4', 400n],
  ['ISK', '1500', 1_500n],
])('%s %s', (currency, total, amountMinor) => {
  expect(facts({ currency, total, refunds: [] })).toContainEqual(
    expect.objectContaining({ kind: 'capture', amountMinor, currency }),
  )
})

test('the version of a snapshot is when it was changed', () => {
  const events = eventsOf('woocommerce', text(), { headers: headers('order.updated') })
  expect(events.map(({ versionAt }) => versionAt)).toEqual(events.map(() => new Date('2026-11-20T08:00:00Z')))
})

test('a delivery is known by what it holds: its own id is the same for orders of one second', () => {
  const [one, other] = [read({ id: 1042 }), read({ id: 1043 })]
  expect(one.externalId).not.toBe(other.externalId)
  expect(read({ id: 1042 }).externalId).toBe(one.externalId)
  expect(read({ status: 'completed' }).externalId).not.toBe(one.externalId)
  expect(read({}, 'order.created').externalId).not.toBe(one.externalId)
})

test('where the endpoint names its shop, so do the keys, and another shop is dead', () => {
  const sent = { headers: headers('order.updated'), shopDomain: 'shop.example' }
  const events = eventsOf('woocommerce', text(), sent)
  expect(new Set(events.map(({ orderKey }) => orderKey))).toEqual(new Set(['woocommerce:shop_example-1042']))
  expect(events.map(({ entryKey }) => entryKey)).toContain('woocommerce:shop_example-1042:refund:7')
  expect(deathOf(() => read({}, 'order.updated', 'other.example'))).toMatchObject({ code: 'shop_mismatch' })
})

test.each<[string, object, boolean, boolean]>([
  ['paid by its date', {}, true, false],
  ['cash on delivery', { date_paid_gmt: null }, false, false],
  ['completed', { date_paid_gmt: null, status: 'completed' }, true, false],
  ['cancelled', { date_paid_gmt: null, status: 'cancelled' }, false, true],
  ['paid, then cancelled', { status: 'cancelled' }, true, true],
  ['without a time of change', { date_paid_gmt: null, date_modified_gmt: null }, false, false],
])('%s: a snapshot says whether it is paid, and when it was called off', (_name, change, isPaid, isCancelled) => {
  const events = eventsOf('woocommerce', text(change), { headers: headers('order.updated') })
  expect(events.filter(({ type }) => type === 'payment_captured')).toMatchObject([
    { amountMinor: 13_200n, counts: isPaid },
  ])
  expect(events.some(({ type }) => type === 'order_cancelled')).toBe(isCancelled)
})

test.each(['order.created', 'order.updated', 'order.completed', 'order.refunded'])(
  '%s says that its refunds are all there are, none included',
  (topic) => {
    const refunds = (change: object) =>
      eventsOf('woocommerce', text(change), { headers: headers(topic) })
        .filter(({ type }) => type === 'payment_refunded')
        .map(({ entryKey, listKey, list, amountMinor }) => [entryKey, listKey, list, amountMinor])
    const whole = ['woocommerce:1042', 'woocommerce:1042', 'whole', 0n]
    expect(refunds({})).toEqual([['woocommerce:1042:refund:7', 'woocommerce:1042', 'item', 1_000n], whole])
    expect(refunds({ refunds: [] })).toEqual([whole])
  },
)

test.each(['order.deleted', 'order.restored', 'product.updated', 'action.woocommerce_add_to_cart'])(
  'acknowledges %s',
  (topic) => {
    expect(readSent('woocommerce', '{"id":1042}', { headers: headers(topic) })).toMatchObject({
      topic,
      handled: false,
      payload: { body: { id: 1042 } },
    })
  },
)

test.each<[string, string, object, string]>([
  ['no topic', text(), { 'x-wc-webhook-topic': undefined }, 'missing_header'],
  ['two topics', text(), { 'x-wc-webhook-topic': 'order.updated, order.updated' }, 'bad_header'],
  ['a list', '[]', {}, 'wrong_type'],
  ['no id', text({ id: null }), {}, 'missing_field'],
  ['an id that is a list', text({ id: [1] }), {}, 'wrong_type'],
  ['a total that is a number', text({ total: 132 }), {}, 'wrong_type'],
  ['parts of a cent', text({ total: '1.005' }), {}, 'bad_amount'],
  ['no date', text({ date_created_gmt: null }), {}, 'missing_field'],
  ['a date with an offset', text({ date_created_gmt: '2026-11-19T16:42:10+01:00' }), {}, 'bad_time'],
  ['a refund without an id', text({ refunds: [{ total: '-1.00' }] }), {}, 'missing_field'],
  ['refunded, without a list of refunds', text({ status: 'refunded', refunds: undefined }), {}, 'missing_field'],
  ['no list of refunds', text({ refunds: null }), {}, 'missing_field'],
  ['refunds that are no list', text({ refunds: { 0: { id: 4, total: '-3.00' } } }), {}, 'wrong_type'],
  [
    'more refunds than an order has',
    text({ refunds: Array.from({ length: 501 }, (_, id) => ({ id: id + 1, total: '-1.00' })) }),
    {},
    'too_many_items',
  ],
])('%s is dead', (_name, body, changes, code) => {
  const sent = { headers: { ...headers('order.updated'), ...changes } }
  expect(deathOf(() => readSent('woocommerce', body, sent))).toMatchObject({ class: 'schema', code })
})
