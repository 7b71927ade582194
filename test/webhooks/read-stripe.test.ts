import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type JsonObject, parseJson } from '../../src/webhooks/lossless-json.ts'
import { toCanonicalEvents } from '../../src/webhooks/normalize/canonical-event.ts'
import { DeadDelivery } from '../../src/webhooks/normalize/dead-delivery.ts'
import { findPersonalData } from '../../src/webhooks/personal-data.ts'
import * as sent from '../support/readings.ts'
import { IDENTITY } from '../support/readings.ts'

const SIGNED_AT = 1_793_880_002
const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'

const body = (name: string): Buffer => readFileSync(new URL(`../fixtures/stripe/${name}.json`, import.meta.url))
const CHARGE = body('charge.succeeded')

/** A look-alike event with some of its fields set; `data.object.` is where `object` goes. */
function changed(
  name: string,
  change: { event?: JsonObject; object?: JsonObject; previous?: JsonObject | null },
): Buffer {
  const event = JSON.parse(body(name).toString())
  Object.assign(event, change.event)
  Object.assign(event.data.object, change.object)
  if (change.previous !== undefined) event.data.previous_attributes = change.previous
  return Buffer.from(JSON.stringify(event))
}

/** An event about a refund of the look-alike charge. */
function refunded(type: string, change: JsonObject = {}): Buffer {
  const { data, ...event } = JSON.parse(body('charge.refunded').toString())
  const object = {
    id: 're_3QLookAlike000000000001',
    object: 'refund',
    charge: data.object.id,
    payment_intent: data.object.payment_intent,
    amount: 1550,
    currency: 'usd',
    created: 1_793_966_390,
    status: 'succeeded',
    ...change,
  }
  return Buffer.from(JSON.stringify({ ...event, type, data: { object } }))
}

function invoicePayment(payment: JsonObject): Buffer {
  const object = { object: 'invoice_payment', id: 'inpay_1', amount_paid: 5000, currency: 'usd', payment }
  const event = { ...JSON.parse(CHARGE.toString()), type: 'invoice_payment.paid', data: { object } }
  return Buffer.from(JSON.stringify(event))
}

/** Topics about things of which something must be known. */
const EMPTY = [
  'charge.succeeded',
  'charge.captured',
  'charge.refunded',
  'payment_intent.succeeded',
  'checkout.session.completed',
  'checkout.session.async_payment_succeeded',
  'invoice.paid',
  'invoice.payment_succeeded',
  'invoice_payment.paid',
  'refund.created',
  'refund.failed',
  'charge.dispute.created',
  'charge.dispute.updated',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.closed',
  'charge.dispute.funds_reinstated',
]

const read = (rawBody: Buffer) => sent.readSent('stripe', rawBody)
const factsOf = (rawBody: Buffer) => sent.factsOf('stripe', rawBody)
const deathOf = (rawBody: Buffer | string) => sent.deathOf(() => sent.readSent('stripe', rawBody))
const identityIn = (rawBody: Buffer) =>
  sent.eventsOf('stripe', rawBody).find(({ type }) => type === 'order_created')?.identity

describe('read', () => {
  test('a captured charge', () => {
    expect(read(CHARGE)).toEqual({
      externalId: 'evt_3QLookAlike000000000001',
      topic: 'charge.succeeded',
      isTest: false,
      handled: true,
      payload: {
        body: expect.objectContaining({
          id: 'evt_3QLookAlike000000000001',
          type: 'charge.succeeded',
          livemode: true,
          data: {
            object: expect.objectContaining({
              object: 'charge',
              id: 'ch_3QLookAlike000000000001',
              payment_intent: 'pi_3QLookAlike000000000001',
              currency: 'usd',
              created: 1_793_880_000,
              captured: true,
              amount_captured: 4850,
              metadata: { skeldir: `id1.${IDENTITY}` },
            }),
          },
        }),
      },
    })
  })

  test('a refund', () => {
    expect(read(body('charge.refunded')).payload).toMatchObject({
      body: {
        created: 1_793_966_400,
        data: {
          object: {
            id: 'ch_3QLookAlike000000000001',
            payment_intent: 'pi_3QLookAlike000000000001',
            amount_refunded: 2550,
          },
        },
      },
    })
  })

  test('asks for the keyed hash of the visitor, not of the token', () => {
    const asked: string[] = []
    const identityOf = (visitorId: string) => {
      asked.push(visitorId)
      return IDENTITY
    }
    sent.readSent('stripe', CHARGE, { identityOf })
    expect(asked).toEqual(['01JBMXK5N7Q3W8Z2Y4V6T9R0SA'])
  })

  test.each<[string, JsonObject, string | null]>([
    ['in metadata', { metadata: { skeldir: TOKEN } }, IDENTITY],
    ['without metadata', { metadata: null }, null],
    ['metadata that is no object', { metadata: 'x' }, null],
    ['under an inherited name only', { metadata: JSON.parse('{"__proto__":{"skeldir":"x"}}') }, null],
    ['another version', { metadata: { skeldir: TOKEN.replace('av1', 'av2') } }, null],
    ['in lower case', { metadata: { skeldir: TOKEN.toLowerCase() } }, null],
    ['with a tail', { metadata: { skeldir: `${TOKEN}.x` } }, null],
    ['an e-mail address in its place', { metadata: { skeldir: 'jane@example.com' } }, null],
    ['not a text', { metadata: { skeldir: 5 } }, null],
  ])('token %s', (_name, object, identity) => {
    expect(identityIn(changed('charge.succeeded', { object }))).toBe(identity)
  })

  test('the visitor of a session stands in its client reference too', () => {
    const session = {
      object: 'checkout.session',
      id: 'cs_1',
      mode: 'payment',
      payment_status: 'paid',
      amount_total: 4850,
      client_reference_id: TOKEN,
      metadata: {},
    }
    const rawBody = changed('charge.succeeded', { event: { type: 'checkout.session.completed' }, object: session })
    expect(identityIn(rawBody)).toBe(IDENTITY)
  })

  test.each(['checkout.session.async_payment_failed', 'payout.paid', 'price.updated'])(
    'acknowledges %s, which is no money',
    (type) => {
      const delivery = read(changed('charge.succeeded', { event: { type } }))
      expect(delivery).toMatchObject({ topic: type, handled: false, payload: { body: { type } } })
      expect(toCanonicalEvents({ vendor: 'stripe', ...delivery })).toEqual([])
    },
  )

  test('of a topic about a person nothing is kept', () => {
    expect(read(changed('charge.succeeded', { event: { type: 'customer.created' } })).payload).toEqual({ body: {} })
  })

  test('a sandbox event is a test', () => {
    expect(read(changed('charge.succeeded', { event: { livemode: false } })).isTest).toBe(true)
  })

  const event = JSON.parse(CHARGE.toString())
  test.each<[string, Buffer | string, DeadDelivery['class'], string]>([
    ['no JSON', 'type=charge.succeeded', 'malformed', 'syntax'],
    ['an empty body', '', 'malformed', 'empty'],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'malformed', 'invalid_utf8'],
    ['a byte order mark', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), CHARGE]), 'malformed', 'syntax'],
    ['a NUL', '{"id":"evt_1\\u0000"}', 'poison', 'nul_character'],
    ['a lone surrogate', '{"id":"\\ud800"}', 'poison', 'lone_surrogate'],
    ['depth 20,000', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, 'poison', 'too_deep'],
    ['200,000 values', `[${'0,'.repeat(200_000)}0]`, 'poison', 'too_many_nodes'],
    ['null', 'null', 'schema', 'missing_field'],
    ['an array', '[]', 'schema', 'wrong_type'],
    ['a text', '"evt_1"', 'schema', 'wrong_type'],
    ['an empty object', '{}', 'schema', 'missing_field'],
    ['an event whose fields are inherited', `{"__proto__":${CHARGE}}`, 'schema', 'missing_field'],
    ['a thin event', JSON.stringify({ ...event, object: 'v2.core.event' }), 'unsupported', 'unsupported_envelope'],
    ['no id', changed('charge.succeeded', { event: { id: null } }), 'schema', 'missing_field'],
    ['an id of another kind', changed('charge.succeeded', { event: { id: 'ch_1' } }), 'schema', 'bad_value'],
    ['an id with a space', changed('charge.succeeded', { event: { id: 'evt_1 2' } }), 'schema', 'bad_value'],
    ['an id too long', changed('charge.succeeded', { event: { id: `evt_${'a'.repeat(125)}` } }), 'schema', 'bad_value'],
    ['a numeric id', changed('charge.succeeded', { event: { id: 5 } }), 'schema', 'wrong_type'],
    ['no type', changed('charge.succeeded', { event: { type: null } }), 'schema', 'missing_field'],
    ['a type too long', changed('charge.succeeded', { event: { type: 'a'.repeat(101) } }), 'schema', 'bad_value'],
    ['livemode as text', changed('charge.succeeded', { event: { livemode: 'true' } }), 'schema', 'wrong_type'],
    ['no data', JSON.stringify({ ...event, data: null }), 'schema', 'topic_body_mismatch'],
    ['data without an object', JSON.stringify({ ...event, data: {} }), 'schema', 'topic_body_mismatch'],
    [
      'an object of another kind',
      changed('charge.succeeded', { object: { object: 'refund' } }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'a charge that failed',
      changed('charge.succeeded', { object: { status: 'failed' } }),
      'schema',
      'topic_body_mismatch',
    ],
    [
      'an object id with a colon',
      changed('charge.succeeded', { object: { payment_intent: null, id: 'ch_1:2' } }),
      'schema',
      'bad_id',
    ],
    [
      'an object id too long',
      changed('charge.succeeded', { object: { payment_intent: null, id: `ch_${'1'.repeat(126)}` } }),
      'schema',
      'bad_id',
    ],
    [
      'an expanded payment intent',
      changed('charge.succeeded', { object: { payment_intent: { id: 'pi_1' } } }),
      'schema',
      'wrong_type',
    ],
    ['captured as text', changed('charge.succeeded', { object: { captured: 'yes' } }), 'schema', 'topic_body_mismatch'],
    [
      'not captured or not',
      changed('charge.succeeded', { object: { captured: null } }),
      'schema',
      'topic_body_mismatch',
    ],
    ['a fractional amount', changed('charge.succeeded', { object: { amount_captured: 48.5 } }), 'schema', 'bad_amount'],
    ['a negative amount', changed('charge.succeeded', { object: { amount_captured: -1 } }), 'schema', 'bad_amount'],
    ['an amount beyond 2^53', CHARGE.toString().replaceAll('4850', '9007199254740993'), 'schema', 'bad_amount'],
    ['an amount of 1e200000', CHARGE.toString().replaceAll('4850', '1e200000'), 'schema', 'bad_amount'],
    [
      'an amount as words',
      changed('charge.succeeded', { object: { amount_captured: 'lots' } }),
      'schema',
      'wrong_type',
    ],
    ['an unknown currency', changed('charge.succeeded', { object: { currency: 'zzz' } }), 'schema', 'unknown_currency'],
    [
      'a part of a króna',
      changed('charge.succeeded', { object: { currency: 'isk', amount_captured: 50 } }),
      'schema',
      'bad_amount',
    ],
    ['a date as text', changed('charge.succeeded', { object: { created: '2026-11-05' } }), 'schema', 'wrong_type'],
    [
      'a date in milliseconds',
      changed('charge.succeeded', { object: { created: SIGNED_AT * 1000 } }),
      'schema',
      'bad_time',
    ],
    ['a fractional date', changed('charge.succeeded', { object: { created: 1.5 } }), 'schema', 'bad_time'],
    [
      'a sum of refunds without a time',
      changed('charge.refunded', { event: { created: null } }),
      'schema',
      'missing_field',
    ],
    [
      'more released than was authorised',
      changed('charge.refunded', { object: { amount: 'all' } }),
      'schema',
      'wrong_type',
    ],
    [
      'a refund of no payment',
      refunded('refund.created', { charge: null, payment_intent: null }),
      'schema',
      'missing_field',
    ],
    ['a refund without an id', refunded('refund.updated', { id: null }), 'schema', 'topic_body_mismatch'],
    ['a refund that is a charge', refunded('refund.created', { object: 'charge' }), 'schema', 'topic_body_mismatch'],
    ...EMPTY.map((type): [string, Buffer, DeadDelivery['class'], string] => [
      `${type} of nothing`,
      Buffer.from(JSON.stringify({ ...event, type, data: { object: {} } })),
      'schema',
      'topic_body_mismatch',
    ]),
    ['a payment of an invoice by something new', invoicePayment({ type: 'custom' }), 'schema', 'topic_body_mismatch'],
  ])('%s is dead', (_name, rawBody, deadClass, code) => {
    expect(deathOf(rawBody)).toMatchObject({ class: deadClass, code })
  })

  test('a dead delivery says which event it was, if that can be stored', () => {
    const known = { externalId: 'evt_3QLookAlike000000000001', topic: 'charge.succeeded' }
    expect(deathOf(changed('charge.succeeded', { object: { currency: 'zzz' } }))).toMatchObject(known)
    const hostile = changed('charge.succeeded', { event: { id: 'jane@example.com', type: 'x'.repeat(200) } })
    expect(deathOf(hostile)).toMatchObject({ externalId: null, topic: null })
    expect(deathOf('')).toMatchObject({ externalId: null, topic: null })
  })

  test('keeps nothing but the allow-listed fields, whatever stands in the others', () => {
    const kept =
      /^(|\/(id|object|type|livemode|created|data)|\/data\/(object|previous_attributes)|\/data\/object\/(object|id|payment_intent|currency|created|captured|status|amount|amount_captured|amount_received|amount_refunded|metadata|metadata\/skeldir))$/
    for (const name of ['charge.succeeded', 'charge.refunded', 'payment_intent.succeeded']) {
      let canaries = 0
      const poison = (value: unknown, pointer: string): unknown => {
        if (Array.isArray(value)) return value.map((item, index) => poison(item, `${pointer}/${index}`))
        if (typeof value === 'object' && value !== null) {
          return Object.fromEntries(
            Object.entries(value).map(([key, item]) => [key, poison(item, `${pointer}/${key}`)]),
          )
        }
        if (kept.test(pointer)) return value
        canaries += 1
        return `canary-${canaries}@example.com`
      }
      const { payload } = read(Buffer.from(JSON.stringify(poison(JSON.parse(body(name).toString()), ''))))
      expect(canaries).toBeGreaterThan(20)
      expect(JSON.stringify(payload)).not.toMatch(/canary|@|av1\.|01JBMXK/)
      expect(findPersonalData(payload)).toBe(null)
    }
  })

  test('throws nothing but DeadDelivery, and what it reads it can turn into facts', () => {
    const paths = [
      'id',
      'object',
      'type',
      'livemode',
      'created',
      'data',
      'data.object',
      'data.previous_attributes',
      ...Object.keys(event.data.object).map((key) => `data.object.${key}`),
    ]
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(null, '', -1, 1e300, '__proto__', [], {}, true),
    ) as fc.Arbitrary<unknown>
    fc.assert(
      fc.property(
        fc.constantFrom('charge.succeeded', 'charge.refunded', 'payment_intent.succeeded'),
        fc.constantFrom(...paths),
        junk,
        (name, path, value) => {
          const mutated = JSON.parse(body(name).toString())
          const keys = path.split('.')
          const last = keys.pop() as string
          keys.reduce((parent, key) => parent[key], mutated)[last] = value
          try {
            factsOf(Buffer.from(JSON.stringify(mutated)))
          } catch (error) {
            expect(error).toBeInstanceOf(DeadDelivery)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('what it says', () => {
  const orderKey = 'stripe:pi_3QLookAlike000000000001'
  const paidAt = new Date('2026-11-05T12:00:00Z')

  test('a captured charge is an order and a capture', () => {
    expect(factsOf(CHARGE)).toEqual([
      { kind: 'order', orderKey, orderedAt: paidAt, currency: 'USD', identity: IDENTITY },
      {
        kind: 'capture',
        orderKey,
        entryKey: `${orderKey}:capture`,
        amountMinor: 4850n,
        currency: 'USD',
        occurredAt: paidAt,
      },
    ])
  })

  test('the payment intent of that charge is the same capture', () => {
    const [order, capture] = factsOf(body('payment_intent.succeeded'))
    expect(order).toMatchObject({ kind: 'order', orderKey, identity: IDENTITY })
    expect(capture).toMatchObject({
      kind: 'capture',
      orderKey,
      entryKey: `${orderKey}:capture`,
      amountMinor: 4850n,
      currency: 'USD',
    })
  })

  test('a charge without a payment intent is its own order', () => {
    const [order, capture] = factsOf(changed('charge.succeeded', { object: { payment_intent: null } }))
    expect(order).toMatchObject({ orderKey: 'stripe:ch_3QLookAlike000000000001' })
    expect(capture).toMatchObject({ entryKey: 'stripe:ch_3QLookAlike000000000001:capture' })
  })

  test.each<[string, JsonObject]>([
    ['only authorised', { captured: false }],
    ['of nothing', { amount_captured: 0 }],
  ])('a charge %s is no money', (_name, object) => {
    expect(factsOf(changed('charge.succeeded', { object })).map(({ kind }) => kind)).toEqual(['order'])
  })

  test('a charge of an old API version has only an amount', () => {
    const old = JSON.parse(CHARGE.toString())
    delete old.data.object.amount_captured
    expect(factsOf(Buffer.from(JSON.stringify(old)))[1]).toMatchObject({ amountMinor: 4850n })
  })

  test.each<[string, number, bigint]>([
    ['jpy', 4850, 4850n],
    ['isk', 4800, 48n],
    ['mga', 4850, 485_000n],
    ['kwd', 4850, 4850n],
  ])('%s %i in ISO minor units', (currency, amount, amountMinor) => {
    const [, capture] = factsOf(changed('charge.succeeded', { object: { currency, amount_captured: amount } }))
    expect(capture).toMatchObject({ amountMinor, currency: currency.toUpperCase() })
  })

  const said = (rawBody: Buffer) =>
    sent
      .eventsOf('stripe', rawBody)
      .map(({ type, entryKey, listKey, list, amountMinor, counts, prevails, occurredAt }) => {
        return { type, entryKey, listKey, list, amountMinor, counts, prevails, occurredAt }
      })
  const list = 'stripe:ch_3QLookAlike000000000001'

  test('a charge that was refunded says the sum so far, at the time of the event', () => {
    const sum = {
      type: 'payment_refunded',
      entryKey: `${list}:refunded:2550`,
      listKey: list,
      list: 'sum',
      amountMinor: 2550n,
      counts: true,
      prevails: false,
      occurredAt: new Date('2026-11-06T12:00:00Z'),
    }
    expect(said(body('charge.refunded'))).toEqual([sum])
    expect(said(changed('charge.refunded', { previous: null }))).toEqual([sum])
  })

  test.each<[string, JsonObject, bigint, boolean]>([
    ['of all that was captured', { amount_captured: 4850, amount_refunded: 4850 }, 4850n, true],
    ['of the part that was not captured', { amount_captured: 3000, amount_refunded: 1850 }, 0n, true],
    ['of that part and more', { amount_captured: 3000, amount_refunded: 2000 }, 150n, true],
    ['of what was only authorised', { captured: false, amount_captured: 0, amount_refunded: 4850 }, 0n, false],
    ['before it said what was captured', { amount_captured: null, amount_refunded: 2000 }, 2000n, true],
  ])('a refund %s', (_name, object, amountMinor, counts) => {
    expect(said(changed('charge.refunded', { object }))).toMatchObject([{ amountMinor, counts }])
  })

  test.each<[type: string, status: string | null, counts: boolean]>([
    ['refund.created', 'pending', true],
    ['refund.created', null, true],
    ['refund.updated', 'requires_action', true],
    ['refund.updated', 'succeeded', true],
    ['charge.refund.updated', 'succeeded', true],
    ['refund.updated', 'canceled', false],
    ['charge.refund.updated', 'failed', false],
    ['refund.failed', 'failed', false],
    ['refund.failed', null, false],
  ])('%s with the status %s', (type, status, counts) => {
    expect(said(refunded(type, { status }))).toEqual([
      {
        type: 'payment_refunded',
        entryKey: 'stripe:refund:re_3QLookAlike000000000001',
        listKey: list,
        list: 'item',
        amountMinor: 1550n,
        counts,
        prevails: !counts,
        occurredAt: new Date(1_793_966_390_000),
      },
    ])
  })

  test.each<[string, JsonObject, string]>([
    ['by an intent', { type: 'payment_intent', payment_intent: 'pi_3QLookAlike000000000001' }, orderKey],
    ['by a charge', { type: 'charge', charge: 'ch_3QLookAlike000000000001' }, list],
    ['out of band', { type: 'payment_record', payment_record: 'pr_1' }, 'stripe:inpay_1'],
  ])('an invoice that is paid %s', (_name, payment, key) => {
    expect(factsOf(invoicePayment(payment))).toMatchObject([
      { kind: 'capture', orderKey: key, entryKey: `${key}:capture`, amountMinor: 5000n },
    ])
  })

  test.each<[type: string, status: string, said: object[]]>([
    ['charge.dispute.created', 'needs_response', [{ type: 'payment_disputed', counts: true }]],
    ['charge.dispute.created', 'warning_needs_response', []],
    ['charge.dispute.updated', 'prevented', [{ type: 'payment_disputed', counts: false }]],
    ['charge.dispute.updated', 'charge_refunded', [{ type: 'payment_disputed', counts: false }]],
    ['charge.dispute.closed', 'prevented', [{ type: 'dispute_closed', outcome: 'won' }]],
    ['charge.dispute.closed', 'lost', [{ type: 'dispute_closed', outcome: 'lost' }]],
    ['charge.dispute.closed', 'warning_closed', []],
    ['charge.dispute.funds_reinstated', 'won', [{ type: 'dispute_closed', outcome: 'won' }]],
  ])('%s with the status %s', (type, status, events) => {
    const dispute = { object: 'dispute', id: 'dp_1', amount: 500, status }
    const rawBody = changed('charge.succeeded', { event: { type }, object: { ...dispute, charge: 'ch_1' } })
    expect(sent.eventsOf('stripe', rawBody)).toMatchObject(events)
    expect(sent.eventsOf('stripe', rawBody)).toHaveLength(events.length)
  })

  test('is the same for the same payload, also after a trip through jsonb', () => {
    const { topic, payload } = read(CHARGE)
    const stored = parseJson(
      Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(payload).toReversed()))),
    ) as JsonObject
    const events = toCanonicalEvents({ vendor: 'stripe', topic, payload })
    expect(events).toHaveLength(2)
    expect(toCanonicalEvents({ vendor: 'stripe', topic, payload: stored })).toEqual(events)
  })

  test('refuses a payload that read() did not make', () => {
    const of = (topic: string) => toCanonicalEvents({ vendor: 'stripe', topic, payload: {} })
    expect(() => of('charge.succeeded')).toThrow(DeadDelivery)
    expect(of('payout.paid')).toEqual([])
  })
})
