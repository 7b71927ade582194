import { expect, test } from 'vitest'
import type { Day, Order, Touch } from '../../scripts/demo/day.ts'
import { LOOKBACK } from '../../scripts/demo/day.ts'
import { computeExpected, creditOrder, findJourney, fraction, shareOut, whole } from '../../scripts/demo/expected.ts'

const NOON = Date.parse('2026-01-15T12:00:00Z')

function touch(eventId: string, at: number, channel = 'email', visitorId = 'V1'): Touch {
  return { eventId, visitorId, sessionId: null, at, channel, source: null, medium: null, campaign: null }
}

function order(change: Partial<Order> = {}): Order {
  const id = 'stripe:pi_1'
  return {
    id,
    vendor: 'stripe',
    at: NOON,
    currency: 'USD',
    visitorId: 'V1',
    capturedMinor: 1000n,
    refunds: [],
    ...change,
  }
}

function day(orders: Order[], touches: Touch[]): Day {
  return { seed: 0, date: '2026-01-15', orders, touches, phases: [] }
}

const equal = (n: number) => Array.from({ length: n }, () => fraction(1n, BigInt(n)))

test.each([
  // Worked by hand; the same vectors stand in several textbooks on apportionment.
  ['100.00 in three', 10_000n, equal(3), [3334n, 3333n, 3333n]],
  ['140.00 in three', 14_000n, equal(3), [4667n, 4667n, 4666n]],
  ['1000 yen in seven', 1000n, equal(7), [143n, 143n, 143n, 143n, 143n, 143n, 142n]],
  ['one cent in three', 1n, equal(3), [1n, 0n, 0n]],
  ['99.99 at 1/8, 1/4, 1/2, 1', 9999n, [1n, 2n, 4n, 8n].map((over) => fraction(over, 8n)), [667n, 1333n, 2666n, 5333n]],
  ['one more unit can cost a share', 83n, [46n, 27n, 49n].map(whole), [31n, 19n, 33n]],
  ['(the Alabama paradox)', 84n, [46n, 27n, 49n].map(whole), [32n, 18n, 34n]],
  ['equal remainders: the larger weight first', 1n, [whole(1n), whole(1n)], [1n, 0n]],
  ['all to one', 777n, [whole(0n), whole(1n)], [0n, 777n]],
  ['nothing', 0n, equal(3), [0n, 0n, 0n]],
])('shares out %s', (_, total, weights, shares) => {
  expect(shareOut(total, weights)).toEqual(shares)
})

test('the leftover goes to the larger weight where remainders are equal', () => {
  // 2 of 1:3 is 0.5 and 1.5: both remainders are a half.
  expect(shareOut(2n, [whole(1n), whole(3n)])).toEqual([0n, 2n])
})

test('refuses to divide by nothing', () => {
  expect(() => shareOut(1n, [whole(0n)])).toThrow(RangeError)
})

test('a chain of refunds empties the credits and never overdraws one', () => {
  const journey = [touch('a', NOON - 3), touch('b', NOON - 2), touch('c', NOON - 1)]
  const after = (amounts: bigint[]) => {
    const refunds = amounts.map((amountMinor, index) => ({ amountMinor, at: NOON + index }))
    return creditOrder(order({ refunds }), journey).credits.linear.map(({ revenueMinor }) => revenueMinor)
  }
  expect(after([])).toEqual([334n, 333n, 333n])
  expect(after([333n])).toEqual([223n, 222n, 222n])
  expect(after([333n, 333n])).toEqual([112n, 111n, 111n])
  expect(after([333n, 333n, 334n])).toEqual([0n, 0n, 0n])
})

test('a refund beyond what is left is capped and said', () => {
  const refunds = [
    { amountMinor: 900n, at: NOON + 1 },
    { amountMinor: 300n, at: NOON + 2 },
  ]
  const credited = creditOrder(order({ refunds }), [touch('a', NOON - 1)])
  expect(credited).toMatchObject({ capturedMinor: 1000n, refundedMinor: 1200n, overRefundedMinor: 200n, netMinor: 0n })
  expect(credited.credits.first_touch).toEqual([
    { touchId: 'a', channel: 'email', conversionMicro: 1_000_000n, revenueMinor: 0n },
  ])
})

test('first and last touch give all, linear a part per touch of millionths that add up to one', () => {
  const { credits } = creditOrder(order(), [touch('a', 1, 'sms'), touch('b', 2, 'email'), touch('c', 3, 'sms')])
  expect(credits.first_touch.map(({ touchId }) => touchId)).toEqual(['a'])
  expect(credits.last_touch.map(({ touchId }) => touchId)).toEqual(['c'])
  expect(credits.linear.map(({ conversionMicro }) => conversionMicro)).toEqual([333_334n, 333_333n, 333_333n])
})

test('both ends of the lookback and the instant of the order count', () => {
  const touches = [
    touch('too-old', NOON - LOOKBACK - 1),
    touch('oldest', NOON - LOOKBACK),
    touch('same-instant', NOON),
    touch('too-late', NOON + 1),
    touch('somebody-else', NOON - 1, 'email', 'V2'),
  ]
  const one = order()
  expect(findJourney(one, [one], touches).map(({ eventId }) => eventId)).toEqual(['oldest', 'same-instant'])
})

test('touches at one instant stand in the order of the bytes of their ids', () => {
  const one = order()
  const journey = findJourney(one, [one], [touch('a', NOON), touch('Z', NOON), touch('0', NOON)])
  expect(journey.map(({ eventId }) => eventId)).toEqual(['0', 'Z', 'a'])
})

test('a purchase uses up the touches up to its own instant; one that was not paid uses up none', () => {
  const touches = [touch('before', NOON - 10), touch('at', NOON), touch('between', NOON + 5)]
  const first = order({ id: 'stripe:pi_1' })
  const second = order({ id: 'stripe:pi_2', at: NOON + 10, capturedMinor: 500n })
  const of = (orders: Order[]) => {
    const expected = computeExpected(day(orders, touches)).orders.get('stripe:pi_2')
    return expected?.credits.linear.map(({ touchId }) => touchId)
  }
  expect(of([first, second])).toEqual(['between'])
  expect(of([{ ...first, capturedMinor: null }, second])).toEqual(['before', 'at', 'between'])
})

test('totals keep currencies apart, and name what nobody earned', () => {
  const touches = [touch('a', NOON - 2, 'sms'), touch('b', NOON - 1, 'email')]
  const orders = [
    order({ id: 'stripe:pi_1', capturedMinor: 3333n, refunds: [{ amountMinor: 1111n, at: NOON + 1 }] }),
    order({ id: 'stripe:pi_2', visitorId: null, capturedMinor: 500n }),
    order({ id: 'stripe:pi_3', visitorId: 'V9', capturedMinor: 1000n, currency: 'JPY' }),
    order({ id: 'stripe:pi_4', capturedMinor: null }),
  ]
  const { currencies, orders: paid } = computeExpected(day(orders, touches))
  expect([...paid.keys()]).toEqual(['stripe:pi_1', 'stripe:pi_2', 'stripe:pi_3'])
  expect([...currencies.keys()]).toEqual(['JPY', 'USD'])
  const usd = currencies.get('USD')
  expect(usd).toMatchObject({ conversions: 2, capturedMinor: 3833n, refundedMinor: 1111n, netMinor: 2722n })
  // 33.33 in two is 16.67 and 16.66; 11.11 taken from these is 5.56 and 5.55 (remainders .666 and .333).
  expect([...(usd?.channels.linear ?? [])]).toEqual([
    ['sms', { conversionMicro: 500_000n, revenueMinor: 1111n }],
    ['email', { conversionMicro: 500_000n, revenueMinor: 1111n }],
    ['(unattributed)', { conversionMicro: 1_000_000n, revenueMinor: 500n }],
  ])
  expect([...(usd?.channels.last_touch.keys() ?? [])]).toEqual(['email', '(unattributed)'])
  expect(currencies.get('JPY')?.channels.linear.get('(unattributed)')?.revenueMinor).toBe(1000n)
})
