import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../lossless-json.ts'
import { findPersonalData } from '../personal-data.ts'
import { shopify } from './shopify.ts'
import { DeadDelivery, type Fact } from './vendor.ts'

const SECRET = 'shpss_look_alike_new'
const OLD_SECRET = 'shpss_look_alike_old'
const IDENTITY = 'cd'.repeat(32)
const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'
const SHOP = 'look-alike.myshopify.com'
const WEBHOOK_ID = 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043'

const text = (name: string): string =>
  readFileSync(new URL(`../../../test/fixtures/shopify/${name}.json`, import.meta.url), 'utf8')
const ORDER = text('orders.paid')
const REFUND = text('refunds.create')

function sign(rawBody: Buffer | string, secret: string): string {
  return createHmac('sha256', secret).update(rawBody).digest('base64')
}

function verify(
  signature: string | string[] | undefined,
  { rawBody = Buffer.from(ORDER), secrets = [SECRET] }: { rawBody?: Buffer; secrets?: string[] } = {},
): boolean {
  const headers = signature === undefined ? {} : { 'x-shopify-hmac-sha256': signature }
  return shopify.verify({ rawBody, headers, secrets, now: new Date(0) })
}

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
  const rawBody = Buffer.from(body as string)
  return shopify.read({
    rawBody,
    headers: { ...headersFor(topic), ...headers },
    shopDomain,
    identityOf: () => IDENTITY,
  })
}

function factsOf(topic: string, body: string, headers: IncomingHttpHeaders = {}): Fact[] {
  return shopify.toFacts(read(topic, body, headers))
}

function deathOf(run: () => unknown): Pick<DeadDelivery, 'class' | 'code' | 'externalId' | 'topic'> {
  try {
    run()
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const { class: deadClass, code, externalId, topic } = error
    return { class: deadClass, code, externalId, topic }
  }
  throw new Error('the delivery was read')
}

describe('verify', () => {
  const signature = sign(ORDER, SECRET)
  // 32 bytes leave two spare bits in the last digit: the next digit decodes to the same bytes.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const alias = `${signature.slice(0, 42)}${alphabet[alphabet.indexOf(signature.charAt(42)) + 1]}=`

  test("the vendor's own vector", () => {
    const vector = { rawBody: Buffer.from('{"foo": "bar"}'), secrets: ['test_secret_key'] }
    expect(verify('B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=', vector)).toBe(true)
    expect(
      verify('B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=', { ...vector, rawBody: Buffer.from('{"foo":"bar"}') }),
    ).toBe(false)
  })

  test('the alias of the signature really decodes to the same bytes', () => {
    expect(Buffer.from(alias, 'base64')).toEqual(Buffer.from(signature, 'base64'))
    expect(alias).not.toBe(signature)
  })

  test.each<[string, string | string[] | undefined, boolean]>([
    ['a good signature', signature, true],
    ['no header', undefined, false],
    ['an empty header', '', false],
    ['two headers as an array', [signature, signature], false],
    ['an array with one value', [signature], false],
    ['two headers, as Node joins them', `${signature}, ${signature}`, false],
    ['without its padding', signature.slice(0, -1), false],
    ['truncated', signature.slice(0, 40), false],
    ['another spelling of the same bytes', alias, false],
    ['in URL-safe base64', signature.replaceAll('+', '-').replaceAll('/', '_').replace('=', '_'), false],
    ['in hex', Buffer.from(signature, 'base64').toString('hex'), false],
    ['in another case', signature.toLowerCase(), false],
    ['with a space before it', ` ${signature}`, false],
    ['with a line break after it', `${signature}\n`, false],
    ['in unicode', `${signature.slice(0, 42)}\u{ff10}=`, false],
    ['zero', `${'A'.repeat(43)}=`, false],
    ['a megabyte', 'A'.repeat(1 << 20), false],
  ])('%s', (_name, header, expected) => {
    expect(verify(header)).toBe(expected)
  })

  test.each<[string, string[], boolean]>([
    ['new and old', [SECRET, OLD_SECRET], true],
    ['old and new', [OLD_SECRET, SECRET], true],
    ['only the old one, after it was revoked', [OLD_SECRET], false],
    ['none', [], false],
    ['an empty one', [''], false],
  ])('secrets: %s', (_name, secrets, expected) => {
    expect(verify(signature, { secrets })).toBe(expected)
  })

  test.each<[string, string[]]>([
    ['', []],
    ['', ['']],
    [' ', [' ']],
  ])('what the blank secret %j signed verifies with none of %j', (secret, secrets) => {
    expect(verify(sign(ORDER, secret), { secrets })).toBe(false)
  })

  test('one flipped bit in any byte of the body or the signature is refused', () => {
    const accepted: string[] = []
    for (const [index] of Buffer.from(ORDER).entries()) {
      const rawBody = Buffer.from(ORDER)
      rawBody[index] = (rawBody[index] ?? 0) ^ (1 << (index % 8))
      if (verify(signature, { rawBody })) accepted.push(`body ${index}`)
    }
    for (let bit = 0; bit < signature.length * 8; bit += 1) {
      const flipped = Buffer.from(signature)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (verify(flipped.toString('latin1'))) accepted.push(`signature bit ${bit}`)
    }
    expect(accepted).toEqual([])
  })
})

describe('read', () => {
  test('a paid order', () => {
    expect(read('orders/paid', ORDER)).toEqual({
      externalId: WEBHOOK_ID,
      topic: 'orders/paid',
      isTest: false,
      handled: true,
      payload: {
        id: '7205759403792794001',
        test: false,
        cancelled: false,
        financial_status: 'paid',
        currency: 'EUR',
        total_price: '199.65',
        ordered_at: '2026-11-05T09:15:40.000Z',
        identity: IDENTITY,
        source_name: 'web',
      },
    })
  })

  test('a refund', () => {
    expect(read('refunds/create', REFUND).payload).toEqual({
      id: '7205759403792797001',
      order_id: '7205759403792794001',
      test: false,
      refunded_at: '2026-11-07T08:00:00.000Z',
      transactions: [
        { amount: '50.00', currency: 'EUR' },
        { amount: '9.65', currency: 'EUR' },
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
    expect(read('orders/paid', changed(ORDER, { note_attributes: attributes })).payload.identity).toBe(identity)
  })

  test.each<[string, string, string | null]>([
    ['a word', '"pos"', 'pos'],
    ['an app id', '"755357713"', '755357713'],
    ['an e-mail address', '"jane@example.com"', null],
    ['a number', '755357713', null],
    ['an object', '{"a":1}', null],
    ['too long', `"${'a'.repeat(101)}"`, null],
    ['a control character', '"a\\u0007"', null],
  ])('source name: %s', (_name, json, kept) => {
    expect(read('orders/paid', changed(ORDER, { source_name: json })).payload.source_name).toBe(kept)
  })

  test.each<[string, string, string]>([
    ['UTC', '"2026-11-05T09:15:40Z"', '2026-11-05T09:15:40.000Z'],
    ['an offset', '"2026-11-05T23:59:59-05:00"', '2026-11-06T04:59:59.000Z'],
    ['nanoseconds', '"2026-11-05T09:15:40.123456789Z"', '2026-11-05T09:15:40.123Z'],
    ['a leap day', '"2028-02-29T12:00:00Z"', '2028-02-29T12:00:00.000Z'],
    ['null: created_at instead', 'null', '2026-11-05T09:15:42.000Z'],
  ])('processed_at: %s', (_name, json, orderedAt) => {
    expect(read('orders/paid', changed(ORDER, { processed_at: json })).payload.ordered_at).toBe(orderedAt)
  })

  test.each(['orders/updated', 'orders/cancelled', 'checkouts/update', 'customers/redact', 'app/uninstalled'])(
    'acknowledges %s and keeps nothing of it',
    (topic) => {
      const delivery = read(topic, ORDER)
      expect(delivery).toMatchObject({ externalId: WEBHOOK_ID, topic, handled: false, isTest: false, payload: {} })
      expect(shopify.toFacts(delivery)).toEqual([])
    },
  )

  test.each<[string, string, string, IncomingHttpHeaders, boolean]>([
    ['a test order', 'orders/paid', changed(ORDER, { test: 'true' }), {}, true],
    ['a test delivery', 'orders/paid', ORDER, { 'x-shopify-test': 'true' }, true],
    ['a delivery that says it is none', 'orders/paid', ORDER, { 'x-shopify-test': 'false' }, false],
    ['a test delivery of a refund', 'refunds/create', REFUND, { 'x-shopify-test': 'true' }, true],
    ['a refund of a test payment', 'refunds/create', REFUND.replaceAll('"test":false', '"test":true'), {}, true],
    ['an unhandled test order', 'orders/updated', changed(ORDER, { test: 'true' }), {}, true],
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
    ['no JSON on a topic that is not handled', 'orders/updated', 'id=1', 'malformed', 'syntax'],
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
      'missing_field',
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
    [
      'a cancelled order with text as total',
      'orders/paid',
      changed(ORDER, { cancelled_at: '"x"', total_price: '"Ada"' }),
      'schema',
      'bad_amount',
    ],
    ['no currency', 'orders/create', changed(ORDER, { currency: 'null' }), 'schema', 'missing_field'],
    ['an unknown currency', 'orders/create', changed(ORDER, { currency: '"ZZZ"' }), 'schema', 'unknown_currency'],
    ['a lower-case currency', 'orders/create', changed(ORDER, { currency: '"eur"' }), 'schema', 'bad_value'],
    ['test as text', 'orders/create', changed(ORDER, { test: '"no"' }), 'schema', 'wrong_type'],
    ['a state of words', 'orders/paid', changed(ORDER, { financial_status: '"paid by Ada"' }), 'schema', 'bad_value'],
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
    ['a refund without its order', 'refunds/create', changed(REFUND, { order_id: 'null' }), 'schema', 'missing_field'],
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
    ['a negative refund', 'refunds/create', REFUND.replace('"9.65"', '"-9.65"'), 'schema', 'bad_amount'],
    [
      'a refund in two currencies',
      'refunds/create',
      REFUND.replace('"currency":"EUR"', '"currency":"USD"'),
      'schema',
      'mixed_currencies',
    ],
  ])('%s is dead', (_name, topic, body, deadClass, code) => {
    expect(deathOf(() => read(topic, body))).toEqual({ class: deadClass, code, externalId: WEBHOOK_ID, topic })
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

describe('toFacts', () => {
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
    ['cancelled', { cancelled_at: '"2026-11-05T10:00:00Z"' }, ['order']],
    ['free', { total_price: '"0.00"' }, ['order']],
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
      expect(shopify.toFacts({ topic, payload: stored })).toEqual(shopify.toFacts({ topic, payload }))
    }
  })

  test('refuses a payload that read() did not make', () => {
    expect(() => shopify.toFacts({ topic: 'orders/paid', payload: {} })).toThrow(DeadDelivery)
    expect(shopify.toFacts({ topic: 'orders/updated', payload: {} })).toEqual([])
  })
})
