import { describe, expect, test } from 'vitest'
import { fieldMaps } from '../../src/webhooks/normalize/field-map.ts'
import { deathOf, eventsOf, factsOf, IDENTITY, readSent } from '../support/readings.ts'

const TOKEN = 'av1.01JBMXK5N7Q3W8Z2Y4V6T9R0SA.01JBMXKB00HCDEFGHJKMNPQRST'

describe('PayPal', () => {
  const SENT = { headers: { 'paypal-transmission-time': '2026-11-20T08:00:05Z' } }
  const resource = {
    id: '3CA00000AA000001A',
    amount: { currency_code: 'USD', value: '48.50' },
    status: 'COMPLETED',
    custom_id: TOKEN,
    create_time: '2026-11-20T08:00:00Z',
    update_time: '2026-11-20T08:00:01Z',
    payee: { email_address: 'shop@example.com', merchant_id: 'M1' },
  }
  const event = (type: string, change: object = {}, rest: object = {}) =>
    JSON.stringify({
      id: 'WH-1',
      event_type: type,
      create_time: '2026-11-20T08:00:02Z',
      ...rest,
      resource: { ...resource, ...change },
    })
  const capture = (change: object = {}) => event('PAYMENT.CAPTURE.COMPLETED', change)

  test('a capture is an order and its money', () => {
    const at = new Date('2026-11-20T08:00:01Z')
    const orderKey = 'paypal:3CA00000AA000001A'
    expect(factsOf('paypal', capture(), SENT)).toEqual([
      { kind: 'order', orderKey, orderedAt: new Date('2026-11-20T08:00:00Z'), currency: 'USD', identity: IDENTITY },
      {
        kind: 'capture',
        orderKey,
        entryKey: `${orderKey}:capture`,
        amountMinor: 4850n,
        currency: 'USD',
        occurredAt: at,
      },
    ])
    expect(readSent('paypal', capture(), SENT)).toMatchObject({
      externalId: 'WH-1',
      topic: 'PAYMENT.CAPTURE.COMPLETED',
      isTest: false,
      payload: { body: { resource: { custom_id: `id1.${IDENTITY}` } }, headers: SENT.headers },
    })
    expect(JSON.stringify(readSent('paypal', capture(), SENT).payload)).not.toMatch(/@|payee|M1/)
  })

  test.each([
    ['HUF', '1000', 100_000n],
    ['TWD', '30', 3_000n],
    ['JPY', '1500', 1_500n],
    ['USD', '0.30', 30n],
  ])('%s %s', (currency, value, amountMinor) => {
    const facts = factsOf('paypal', capture({ amount: { currency_code: currency, value } }), SENT)
    expect(facts).toContainEqual(expect.objectContaining({ kind: 'capture', amountMinor, currency }))
  })

  test.each<[string, object, string]>([
    [
      'impossible dates',
      { create_time: '2018-19-12T00:00:00Z', update_time: '2018-19-12T00:00:00Z' },
      '2026-11-20T08:00:05.000Z',
    ],
    ['no dates', { create_time: null, update_time: null }, '2026-11-20T08:00:05.000Z'],
    ['one impossible date', { update_time: '2018-19-12T00:00:00Z' }, '2026-11-20T08:00:00.000Z'],
    ['an offset', { update_time: '2026-11-20T00:00:00.123-08:00' }, '2026-11-20T08:00:00.123Z'],
  ])('%s', (_name, change, occurredAt) => {
    const body = event('PAYMENT.CAPTURE.COMPLETED', change, { create_time: '2018-19-12T00:00:00Z' })
    const facts = factsOf('paypal', body, SENT)
    expect(facts[1]).toMatchObject({ kind: 'capture', occurredAt: new Date(occurredAt) })
  })

  test.each([
    ['free text of the merchant', 'Jane Doe, gift', null],
    ['an e-mail address', 'jane@example.com', null],
    ['the key of an order', 'woocommerce:1042', 'woocommerce:1042'],
  ])('custom_id: %s', (_name, text, sameAs) => {
    const { payload } = readSent('paypal', capture({ custom_id: text }), SENT)
    expect(JSON.stringify(payload).includes(text)).toBe(sameAs !== null)
    expect(eventsOf('paypal', capture({ custom_id: text }), SENT)).toContainEqual(
      expect.objectContaining({ type: 'order_created', identity: null, sameAs }),
    )
  })

  test('a refund has either sign, and names its capture in one of two ways', () => {
    const refunds = [
      event('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', links: up }),
      event('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', links: up, amount: { currency_code: 'USD', value: '-48.50' } }),
      event('PAYMENT.CAPTURE.REFUNDED', {
        id: 'RE1',
        capture_id: '3CA00000AA000001A',
        amount: { currency: 'USD', total: '-48.50' },
      }),
    ]
    for (const body of refunds) {
      expect(factsOf('paypal', body, SENT)).toMatchObject([
        { kind: 'refund', orderKey: 'paypal:3CA00000AA000001A', entryKey: 'paypal:refund:RE1', amountMinor: 4850n },
      ])
    }
    expect(deathOf(() => readSent('paypal', event('PAYMENT.CAPTURE.REFUNDED'), SENT))).toMatchObject({
      class: 'schema',
      code: 'missing_field',
    })
  })

  const up = [{ rel: 'up', href: 'https://api.paypal.com/v2/payments/captures/3CA00000AA000001A', method: 'GET' }]
  const refund = (change: object = {}) => event('PAYMENT.CAPTURE.REFUNDED', { id: 'RE1', links: up, ...change })

  test.each([
    ['COMPLETED', true],
    ['PENDING', true],
    ['CANCELLED', false],
    ['FAILED', false],
    [null, true],
  ])('a refund that is %s', (status, counts) => {
    expect(eventsOf('paypal', refund({ status }), SENT)).toMatchObject([
      { type: 'payment_refunded', listKey: 'paypal:3CA00000AA000001A', list: 'item', amountMinor: 4850n, counts },
    ])
  })

  test('a refund of version 1 names its capture; one whose object is the capture does not say how much it was', () => {
    const v1 = { id: 'RE1', links: null, status: null, amount: { currency: 'USD', total: '-0.15' } }
    const said = event('PAYMENT.CAPTURE.REFUNDED', { ...v1, capture_id: 'CA1', state: 'completed' })
    expect(factsOf('paypal', said, SENT)).toMatchObject([{ kind: 'refund', orderKey: 'paypal:CA1', amountMinor: 15n }])
    for (const state of ['refunded', 'partially_refunded']) {
      const unsaid = event('PAYMENT.CAPTURE.REFUNDED', { ...v1, id: 'CA1', state })
      expect(deathOf(() => readSent('paypal', unsaid, SENT))).toMatchObject({ code: 'topic_body_mismatch' })
    }
  })

  test.each<[string, object, string | null]>([
    ['a refund of it', { id: 'RV1', sale_id: 'SA1', state: 'completed' }, 'paypal:reversal:RV1'],
    ['itself', { id: 'SA1', state: 'reversed' }, 'paypal:reversal:SA1'],
    ['neither', { id: 'RV1', state: 'completed' }, null],
  ])('a reversal of a sale, whose object is %s', (_name, change, entryKey) => {
    const body = JSON.stringify({
      id: 'WH-1',
      event_type: 'PAYMENT.SALE.REVERSED',
      resource: { amount: { total: '-0.49', currency: 'USD' }, create_time: '2026-11-20T08:00:00Z', ...change },
    })
    if (entryKey === null) {
      expect(deathOf(() => readSent('paypal', body, SENT))).toMatchObject({ class: 'schema', code: 'missing_field' })
    } else {
      const [fact] = factsOf('paypal', body, SENT)
      expect(fact).toMatchObject({ kind: 'dispute', orderKey: 'paypal:SA1', entryKey, amountMinor: 49n })
    }
  })

  const dispute = (name: string, change: object = {}) =>
    event(`CUSTOMER.DISPUTE.${name}`, {
      dispute_id: 'PP-D-1',
      dispute_amount: { currency_code: 'USD', value: '48.50' },
      disputed_transactions: [{ seller_transaction_id: '3CA00000AA000001A', buyer: { name: 'Jane Doe' } }],
      ...change,
    })

  test('a case and a reversal have keys of their own and the list of their capture in common; a question is none', () => {
    const reversal = event('PAYMENT.CAPTURE.REVERSED', { id: 'RV1', links: up })
    for (const [body, entryKey, list] of [
      [dispute('CREATED'), 'paypal:dispute:PP-D-1', 'claim'],
      [dispute('CREATED', { dispute_life_cycle_stage: 'CHARGEBACK' }), 'paypal:dispute:PP-D-1', 'claim'],
      [dispute('UPDATED', { dispute_life_cycle_stage: 'ARBITRATION' }), 'paypal:dispute:PP-D-1', 'claim'],
      [reversal, 'paypal:reversal:RV1', 'item'],
    ] as const) {
      expect(eventsOf('paypal', body, SENT)).toMatchObject([
        { type: 'payment_disputed', entryKey, list, listKey: 'paypal:3CA00000AA000001A', amountMinor: 4850n },
      ])
    }
    expect(factsOf('paypal', dispute('CREATED', { dispute_life_cycle_stage: 'INQUIRY' }), SENT)).toEqual([])
    expect(JSON.stringify(readSent('paypal', dispute('CREATED'), SENT).payload)).not.toMatch(/Jane/)
  })

  test.each([
    ['RESOLVED_BUYER_FAVOUR', 'lost'],
    ['RESOLVED_SELLER_FAVOUR', 'won'],
    ['ACCEPTED', 'lost'],
    ['CANCELED_BY_BUYER', 'won'],
    ['NONE', 'won'],
  ])('a case that ended with %s is %s', (outcome_code, outcome) => {
    expect(eventsOf('paypal', dispute('RESOLVED', { dispute_outcome: { outcome_code } }), SENT)).toMatchObject([
      { type: 'dispute_closed', disputeKey: 'paypal:dispute:PP-D-1', outcome },
    ])
  })

  test.each<[string, string, string, string]>([
    ['no id', JSON.stringify({ event_type: 'A.B', resource }), 'schema', 'missing_field'],
    ['an id with a space', JSON.stringify({ id: 'WH 1', event_type: 'A.B' }), 'schema', 'bad_value'],
    ['no type', JSON.stringify({ id: 'WH-1' }), 'schema', 'missing_field'],
    ['a type as a number', JSON.stringify({ id: 'WH-1', event_type: 5 }), 'schema', 'wrong_type'],
    ['a list', '[]', 'schema', 'wrong_type'],
    ['a case that ended nobody knows how', dispute('RESOLVED'), 'schema', 'missing_field'],
    [
      'a case that ended in a new way',
      dispute('RESOLVED', { dispute_outcome: { outcome_code: 'X' } }),
      'schema',
      'bad_value',
    ],
    ['a refund that was declined', refund({ status: 'DECLINED' }), 'schema', 'topic_body_mismatch'],
    ['a capture that was declined', capture({ status: 'DECLINED' }), 'schema', 'topic_body_mismatch'],
    ['an amount as a number', capture({ amount: { currency_code: 'USD', value: 48.5 } }), 'schema', 'wrong_type'],
    ['a negative capture', capture({ amount: { currency_code: 'USD', value: '-1.00' } }), 'schema', 'bad_amount'],
    [
      'a currency that nobody knows',
      capture({ amount: { currency_code: 'ZZZ', value: '1.00' } }),
      'schema',
      'unknown_currency',
    ],
  ])('%s is dead', (_name, body, deadClass, code) => {
    expect(deathOf(() => readSent('paypal', body, SENT))).toMatchObject({ class: deadClass, code })
  })

  test.each(Object.keys(fieldMaps.vendors.paypal?.events ?? {}))('an empty %s is dead', (event_type) => {
    const body = JSON.stringify({ id: 'WH-1', event_type, resource: {} })
    expect(deathOf(() => readSent('paypal', body, SENT))).toMatchObject({ class: 'schema' })
  })
})
