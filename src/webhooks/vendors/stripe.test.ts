import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { type JsonObject, parseJson } from '../lossless-json.ts'
import { findPersonalData } from '../personal-data.ts'
import { stripe } from './stripe.ts'
import { DeadDelivery, type Fact } from './vendor.ts'

const SECRET = 'whsec_look_alike_new'
const OLD_SECRET = 'whsec_look_alike_old'
const SIGNED_AT = 1_793_880_002
const NOW = new Date(SIGNED_AT * 1000)
const IDENTITY = 'ab'.repeat(32)
const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'

const body = (name: string): Buffer =>
  readFileSync(new URL(`../../../test/fixtures/stripe/${name}.json`, import.meta.url))
const CHARGE = body('charge.succeeded')

function sign(rawBody: Buffer | string, secret: string, at = SIGNED_AT): string {
  return createHmac('sha256', secret).update(`${at}.`).update(rawBody).digest('hex')
}

function verify(
  header: string | string[] | undefined,
  { rawBody = CHARGE, secrets = [SECRET], now = NOW } = {},
): boolean {
  const headers = header === undefined ? {} : { 'stripe-signature': header as string }
  return stripe.verify({ rawBody, headers, secrets, now })
}

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

function read(rawBody: Buffer) {
  return stripe.read({ rawBody, headers: {}, shopDomain: null, identityOf: () => IDENTITY })
}

function factsOf(rawBody: Buffer): Fact[] {
  return stripe.toFacts(read(rawBody))
}

function deathOf(rawBody: Buffer | string): Pick<DeadDelivery, 'class' | 'code' | 'externalId' | 'topic'> {
  try {
    read(Buffer.from(rawBody as string))
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const { class: deadClass, code, externalId, topic } = error
    return { class: deadClass, code, externalId, topic }
  }
  throw new Error('the delivery was read')
}

describe('verify', () => {
  const v1 = sign(CHARGE, SECRET)
  const forged = '0'.repeat(64)

  test.each<[string, string | string[] | undefined, boolean]>([
    ['a good signature', `t=${SIGNED_AT},v1=${v1}`, true],
    ['v1 before t', `v1=${v1},t=${SIGNED_AT}`, true],
    ['the second of two v1', `t=${SIGNED_AT},v1=${forged},v1=${v1}`, true],
    ['a v0 beside it', `t=${SIGNED_AT},v1=${v1},v0=${forged}`, true],
    ['a scheme of the future beside it', `t=${SIGNED_AT},v2=x==,v1=${v1}`, true],
    ['only a v0', `t=${SIGNED_AT},v0=${v1}`, false],
    ['no header', undefined, false],
    ['an empty header', '', false],
    ['an array with one value', [`t=${SIGNED_AT},v1=${v1}`], false],
    ['two headers, as Node joins them', `t=${SIGNED_AT},v1=${v1}, t=${SIGNED_AT},v1=${v1}`, false],
    ['two times', `t=${SIGNED_AT},t=${SIGNED_AT},v1=${v1}`, false],
    ['no time', `v1=${v1}`, false],
    ['no signature', `t=${SIGNED_AT}`, false],
    ['an empty signature', `t=${SIGNED_AT},v1=`, false],
    ['upper-case hex', `t=${SIGNED_AT},v1=${v1.toUpperCase()}`, false],
    ['a truncated signature', `t=${SIGNED_AT},v1=${v1.slice(0, 63)}`, false],
    ['a lengthened signature', `t=${SIGNED_AT},v1=${v1}0`, false],
    ['base64 instead of hex', `t=${SIGNED_AT},v1=${Buffer.from(v1, 'hex').toString('base64')}`, false],
    ['not hex', `t=${SIGNED_AT},v1=${'z'.repeat(64)}`, false],
    ['another time than the signed one', `t=${SIGNED_AT + 1},v1=${v1}`, false],
    ['a time with a leading zero', `t=0${SIGNED_AT},v1=${v1}`, false],
    ['a time in hex', `t=0x6aec7a02,v1=${v1}`, false],
    ['a negative time', `t=-1,v1=${v1}`, false],
    ['a time that is no number', `t=now,v1=${v1}`, false],
    ['a time beyond every clock', `t=${'9'.repeat(400)},v1=${v1}`, false],
    ['a space', `t=${SIGNED_AT}, v1=${v1}`, false],
    ['a trailing comma', `t=${SIGNED_AT},v1=${v1},`, false],
    ['a unicode header', `t=${SIGNED_AT},v1=${v1.slice(0, 63)}\u{ff10}`, false],
    ['a unicode scheme', `t=${SIGNED_AT},ｖ1=${v1}`, false],
    ['a header of a megabyte', `t=${SIGNED_AT},${`v1=${forged},`.repeat(15_000)}v1=${v1}`, false],
  ])('%s', (_name, header, expected) => {
    expect(verify(header)).toBe(expected)
  })

  test.each<[string, number, boolean]>([
    ['300 s old, the limit', 300, true],
    ['301 s old', 301, false],
    ['300 s ahead, the limit', -300, true],
    ['301 s ahead', -301, false],
    ['now', 0, true],
    ['an hour old', 3600, false],
  ])('%s', (_name, ageS, expected) => {
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { now: new Date((SIGNED_AT + ageS) * 1000) })).toBe(expected)
  })

  test.each<[string, string[], boolean]>([
    ['the right one', [SECRET], true],
    ['old and new, either signs', [OLD_SECRET, SECRET], true],
    ['new and old', [SECRET, OLD_SECRET], true],
    ['only the old one, after the roll', [OLD_SECRET], false],
    ['none', [], false],
    ['an empty one', [''], false],
    ['without its prefix', [SECRET.slice('whsec_'.length)], false],
  ])('secrets: %s', (_name, secrets, expected) => {
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { secrets })).toBe(expected)
  })

  test.each(['', ' ', '\t\n'])('a blank secret %j verifies nothing, even what it signed', (secret) => {
    expect(verify(`t=${SIGNED_AT},v1=${sign(CHARGE, secret)}`, { secrets: [secret] })).toBe(false)
  })

  test('an empty secret list does not verify what the empty key signed', () => {
    expect(verify(`t=${SIGNED_AT},v1=${sign(CHARGE, '')}`, { secrets: [] })).toBe(false)
  })

  test('an empty body is signed like any other', () => {
    const rawBody = Buffer.alloc(0)
    expect(verify(`t=${SIGNED_AT},v1=${sign(rawBody, SECRET)}`, { rawBody })).toBe(true)
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { rawBody })).toBe(false)
  })

  test('one flipped bit in any byte of the body or the header is refused', () => {
    const header = Buffer.from(`t=${SIGNED_AT},v1=${v1}`)
    const accepted: string[] = []
    for (let index = 0; index < CHARGE.length; index += 1) {
      const rawBody = Buffer.from(CHARGE)
      rawBody[index] = (rawBody[index] ?? 0) ^ (1 << (index % 8))
      if (verify(header.toString(), { rawBody })) accepted.push(`body ${index}`)
    }
    for (let bit = 0; bit < header.length * 8; bit += 1) {
      const flipped = Buffer.from(header)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (verify(flipped.toString('latin1'))) accepted.push(`header bit ${bit}`)
    }
    expect(accepted).toEqual([])
  })

  test('a body without its last byte is refused', () => {
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { rawBody: CHARGE.subarray(0, -1) })).toBe(false)
  })
})

describe("Stripe's own library as oracle", () => {
  const { webhooks } = new Stripe('sk_test_unused')
  const theirsTakes = (payload: string, header: string): boolean => {
    try {
      webhooks.constructEvent(payload, header, SECRET, 300, undefined, NOW.getTime())
      return true
    } catch {
      return false
    }
  }

  test('we take what it signs, whatever the body', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.integer({ min: -300, max: 300 }),
        (payload, skewS) => {
          const header = webhooks.generateTestHeaderString({ payload, secret: SECRET, timestamp: SIGNED_AT + skewS })
          expect(verify(header, { rawBody: Buffer.from(payload) })).toBe(true)
          expect(verify(header, { rawBody: Buffer.from(payload), secrets: [OLD_SECRET] })).toBe(false)
          expect(verify(header, { rawBody: Buffer.from(`${payload} `) })).toBe(false)
        },
      ),
    )
  })

  test('it takes what the tests here sign', () => {
    const event = webhooks.constructEvent(
      CHARGE,
      `t=${SIGNED_AT},v1=${sign(CHARGE, SECRET)}`,
      SECRET,
      300,
      undefined,
      NOW.getTime(),
    )
    expect(event.id).toBe('evt_3QLookAlike000000000001')
  })

  test('we take nothing that it refuses', () => {
    const payload = '{"object":"event"}'
    const good = sign(payload, SECRET)
    const tokens = [
      `t=${SIGNED_AT}`,
      `t=${SIGNED_AT - 301}`,
      `v1=${good}`,
      `v0=${good}`,
      `v1=${'0'.repeat(64)}`,
      't=',
      'v1',
      '',
      ' ',
      '=',
    ]
    let taken = 0
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 5 }), (items) => {
        const header = items.join(',')
        if (!verify(header, { rawBody: Buffer.from(payload) })) return
        taken += 1
        expect(theirsTakes(payload, header)).toBe(true)
      }),
      { numRuns: 2000 },
    )
    expect(taken).toBeGreaterThan(0)
  })
})

describe('read', () => {
  test('a captured charge', () => {
    expect(read(CHARGE)).toEqual({
      externalId: 'evt_3QLookAlike000000000001',
      topic: 'charge.succeeded',
      isTest: false,
      handled: true,
      payload: {
        object: 'charge',
        id: 'ch_3QLookAlike000000000001',
        payment_intent: 'pi_3QLookAlike000000000001',
        currency: 'USD',
        created: 1_793_880_000,
        captured: '4850',
        identity: IDENTITY,
      },
    })
  })

  test('a refund', () => {
    expect(read(body('charge.refunded')).payload).toEqual({
      object: 'charge',
      id: 'ch_3QLookAlike000000000001',
      payment_intent: 'pi_3QLookAlike000000000001',
      currency: 'USD',
      created: 1_793_880_000,
      refunded_from: '1000',
      refunded_to: '2550',
      refunded_at: 1_793_966_400,
    })
  })

  test('asks for the keyed hash of the visitor, not of the token', () => {
    const asked: string[] = []
    const identityOf = (visitorId: string) => {
      asked.push(visitorId)
      return IDENTITY
    }
    stripe.read({ rawBody: CHARGE, headers: {}, shopDomain: null, identityOf })
    expect(asked).toEqual(['01JBMXK5N7Q3W8Z2Y4V6T9R0SA'])
  })

  test.each<[string, JsonObject, string | null]>([
    ['in metadata', { metadata: { skeldir: TOKEN } }, IDENTITY],
    ['as client reference', { metadata: {}, client_reference_id: TOKEN }, IDENTITY],
    ['without metadata', { metadata: null }, null],
    ['metadata that is no object', { metadata: 'x' }, null],
    ['under an inherited name only', { metadata: JSON.parse('{"__proto__":{"skeldir":"x"}}') }, null],
    ['another version', { metadata: { skeldir: TOKEN.replace('av1', 'av2') } }, null],
    ['in lower case', { metadata: { skeldir: TOKEN.toLowerCase() } }, null],
    ['with a tail', { metadata: { skeldir: `${TOKEN}.x` } }, null],
    ['an e-mail address in its place', { metadata: { skeldir: 'jane@example.com' } }, null],
    ['not a text', { metadata: { skeldir: 5 } }, null],
  ])('token %s', (_name, object, identity) => {
    expect(read(changed('charge.succeeded', { object })).payload.identity).toBe(identity)
  })

  test.each([
    'checkout.session.completed',
    'charge.dispute.created',
    'invoice.paid',
    'customer.created',
    'charge.captured',
  ])('acknowledges %s and keeps nothing of it', (type) => {
    const delivery = read(changed('charge.succeeded', { event: { type } }))
    expect(delivery).toMatchObject({ topic: type, handled: false, payload: {} })
    expect(stripe.toFacts(delivery)).toEqual([])
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
    ['no data', JSON.stringify({ ...event, data: null }), 'schema', 'missing_field'],
    ['data without an object', JSON.stringify({ ...event, data: {} }), 'schema', 'missing_field'],
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
    ['an object id with a colon', changed('charge.succeeded', { object: { id: 'ch_1:2' } }), 'schema', 'bad_value'],
    [
      'an object id too long',
      changed('charge.succeeded', { object: { id: `ch_${'1'.repeat(101)}` } }),
      'schema',
      'bad_value',
    ],
    [
      'an expanded payment intent',
      changed('charge.succeeded', { object: { payment_intent: { id: 'pi_1' } } }),
      'schema',
      'wrong_type',
    ],
    ['captured as text', changed('charge.succeeded', { object: { captured: 'yes' } }), 'schema', 'wrong_type'],
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
    ['an upper-case currency', changed('charge.succeeded', { object: { currency: 'USD' } }), 'schema', 'bad_value'],
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
      'a refund without its past',
      changed('charge.refunded', { previous: {} }),
      'unsupported',
      'missing_previous_amount',
    ],
    [
      'a refund without any past',
      changed('charge.refunded', { previous: null }),
      'unsupported',
      'missing_previous_amount',
    ],
    [
      'a refund that did not grow',
      changed('charge.refunded', { previous: { amount_refunded: 2550 } }),
      'schema',
      'bad_amount',
    ],
    [
      'a refund that shrank',
      changed('charge.refunded', { previous: { amount_refunded: 2551 } }),
      'schema',
      'bad_amount',
    ],
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
      /^(|\/(id|object|type|livemode|created|data)|\/data\/(object|previous_attributes)|\/data\/object\/(object|id|payment_intent|currency|created|captured|status|amount_captured|amount_received|amount_refunded|metadata|metadata\/skeldir)|\/data\/previous_attributes\/amount_refunded)$/
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
            stripe.toFacts(read(Buffer.from(JSON.stringify(mutated))))
          } catch (error) {
            expect(error).toBeInstanceOf(DeadDelivery)
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('toFacts', () => {
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

  test('a refund is what was added, at the time of the event', () => {
    expect(factsOf(body('charge.refunded'))).toEqual([
      {
        kind: 'refund',
        orderKey,
        entryKey: 'stripe:ch_3QLookAlike000000000001:refund:1000-2550',
        amountMinor: 1550n,
        currency: 'USD',
        occurredAt: new Date('2026-11-06T12:00:00Z'),
      },
    ])
  })

  test('the refunds of a charge sum to its refunded amount in whatever order they arrive', () => {
    const intervals: [number, number][] = [
      [0, 1000],
      [1000, 2550],
      [2550, 4850],
    ]
    const entries = [2, 0, 1, 2].flatMap((index) => {
      const [from, to] = intervals[index] as [number, number]
      return factsOf(
        changed('charge.refunded', { object: { amount_refunded: to }, previous: { amount_refunded: from } }),
      )
    })
    const byKey = new Map(
      entries.map((fact) => [fact.kind === 'refund' && fact.entryKey, fact.kind === 'refund' && fact.amountMinor]),
    )
    expect([...byKey.values()].reduce((sum: bigint, amount) => sum + (amount || 0n), 0n)).toBe(4850n)
  })

  test('is the same for the same payload, also after a trip through jsonb', () => {
    const { topic, payload } = read(CHARGE)
    const stored = parseJson(
      Buffer.from(JSON.stringify(Object.fromEntries(Object.entries(payload).toReversed()))),
    ) as JsonObject
    expect(stripe.toFacts({ topic, payload: stored })).toEqual(stripe.toFacts({ topic, payload }))
  })

  test('refuses a payload that read() did not make', () => {
    expect(() => stripe.toFacts({ topic: 'charge.succeeded', payload: {} })).toThrow(DeadDelivery)
    expect(stripe.toFacts({ topic: 'invoice.paid', payload: {} })).toEqual([])
  })
})
