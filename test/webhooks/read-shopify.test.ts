import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wantedEntries } from '../../src/webhooks/ledger/settle.ts'
import { type JsonObject, parseJson } from '../../src/webhooks/lossless-json.ts'
import { toCanonicalEvents } from '../../src/webhooks/normalize/canonical-event.ts'
import { DeadDelivery } from '../../src/webhooks/normalize/dead-delivery.ts'
import { fieldMaps } from '../../src/webhooks/normalize/field-map.ts'
import { findPersonalData } from '../../src/webhooks/personal-data.ts'
import type { ListedDelivery, VendorClient } from '../../src/webhooks/poll/lister.ts'
import { listers } from '../../src/webhooks/poll/listers/index.ts'
import { deathOf, eventsOf, type Fact, IDENTITY, readSent, factsOf as saidBy } from '../support/readings.ts'

const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'
const SHOP = 'look-alike.myshopify.com'
const WEBHOOK_ID = 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043'

const text = (name: string): string =>
  readFileSync(new URL(`../fixtures/shopify/${name}.json`, import.meta.url), 'utf8')
const ORDER = text('orders.paid')
const REFUND = text('refunds.create')

function headersFor(topic: string): IncomingHttpHeaders {
  return { 'x-shopify-topic': topic, 'x-shopify-webhook-id': WEBHOOK_ID, 'x-shopify-shop-domain': SHOP }
}

/** `body` with the given members in place of its own; ids beyond 2^53 stay as they are written. */
function changed(body: string, change: Record<string, string>): string {
  const members = Object.entries(change).map(([key, json]) => `,"${key}":${json}`)
  return `${body.slice(0, -1)}${members.join('')}}`
}

function read(
  topic: string,
  body: string | Buffer,
  headers: IncomingHttpHeaders = {},
  shopDomain: string | null = SHOP,
) {
  return readSent('shopify', body, { headers: { ...headersFor(topic), ...headers }, shopDomain })
}

function factsOf(topic: string, body: string, headers: IncomingHttpHeaders = {}): Fact[] {
  return saidBy('shopify', body, { headers: { ...headersFor(topic), ...headers }, shopDomain: SHOP })
}

/** What is said of the order itself. */
function orderIn(body: string) {
  const events = eventsOf('shopify', body, { headers: headersFor('orders/paid') })
  return events.find(({ type }) => type === 'order_created')
}

describe('read', () => {
  test('a paid order', () => {
    expect(read('orders/paid', ORDER)).toEqual({
      externalId: WEBHOOK_ID,
      topic: 'orders/paid',
      isTest: false,
      handled: true,
      payload: {
        body: expect.objectContaining({
          id: '7205759403792794001',
          test: false,
          financial_status: 'paid',
          currency: 'EUR',
          total_price: '199.65',
          processed_at: expect.stringMatching(/^2026-11-05T/),
          cart_attributes: [{ name: 'skeldir', value: `id1.${IDENTITY}` }],
          source_name: 'web',
        }),
        attribution: expect.any(Array),
      },
    })
  })

  test('a refund', () => {
    expect(read('refunds/create', REFUND).payload.body).toMatchObject({
      id: '7205759403792797001',
      order_id: '7205759403792794001',
      transactions: [
        { kind: 'refund', status: 'success', amount: '50.00', currency: 'EUR' },
        { kind: 'refund', status: 'success', amount: '9.65', currency: 'EUR' },
        { status: 'failure' },
        { kind: 'void' },
      ],
    })
  })

  test.each<[string, string, string | null]>([
    ['ours, among others', `[{"name":"x","value":"y"},{"name":"skeldir","value":"${TOKEN}"}]`, IDENTITY],
    [
      'a broken one before a good one',
      `[{"name":"skeldir","value":""},{"name":"skeldir","value":"${TOKEN}"}]`,
      IDENTITY,
    ],
    ['none', '[]', null],
    ['null', 'null', null],
    ['no list', '{"name":"skeldir"}', null],
    ['a list of junk', '[null,5,"skeldir",[],{}]', null],
    ['another name', `[{"name":"Skeldir","value":"${TOKEN}"}]`, null],
    ['a value of another kind', '[{"name":"skeldir","value":5}]', null],
    ['an e-mail address in its place', '[{"name":"skeldir","value":"jane@example.com"}]', null],
  ])('note attributes: %s', (_name, attributes, identity) => {
    expect(orderIn(changed(ORDER, { note_attributes: attributes }))?.identity).toBe(identity)
  })

  test.each<[string, string, string | null]>([
    ['a word', '"pos"', 'pos'],
    ['an app id', '"755357713"', '755357713'],
    ['an e-mail address', '"jane@example.com"', null],
    ['a number', '755357713', null],
    ['a telephone number', '"+49 170 1234567"', null],
    ['a name', '"Jane Doe"', null],
    ['an object', '{"a":1}', null],
    ['too long', `"${'a'.repeat(101)}"`, null],
    ['a control character', '"a\\u0007"', null],
  ])('source name: %s', (_name, json, kept) => {
    const { body } = read('orders/paid', changed(ORDER, { source_name: json })).payload
    expect((body as JsonObject).source_name ?? null).toBe(kept)
  })

  test.each<[string, string, string]>([
    ['UTC', '"2026-11-05T09:15:40Z"', '2026-11-05T09:15:40.000Z'],
    ['an offset', '"2026-11-05T23:59:59-05:00"', '2026-11-06T04:59:59.000Z'],
    ['nanoseconds', '"2026-11-05T09:15:40.123456789Z"', '2026-11-05T09:15:40.123Z'],
    ['a leap day', '"2028-02-29T12:00:00Z"', '2028-02-29T12:00:00.000Z'],
    ['null: created_at instead', 'null', '2026-11-05T09:15:42.000Z'],
  ])('processed_at: %s', (_name, json, orderedAt) => {
    expect(orderIn(changed(ORDER, { processed_at: json }))?.occurredAt.toISOString()).toBe(orderedAt)
  })

  test.each(['orders/edited', 'checkouts/update', 'app/uninstalled'])('acknowledges %s, which is no money', (topic) => {
    const delivery = read(topic, ORDER.replaceAll('admin_graphql_api_id', 'x'))
    expect(delivery).toMatchObject({ externalId: WEBHOOK_ID, topic, handled: false, isTest: false })
    expect(delivery.payload.body).toMatchObject({ id: '7205759403792794001', total_price: '199.65' })
    expect(toCanonicalEvents({ vendor: 'shopify', ...delivery })).toEqual([])
  })

  test('of a topic that is about a person nothing is kept', () => {
    expect(read('customers/update', ORDER)).toMatchObject({ handled: false, payload: { body: {} } })
  })

  test('a cancelled order says when', () => {
    const body = changed(ORDER, { cancelled_at: '"2026-11-06T10:00:00+01:00"' })
    const events = eventsOf('shopify', body, { headers: headersFor('orders/cancelled') })
    expect(events).toMatchObject([{ type: 'order_cancelled', occurredAt: new Date('2026-11-06T09:00:00Z') }])
  })

  test.each<[string, string, string, IncomingHttpHeaders, boolean]>([
    ['a test order', 'orders/paid', changed(ORDER, { test: 'true' }), {}, true],
    ['a test delivery', 'orders/paid', ORDER, { 'x-shopify-test': 'true' }, true],
    ['a delivery that says it is none', 'orders/paid', ORDER, { 'x-shopify-test': 'false' }, false],
    ['a test delivery of a refund', 'refunds/create', REFUND, { 'x-shopify-test': 'true' }, true],
    ['an unhandled test order', 'orders/edited', changed(ORDER, { test: 'true' }), {}, true],
  ])('%s', (_name, topic, body, headers, isTest) => {
    expect(read(topic, body, headers).isTest).toBe(isTest)
    if (isTest) expect(factsOf(topic, body, headers)).toEqual([])
  })

  test.each<[string, IncomingHttpHeaders, string]>([
    ['no topic', { 'x-shopify-topic': undefined }, 'missing_header'],
    ['two topics', { 'x-shopify-topic': 'orders/paid, orders/paid' }, 'bad_header'],
    ['topics as an array', { 'x-shopify-topic': ['orders/paid'] }, 'bad_header'],
    ['an upper-case topic', { 'x-shopify-topic': 'ORDERS_PAID' }, 'bad_header'],
    ['a topic too long', { 'x-shopify-topic': `orders/${'a'.repeat(50)}` }, 'bad_header'],
    ['no webhook id', { 'x-shopify-webhook-id': undefined }, 'missing_header'],
    ['an empty webhook id', { 'x-shopify-webhook-id': '' }, 'bad_header'],
    ['an e-mail address as webhook id', { 'x-shopify-webhook-id': 'jane@example.com' }, 'bad_header'],
    ['a webhook id too long', { 'x-shopify-webhook-id': 'a'.repeat(129) }, 'bad_header'],
    ['another shop', { 'x-shopify-shop-domain': 'other.myshopify.com' }, 'shop_mismatch'],
    ['no shop', { 'x-shopify-shop-domain': undefined }, 'shop_mismatch'],
    ['two shops', { 'x-shopify-shop-domain': `${SHOP}, ${SHOP}` }, 'shop_mismatch'],
  ])('header: %s is dead', (_name, headers, code) => {
    expect(deathOf(() => read('orders/paid', ORDER, headers))).toMatchObject({ class: 'schema', code })
  })

  test('the shop is compared without case, and not at all when the endpoint has none', () => {
    expect(read('orders/paid', ORDER, { 'x-shopify-shop-domain': SHOP.toUpperCase() }).handled).toBe(true)
    expect(read('orders/paid', ORDER, { 'x-shopify-shop-domain': undefined }, null).handled).toBe(true)
  })

  test.each<[string, string, string | Buffer, DeadDelivery['class'], string]>([
    ['no JSON', 'orders/paid', 'id=1', 'malformed', 'syntax'],
    ['an empty body', 'orders/paid', '', 'malformed', 'empty'],
    ['not UTF-8', 'orders/paid', Buffer.from([0x7b, 0xff, 0x7d]), 'malformed', 'invalid_utf8'],
    ['a NUL', 'orders/paid', '{"note":"\\u0000"}', 'poison', 'nul_character'],
    ['a lone surrogate in a key', 'orders/paid', '{"\\ude00":1}', 'poison', 'lone_surrogate'],
    ['depth 20,000', 'orders/paid', `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'poison', 'too_deep'],
    ['no JSON on a topic that is not handled', 'orders/edited', 'id=1', 'malformed', 'syntax'],
    ['an array', 'orders/paid', '[]', 'schema', 'wrong_type'],
    ['an empty object', 'orders/paid', '{}', 'schema', 'missing_field'],
    ['an order that hides behind __proto__', 'orders/paid', `{"__proto__":${ORDER}}`, 'schema', 'missing_field'],
    ['an order as a refund', 'refunds/create', ORDER, 'schema', 'topic_body_mismatch'],
    ['a refund as an order', 'orders/paid', REFUND, 'schema', 'topic_body_mismatch'],
    [
      'a GraphQL id of another order',
      'orders/paid',
      changed(ORDER, { id: '7205759403792794002' }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'a GraphQL id that is a number',
      'orders/paid',
      changed(ORDER, { admin_graphql_api_id: '5' }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'an order as a refund, without its GraphQL id',
      'refunds/create',
      changed(ORDER, { admin_graphql_api_id: 'null' }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'an unpaid order as a paid one',
      'orders/paid',
      changed(ORDER, { financial_status: '"pending"' }),
      'schema',
      'topic_body_mismatch',
    ],
    ['no id', 'orders/paid', changed(ORDER, { id: 'null', admin_graphql_api_id: 'null' }), 'schema', 'missing_field'],
    [
      'an id of letters',
      'orders/paid',
      changed(ORDER, { id: '"x"', admin_graphql_api_id: 'null' }),
      'schema',
      'bad_id',
    ],
    ['a negative id', 'orders/paid', changed(ORDER, { id: '-5', admin_graphql_api_id: 'null' }), 'schema', 'bad_id'],
    [
      'an id of 21 digits',
      'orders/paid',
      changed(ORDER, { id: '9'.repeat(21), admin_graphql_api_id: 'null' }),
      'schema',
      'bad_id',
    ],
    [
      'an id that is a list',
      'orders/paid',
      changed(ORDER, { id: '[1]', admin_graphql_api_id: 'null' }),
      'schema',
      'wrong_type',
    ],
    ['no total', 'orders/paid', changed(ORDER, { total_price: 'null' }), 'schema', 'missing_field'],
    ['a total as a number', 'orders/paid', changed(ORDER, { total_price: '199.65' }), 'schema', 'wrong_type'],
    ['a total with an exponent', 'orders/paid', changed(ORDER, { total_price: '"1e3"' }), 'schema', 'bad_amount'],
    ['an empty total', 'orders/paid', changed(ORDER, { total_price: '""' }), 'schema', 'bad_amount'],
    ['a total of NaN', 'orders/paid', changed(ORDER, { total_price: '"NaN"' }), 'schema', 'bad_amount'],
    ['a negative total', 'orders/paid', changed(ORDER, { total_price: '"-1.00"' }), 'schema', 'bad_amount'],
    ['a tenth of a cent', 'orders/paid', changed(ORDER, { total_price: '"1.001"' }), 'schema', 'bad_amount'],
    [
      'a total beyond 2^53',
      'orders/paid',
      changed(ORDER, { total_price: '"90071992547409.92"' }),
      'schema',
      'bad_amount',
    ],
    ['no currency', 'orders/create', changed(ORDER, { currency: 'null' }), 'schema', 'missing_field'],
    ['an unknown currency', 'orders/create', changed(ORDER, { currency: '"ZZZ"' }), 'schema', 'unknown_currency'],
    ['a lower-case currency', 'orders/create', changed(ORDER, { currency: '"eur"' }), 'schema', 'bad_value'],
    ['test as text', 'orders/create', changed(ORDER, { test: '"no"' }), 'schema', 'wrong_type'],
    [
      'a state of words',
      'orders/paid',
      changed(ORDER, { financial_status: '"paid by Ada"' }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'no date',
      'orders/create',
      changed(ORDER, { processed_at: 'null', created_at: 'null' }),
      'schema',
      'missing_field',
    ],
    [
      'a date without an offset',
      'orders/create',
      changed(ORDER, { processed_at: '"2026-11-05T10:00:00"' }),
      'schema',
      'bad_time',
    ],
    ['31 April', 'orders/create', changed(ORDER, { processed_at: '"2026-04-31T10:00:00Z"' }), 'schema', 'bad_time'],
    [
      '29 February 2026',
      'orders/create',
      changed(ORDER, { processed_at: '"2026-02-29T10:00:00Z"' }),
      'schema',
      'bad_time',
    ],
    ['month 13', 'orders/create', changed(ORDER, { processed_at: '"2026-13-01T10:00:00Z"' }), 'schema', 'bad_time'],
    ['hour 25', 'orders/create', changed(ORDER, { processed_at: '"2026-11-05T25:00:00Z"' }), 'schema', 'bad_time'],
    [
      'the year 9999',
      'orders/create',
      changed(ORDER, { processed_at: '"9999-11-05T10:00:00Z"' }),
      'schema',
      'bad_time',
    ],
    ['the year 1', 'orders/create', changed(ORDER, { processed_at: '"0001-11-05T10:00:00Z"' }), 'schema', 'bad_time'],
    ['a date as a number', 'orders/create', changed(ORDER, { processed_at: '1793880000' }), 'schema', 'wrong_type'],
    [
      'a refund without its order',
      'refunds/create',
      changed(REFUND, { order_id: 'null' }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'transactions that are no list',
      'refunds/create',
      changed(REFUND, { transactions: '{}' }),
      'schema',
      'wrong_type',
    ],
    [
      'a transaction that is no object',
      'refunds/create',
      changed(REFUND, { transactions: '[5]' }),
      'schema',
      'wrong_type',
    ],
    [
      'a transaction without an amount',
      'refunds/create',
      changed(REFUND, { transactions: '[{"kind":"refund","status":"success","currency":"EUR"}]' }),
      'schema',
      'missing_field',
    ],
    ['an empty refund', 'refunds/create', '{}', 'schema', 'topic_body_mismatch'],
    ['a refund of an order and nothing else', 'refunds/create', '{"order_id":1}', 'schema', 'topic_body_mismatch'],
    [
      'a refund without a list of transactions',
      'refunds/create',
      '{"id":2,"order_id":1}',
      'schema',
      'topic_body_mismatch',
    ],
    [
      'a transaction of no kind',
      'refunds/create',
      changed(REFUND, { transactions: '[{"status":"success","amount":"1.00","currency":"EUR"}]' }),
      'schema',
      'missing_field',
    ],
    [
      'a transaction of no state',
      'refunds/create',
      changed(REFUND, { transactions: '[{"kind":"refund","amount":"1.00","currency":"EUR"}]' }),
      'schema',
      'missing_field',
    ],
    [
      'a transaction that may be a test',
      'refunds/create',
      REFUND.replace('"test":false', '"test":"no"'),
      'schema',
      'wrong_type',
    ],
    ['an empty dispute', 'disputes/create', '{}', 'schema', 'topic_body_mismatch'],
    ['an empty change of a dispute', 'disputes/update', '{}', 'schema', 'topic_body_mismatch'],
    ['an empty transaction', 'order_transactions/create', '{}', 'schema', 'topic_body_mismatch'],
    [
      'a transaction of an order without its state',
      'order_transactions/create',
      '{"id":1,"order_id":2,"kind":"sale"}',
      'schema',
      'missing_field',
    ],
    [
      'a change without a state',
      'orders/updated',
      changed(ORDER, { financial_status: 'null' }),
      'schema',
      'missing_field',
    ],
    [
      'a part of a payment without what is owed',
      'orders/updated',
      changed(ORDER, { financial_status: '"partially_paid"', total_outstanding: 'null' }),
      'schema',
      'topic_body_mismatch',
    ],
    ['a negative refund', 'refunds/create', REFUND.replace('"9.65"', '"-9.65"'), 'schema', 'bad_amount'],
    [
      'a refund in two currencies',
      'refunds/create',
      REFUND.replace('"currency":"EUR"', '"currency":"USD"'),
      'schema',
      'mixed_values',
    ],
  ])('%s is dead', (_name, topic, body, deadClass, code) => {
    expect(deathOf(() => read(topic, body))).toEqual({ class: deadClass, code, externalId: WEBHOOK_ID, topic })
  })

  test.each(Object.keys(fieldMaps.vendors.shopify?.events ?? {}))('an empty %s is dead', (topic) => {
    expect(deathOf(() => read(topic, '{}'))).toMatchObject({ class: 'schema' })
  })

  test('of a voided order the total does not matter, and is not kept where it is a name', () => {
    const { payload } = read('orders/paid', changed(ORDER, { financial_status: '"voided"', total_price: '"Ada"' }))
    expect(JSON.stringify(payload)).not.toMatch(/Ada/)
  })

  test('a dead delivery repeats no header that could not be stored', () => {
    const headers = { 'x-shopify-webhook-id': 'jane@example.com', 'x-shopify-topic': 'jane@example.com' }
    expect(deathOf(() => read('orders/paid', ORDER, headers))).toMatchObject({ externalId: null, topic: null })
  })

  test('keeps nothing but the allow-listed fields, whatever stands in the others', () => {
    const kept: Record<string, RegExp> = {
      'orders/paid':
        /^\/(id|admin_graphql_api_id|test|cancelled_at|financial_status|currency|total_price|processed_at|created_at|source_name|note_attributes\/1\/(name|value))$/,
      'refunds/create':
        /^\/(id|admin_graphql_api_id|order_id|processed_at|created_at|transactions\/\d\/(kind|status|amount|currency|test))$/,
    }
    for (const [topic, body] of [
      ['orders/paid', ORDER],
      ['orders/create', ORDER],
      ['refunds/create', REFUND],
    ] as const) {
      let canaries = 0
      const poison = (value: unknown, pointer: string): unknown => {
        if (Array.isArray(value)) return value.map((item, index) => poison(item, `${pointer}/${index}`))
        if (typeof value === 'object' && value !== null) {
          return Object.fromEntries(
            Object.entries(value).map(([key, item]) => [key, poison(item, `${pointer}/${key}`)]),
          )
        }
        if ((kept[topic] ?? kept['orders/paid'])?.test(pointer)) return value
        canaries += 1
        return `canary-${canaries}@example.com`
      }
      // JSON.parse rounds the large ids alike in both places, so the GraphQL id is the one thing to take out.
      const poisoned = { ...(poison(JSON.parse(body), '') as JsonObject), admin_graphql_api_id: null }
      const { payload } = read(topic, JSON.stringify(poisoned))
      expect(canaries).toBeGreaterThan(20)
      expect(JSON.stringify(payload)).not.toMatch(/canary|@|av1\.|01JBMXK/)
      expect(findPersonalData(payload)).toBe(null)
    }
  })

  test('throws nothing but DeadDelivery, and what it reads it can turn into facts', () => {
    const junk = fc
      .oneof(fc.jsonValue(), fc.constantFrom(null, '', -1, 1e300, [], {}, true))
      .map((value) => JSON.stringify(value))
    const topics: [string, string][] = [
      ['orders/create', ORDER],
      ['orders/paid', ORDER],
      ['refunds/create', REFUND],
    ]
    fc.assert(
      fc.property(fc.constantFrom(...topics), fc.nat(), junk, ([topic, body], at, value) => {
        const keys = Object.keys(JSON.parse(body))
        try {
          factsOf(topic, changed(body, { [keys[at % keys.length] as string]: value }))
        } catch (error) {
          expect(error).toBeInstanceOf(DeadDelivery)
        }
      }),
      { numRuns: 3000 },
    )
  })
})

describe('what it says', () => {
  const orderKey = 'shopify:7205759403792794001'
  const orderedAt = new Date('2026-11-05T09:15:40Z')
  const order = { kind: 'order', orderKey, orderedAt, currency: 'EUR', identity: IDENTITY }

  test('a paid order is an order and a capture of its total', () => {
    expect(factsOf('orders/paid', ORDER)).toEqual([
      order,
      {
        kind: 'capture',
        orderKey,
        entryKey: `${orderKey}:capture`,
        amountMinor: 19965n,
        currency: 'EUR',
        occurredAt: orderedAt,
      },
    ])
  })

  test('a created order is no money yet, even when it says that it is paid', () => {
    expect(factsOf('orders/create', ORDER)).toEqual([order])
  })

  test.each<[string, Record<string, string>, string[]]>([
    ['voided', { financial_status: '"voided"' }, ['order']],
    ['free', { total_price: '"0.00"' }, ['order']],
    ['cancelled after it was paid', { cancelled_at: '"2026-11-05T10:00:00Z"' }, ['order', 'capture']],
    ['a test', { test: 'true' }, []],
    ['refunded since', { financial_status: '"refunded"' }, ['order', 'capture']],
    ['partly refunded since', { financial_status: '"partially_refunded"' }, ['order', 'capture']],
    ['without a state', { financial_status: 'null' }, ['order', 'capture']],
    ['edited since', { current_total_price: '"1.00"' }, ['order', 'capture']],
  ])('an order that is %s', (_name, change, kinds) => {
    expect(factsOf('orders/paid', changed(ORDER, change)).map(({ kind }) => kind)).toEqual(kinds)
  })

  test.each([
    ['JPY', '1000', 1000n],
    ['JPY', '1000.00', 1000n],
    ['KWD', '1.234', 1234n],
    ['USD', '90071992547409.91', 9007199254740991n],
  ])('%s %s', (currency, total, amountMinor) => {
    const [, capture] = factsOf('orders/paid', changed(ORDER, { currency: `"${currency}"`, total_price: `"${total}"` }))
    expect(capture).toMatchObject({ amountMinor, currency })
  })

  /** An order of 100.00, of which something was changed later. */
  function snapshot(change: JsonObject): string {
    const { current = '100.00', owed = '0.00', refunds = [], ...rest } = change
    return changed(ORDER, {
      total_price: '"100.00"',
      current_total_price: JSON.stringify(current),
      total_outstanding: JSON.stringify(owed),
      refunds: JSON.stringify(refunds),
      ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, JSON.stringify(value)])),
    })
  }
  const refundOf = (amount: string, change: object = {}) => ({
    id: 7,
    processed_at: '2026-11-07T08:00:00Z',
    transactions: [{ kind: 'refund', status: 'success', amount, currency: 'EUR', test: false, ...change }],
  })

  test.each<[string, string, JsonObject, bigint | undefined]>([
    ['nothing of it', 'pending', { owed: '100.00' }, undefined],
    ['nothing yet, the buyer is good for it', 'authorized', { owed: '100.00' }, undefined],
    ['a part', 'partially_paid', { owed: '60.00' }, 4_000n],
    ['the whole', 'paid', {}, 10_000n],
    ['less than was agreed, for it was edited before', 'paid', { current: '80.00' }, 8_000n],
    ['what an edit added, not yet', 'partially_paid', { current: '120.00', owed: '20.00' }, 10_000n],
    ['what an edit added', 'paid', { current: '120.00' }, 12_000n],
    ['more than it costs by now', 'paid', { current: '80.00', owed: '-20.00' }, 10_000n],
    ['all, and gave some back', 'partially_refunded', { current: '70.00', refunds: [refundOf('30.00')] }, 10_000n],
    ['all, and gave it back', 'refunded', { current: '0.00', refunds: [refundOf('100.00')] }, 10_000n],
    [
      'all, and will give some back',
      'paid',
      { current: '70.00', owed: '-30.00', refunds: [refundOf('30.00', { status: 'pending' })] },
      10_000n,
    ],
    ['all, and a test gave some back', 'paid', { refunds: [refundOf('30.00', { test: true })] }, 10_000n],
    ['the whole, and does not say what is owed', 'paid', { current: '120.00', owed: null }, 10_000n],
    ['the whole, and does not list its refunds', 'paid', { current: '120.00', refunds: null }, 10_000n],
  ])('an order has received %s', (_name, financial_status, change, amountMinor) => {
    const body = snapshot({ ...change, financial_status })
    const facts = factsOf('orders/updated', body).filter(({ kind }) => kind === 'capture')
    expect(facts).toMatchObject(
      amountMinor === undefined ? [] : [{ entryKey: `${orderKey}:capture`, amountMinor, currency: 'EUR' }],
    )
    if (financial_status.includes('paid') && financial_status !== 'partially_paid')
      expect(factsOf('orders/paid', body).filter(({ kind }) => kind === 'capture')).toEqual(facts)
  })

  test('a changed order tells of its refunds under the keys that they have themselves', () => {
    const body = snapshot({ financial_status: 'partially_refunded', current: '70.00', refunds: [refundOf('30.00')] })
    expect(eventsOf('shopify', body, { headers: headersFor('orders/updated'), shopDomain: SHOP })).toContainEqual(
      expect.objectContaining({ type: 'payment_refunded', entryKey: 'shopify:refund:7', amountMinor: 3_000n }),
    )
  })

  function sumsOf(said: Parameters<typeof wantedEntries>[0]): Record<string, bigint> {
    const kinds = Map.groupBy(wantedEntries(said), ({ kind }) => kind)
    return Object.fromEntries(
      [...kinds].map(([kind, entries]) => [kind, entries.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)]),
    )
  }

  describe('each payment counts once', () => {
    const id = 7205759403792794
    const at = (updated_at: string, change: JsonObject) =>
      snapshot({ ...change, id, admin_graphql_api_id: null, updated_at: `2026-11-${updated_at}:00Z` })
    const transaction = (own: number, kind: string, amount: string, change: object = {}) =>
      JSON.stringify({
        id: own,
        order_id: id,
        kind,
        status: 'success',
        amount,
        currency: 'EUR',
        processed_at: '2026-11-05T09:15:40Z',
        ...change,
      })
    const returned = {
      ...refundOf('30.00'),
      order_id: id,
    }
    /** An order of 100.00, authorised and captured, then edited and paid further by 20.00, of which 30.00 were given back. */
    const STORY: readonly (readonly [topic: string, body: string])[] = [
      ['orders/create', at('05T09:16', { financial_status: 'authorized', owed: '100.00' })],
      ['order_transactions/create', transaction(1, 'authorization', '100.00')],
      ['order_transactions/create', transaction(2, 'sale', '60.00', { gateway: 'gift_card' })],
      ['order_transactions/create', transaction(3, 'capture', '40.00', { parent_id: 1 })],
      ['order_transactions/create', transaction(4, 'sale', '20.00', { status: 'failure' })],
      ['order_transactions/create', transaction(5, 'sale', '20.00', { gateway: 'manual' })],
      ['orders/updated', at('05T09:17', { financial_status: 'partially_paid', owed: '40.00' })],
      ['orders/updated', at('05T09:18', { financial_status: 'paid' })],
      ['orders/paid', at('05T09:18', { financial_status: 'paid' })],
      ['orders/updated', at('06T10:00', { financial_status: 'partially_paid', current: '120.00', owed: '20.00' })],
      ['orders/updated', at('06T11:00', { financial_status: 'paid', current: '120.00' })],
      ['orders/paid', at('06T11:00', { financial_status: 'paid', current: '120.00' })],
      ['refunds/create', JSON.stringify(returned)],
      [
        'orders/updated',
        at('07T08:00', { financial_status: 'partially_refunded', current: '90.00', refunds: [returned] }),
      ],
      [
        'orders/cancelled',
        at('08T08:00', { financial_status: 'partially_refunded', cancelled_at: '2026-11-08T08:00:00Z' }),
      ],
    ]

    test.each<[string, string[], Record<string, bigint>]>([
      ['orders/paid alone', ['orders/paid'], { capture: 12_000n }],
      ['orders/updated alone', ['orders/updated'], { capture: 12_000n, refund: -3_000n }],
      ['payments and refunds', ['orders/paid', 'refunds/create'], { capture: 12_000n, refund: -3_000n }],
      [
        'payments and transactions',
        ['orders/paid', 'order_transactions/create', 'refunds/create'],
        { capture: 12_000n, refund: -3_000n },
      ],
      ['transactions alone, which are no money', ['order_transactions/create'], {}],
      ['every topic', STORY.map(([topic]) => topic), { capture: 12_000n, refund: -3_000n }],
    ])('of a shop that sends %s, in any order', (_name, topics, sums) => {
      const said = STORY.filter(([topic]) => topics.includes(topic)).flatMap(([topic, body], index) =>
        eventsOf('shopify', body, {
          headers: headersFor(topic),
          shopDomain: SHOP,
        }).flatMap(({ entryKey, ...event }) =>
          entryKey === null ? [] : [{ ...event, entryKey, eventId: String(index) }],
        ),
      )
      fc.assert(
        fc.property(fc.shuffledSubarray(said, { minLength: said.length }), (shuffled) => {
          expect(sumsOf(shuffled)).toEqual(sums)
        }),
        { numRuns: 50 },
      )
    })
  })

  test.each<[string, JsonObject, string[], Record<string, bigint>]>([
    ['pending', { owed: '100.00' }, ['orders/create'], {}],
    ['partially_paid', { owed: '60.00' }, ['orders/create', 'orders/updated'], { capture: 4_000n }],
    ['paid', { current: '120.00' }, ['orders/create', 'orders/paid'], { capture: 12_000n }],
    [
      'refunded',
      { current: '0.00', refunds: [{ ...refundOf('100.00'), order_id: 5 }], cancelled_at: '2026-11-08T08:00:00Z' },
      ['orders/create', 'orders/paid', 'orders/cancelled', 'refunds/create'],
      { capture: 10_000n, refund: -10_000n },
    ],
  ])(
    'a poll that finds an order %s books what its deliveries would',
    async (financial_status, change, topics, sums) => {
      const order = parseJson(
        Buffer.from(snapshot({ ...change, financial_status, id: 5, admin_graphql_api_id: null })),
      ) as JsonObject
      const client = { get: async () => ({ body: { orders: [order] }, headers: {} }) } as unknown as VendorClient
      const window = { since: new Date(0), until: new Date(1) }
      const listed: ListedDelivery[] = []
      for await (const each of listers.shopify.list(client, { origin: 'https://shop.example', credential: {} }, window))
        listed.push(each)
      expect(listed.map(({ topic }) => topic)).toEqual(topics)
      const said = listed.flatMap(({ topic, body }, index) =>
        eventsOf('shopify', JSON.stringify(body), { headers: headersFor(topic), shopDomain: SHOP }).flatMap(
          ({ entryKey, ...event }) => (entryKey === null ? [] : [{ ...event, entryKey, eventId: String(index) }]),
        ),
      )
      expect(sumsOf(said)).toEqual(sums)
    },
  )

  const set = (shop: string, buyer: string) => ({
    shop_money: { amount: shop, currency_code: 'USD' },
    presentment_money: { amount: buyer, currency_code: 'EUR' },
  })
  const inEuro = (lines: object, amount = '46.50') =>
    changed(REFUND, {
      transactions: JSON.stringify([{ kind: 'refund', status: 'success', amount, currency: 'EUR' }]),
      ...Object.fromEntries(Object.entries(lines).map(([name, value]) => [name, JSON.stringify(value)])),
    })

  test.each<[string, string, Fact['kind'] | string, bigint | null, string | null]>([
    [
      'whose lines say how much that is in the currency of the shop',
      inEuro({ refund_line_items: [{ subtotal_set: set('45.00', '41.85'), total_tax_set: set('5.00', '4.65') }] }),
      'refund',
      5_000n,
      'USD',
    ],
    [
      'of shipping and of less than the lines are worth',
      inEuro({
        refund_line_items: [{ subtotal_set: set('50.00', '46.50') }],
        order_adjustments: [
          { amount_set: set('-10.00', '-9.30'), tax_amount_set: set('0.00', '0.00') },
          { amount_set: set('10.00', '9.30') },
        ],
        total_duties_set: set('0.00', '0.00'),
      }),
      'refund',
      5_000n,
      'USD',
    ],
    [
      'that the lines do not explain',
      inEuro({ refund_line_items: [{ subtotal_set: set('45.00', '41.85') }] }),
      'other_currency',
      null,
      null,
    ],
    [
      'without lines, where the shop is known to have another',
      inEuro({ refund_line_items: [], total_duties_set: set('0.00', '0.00') }),
      'other_currency',
      null,
      null,
    ],
  ])("a refund in the buyer's currency %s", (_name, body, result, amountMinor, currency) => {
    if (amountMinor === null) {
      expect(deathOf(() => read('refunds/create', body))).toMatchObject({ class: 'unsupported', code: result })
    } else {
      expect(factsOf('refunds/create', body)).toMatchObject([{ kind: result, amountMinor, currency }])
    }
  })

  test('of the transactions of a refund those that are tests do not count, and the others do', () => {
    const [first] = REFUND.split('"test":false')
    const body = `${first}"test":true${REFUND.slice((first as string).length + '"test":false'.length)}`
    expect(read('refunds/create', body).isTest).toBe(false)
    expect(factsOf('refunds/create', body)).toMatchObject([{ kind: 'refund', amountMinor: 965n }])
    expect(factsOf('refunds/create', REFUND.replaceAll('"test":false', '"test":true'))).toEqual([])
  })

  describe('a dispute', () => {
    const dispute = (status: string, change: object = {}) =>
      JSON.stringify({
        id: 31,
        order_id: 42,
        type: 'chargeback',
        amount: '100.00',
        currency: 'EUR',
        status,
        initiated_at: '2026-11-08T09:00:00Z',
        finalized_on: null,
        ...change,
      })
    const headers = { 'x-shopify-triggered-at': '2026-11-09T10:00:00.123456789Z' }
    const endsOf = (topic: string, body: string) =>
      eventsOf('shopify', body, { headers: { ...headersFor(topic), ...headers }, shopDomain: SHOP }).filter(
        ({ type }) => type === 'dispute_closed',
      )

    test.each([
      ['needs_response', []],
      ['under_review', []],
      ['won', ['won']],
      ['lost', ['lost']],
      ['accepted', ['lost']],
      ['charge_refunded', ['won']],
      ['prevented', ['won']],
    ])('in the state %s', (status, outcomes) => {
      for (const topic of ['disputes/create', 'disputes/update']) {
        expect(endsOf(topic, dispute(status)).map(({ outcome }) => outcome)).toEqual(outcomes)
        expect(factsOf(topic, dispute(status), headers)).toMatchObject([
          { kind: 'dispute', entryKey: 'shopify:dispute:31', amountMinor: 10_000n },
        ])
      }
    })

    test.each([
      ['a time', '2026-11-09T09:00:00+01:00', '2026-11-09T08:00:00.000Z'],
      ['a day', '2026-10-09', '2026-11-09T10:00:00.123Z'],
      ['none', null, '2026-11-09T10:00:00.123Z'],
    ])('that ended on %s', (_name, finalized_on, at) => {
      const [end] = endsOf('disputes/update', dispute('lost', { finalized_on }))
      expect(end?.occurredAt.toISOString()).toBe(at)
    })

    test('that is a mere question moves nothing', () => {
      expect(factsOf('disputes/create', dispute('won', { type: 'inquiry' }), headers)).toEqual([])
      expect(endsOf('disputes/create', dispute('won', { type: 'inquiry' }))).toEqual([])
    })
  })

  test('a refund is the sum of its successful refund transactions', () => {
    expect(factsOf('refunds/create', REFUND)).toEqual([
      {
        kind: 'refund',
        orderKey,
        entryKey: 'shopify:refund:7205759403792797001',
        amountMinor: 5965n,
        currency: 'EUR',
        occurredAt: new Date('2026-11-07T08:00:00Z'),
      },
    ])
  })

  test.each<[string, string]>([
    ['without transactions, only lines', '[]'],
    ['of nothing', '[{"kind":"refund","status":"success","amount":"0.00","currency":"EUR"}]'],
    ['that failed', '[{"kind":"refund","status":"failure","amount":"5.00","currency":"EUR"}]'],
    ['that is pending', '[{"kind":"refund","status":"pending","amount":"5.00","currency":"EUR"}]'],
    ['that is a sale', '[{"kind":"sale","status":"success","amount":"5.00","currency":"EUR"}]'],
  ])('a refund %s is no money', (_name, transactions) => {
    expect(factsOf('refunds/create', changed(REFUND, { transactions }))).toEqual([])
  })

  test('is the same for the same payload, also after a trip through jsonb', () => {
    for (const [topic, body] of [
      ['orders/paid', ORDER],
      ['refunds/create', REFUND],
    ] as const) {
      const { payload } = read(topic, body)
      const stored = JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(payload).toReversed())))
      const said = toCanonicalEvents({ vendor: 'shopify', topic, payload })
      expect(said.length).toBeGreaterThan(0)
      expect(toCanonicalEvents({ vendor: 'shopify', topic, payload: stored })).toEqual(said)
    }
  })

  test('refuses a payload that read() did not make', () => {
    const of = (topic: string) => toCanonicalEvents({ vendor: 'shopify', topic, payload: {} })
    expect(() => of('orders/paid')).toThrow(DeadDelivery)
    expect(of('orders/edited')).toEqual([])
  })
})
