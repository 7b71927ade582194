import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { getOrderModel, resolveParameters } from '../models/registry.ts'
import { roundHalfAway } from '../rounding.ts'
import { type Counting, creditOrder, type SetModel } from './credit.ts'
import { hashOrderOutput } from './hash.ts'
import { type CreditedOrder, type Entry, type OrderInput, type OrderTouch, type Part, UNATTRIBUTED } from './order.ts'

const AT = Date.parse('2026-03-02T10:00:00Z') * 1_000
const HOUR_US = 3_600_000_000
const set = (name: string): SetModel => {
  const model = getOrderModel(name)
  return { model, parameters: resolveParameters(model, {}) }
}
const touches = (...channels: string[]): OrderTouch[] =>
  channels.map((channel, index) => ({
    occurredAtUs: AT - (channels.length - index) * 50 * HOUR_US,
    origin: 'server',
    externalId: `t${index}`,
    channel,
    campaign: null,
    tier: 'visitor_id',
  }))
const capture = (amountMinor: bigint, entryKey = 'c1', currency = 'USD'): Entry => ({
  entryKey,
  kind: 'capture',
  amountMinor,
  currency,
  reverses: null,
  occurredAtUs: AT,
})
const refund = (amountMinor: bigint, entryKey = 'r1', currency = 'USD'): Entry => ({
  ...capture(-amountMinor, entryKey, currency),
  kind: 'refund',
})
const dispute = (amountMinor: bigint, entryKey = 'd1'): Entry => ({ ...refund(amountMinor, entryKey), kind: 'dispute' })
const won = (amountMinor: bigint, reverses = 'd1'): Entry => ({
  ...capture(amountMinor, `${reverses}:closed`),
  kind: 'dispute_reversal',
  reverses,
})
const order = (entries: readonly Entry[], journey: readonly OrderTouch[] = []): OrderInput => ({
  orderKey: 'stripe:pi_1',
  orderedAtUs: AT,
  hasIdentity: true,
  entries,
  touches: journey,
})
const WHOLE: Counting = {
  shareOf: () => ({ countedMinor: 1n, totalMinor: 1n, parts: 'unknown' }),
  reportingCurrency: 'USD',
  toReporting: () => null,
}
const sum = (values: readonly Part[]) => values.reduce((total: bigint, value) => total + BigInt(value), 0n)

/** `entry position channel revenue conversion` of what one model gives, without what it gives nothing. */
function lines(model: string, entries: Entry[], journey: readonly OrderTouch[] = []): string[] {
  const credited = creditOrder(order(entries, journey), [set(model)], WHOLE)
  return credited.entries.flatMap(({ entry, revenueMinor: [revenue = []], conversionMicro: [conversion = []] }) =>
    Array.from({ length: Math.max(journey.length, 1) }, (_, position) => {
      const [own, micro] = [revenue[position] ?? 0, conversion[position] ?? 0]
      const channel = journey[position]?.channel ?? UNATTRIBUTED
      return own === 0 && micro === 0 ? [] : [`${entry.entryKey} ${position} ${channel} ${own} ${micro}`]
    }).flat(),
  )
}

describe('disputes', () => {
  const three = touches('email', 'paid_search', 'direct')
  const run = (entries: Entry[]) => creditOrder(order(entries, three), [set('linear')], WHOLE)
  const parts = ({ entries }: CreditedOrder) => entries.map(({ revenueMinor }) => revenueMinor)

  test('one that is open, or lost, takes away as a refund of the same amount does', () => {
    const [disputed, refunded] = [
      run([capture(10_000n), dispute(2_501n)]),
      run([capture(10_000n), refund(2_501n, 'd1')]),
    ]
    expect(parts(disputed)).toEqual(parts(refunded))
    expect(disputed.totals).toMatchObject([{ refundedMinor: 2_501n, overRefundedMinor: 0n }])
  })

  test('one that was won is as if it had never been, whatever came between', () => {
    const between = [refund(3_000n), refund(8_000n, 'r2')]
    expect(run([capture(10_000n), dispute(10_000n), ...between, won(10_000n)])).toEqual(
      run([capture(10_000n), ...between]),
    )
  })

  test('of two the lost one stays', () => {
    const { totals } = run([capture(10_000n), dispute(1_000n), dispute(500n, 'd2'), won(1_000n)])
    expect(totals).toMatchObject([{ capturedMinor: 10_000n, refundedMinor: 500n }])
  })
})

describe('journeys computed by hand', () => {
  const three = touches('email', 'paid_search', 'email')
  const cases: [name: string, model: string, entries: Entry[], journey: OrderTouch[], expected: string[]][] = [
    ['first touch', 'first_touch', [capture(10_000n)], three, ['c1 0 email 10000 1000000']],
    ['last touch', 'last_touch', [capture(10_000n)], three, ['c1 2 email 10000 1000000']],
    [
      'linear: the odd unit goes to the first, a channel earns once per touch',
      'linear',
      [capture(10_000n)],
      three,
      ['c1 0 email 3334 333334', 'c1 1 paid_search 3333 333333', 'c1 2 email 3333 333333'],
    ],
    ['no touch', 'linear', [capture(1_999n)], [], [`c1 0 ${UNATTRIBUTED} 1999 1000000`]],
    [
      'fewer units than touches: who gets none still has part of the order',
      'linear',
      [capture(1n)],
      three,
      ['c1 0 email 1 333334', 'c1 1 paid_search 0 333333', 'c1 2 email 0 333333'],
    ],
    [
      // 101 over balances of 3334, 3333, 3333: 33.67, 33.66, 33.66; two units are left over.
      'a refund over what remains',
      'linear',
      [capture(10_000n), refund(101n)],
      three,
      [
        'c1 0 email 3334 333334',
        'c1 1 paid_search 3333 333333',
        'c1 2 email 3333 333333',
        'r1 0 email -34 0',
        'r1 1 paid_search -34 0',
        'r1 2 email -33 0',
      ],
    ],
    [
      'a refund beyond what is left is capped, one after that takes nothing',
      'last_touch',
      [capture(100n), refund(60n), refund(70n, 'r2'), refund(5n, 'r3')],
      three,
      ['c1 2 email 100 1000000', 'r1 2 email -60 0', 'r2 2 email -40 0'],
    ],
    [
      'two captures are one conversion',
      'last_touch',
      [capture(100n), capture(50n, 'c2'), refund(120n)],
      three,
      ['c1 2 email 100 1000000', 'c2 2 email 50 0', 'r1 2 email -120 0'],
    ],
    [
      'currencies are never mixed: a refund in another one finds nothing to take',
      'last_touch',
      [capture(100n), capture(9n, 'c2', 'EUR'), refund(50n, 'r1', 'EUR'), refund(1n, 'r2', 'JPY')],
      three,
      ['c1 2 email 100 1000000', 'c2 2 email 9 0', 'r1 2 email -9 0'],
    ],
  ]
  test.each(cases)('%s', (_name, model, entries, journey, expected) => {
    expect(lines(model, entries, journey)).toEqual(expected)
  })

  test('three refunds of 3.33, 3.33 and 3.34 empty 10.00', () => {
    const refunds = [refund(333n), refund(333n, 'r2'), refund(334n, 'r3')]
    const { entries } = creditOrder(order([capture(1_000n), ...refunds], three), [set('linear')], WHOLE)
    expect(entries.slice(1).map(({ revenueMinor }) => revenueMinor[0])).toEqual([
      [-111, -111, -111],
      [-111, -111, -111],
      [-112, -111, -111],
    ])
  })

  test('a refund in a currency without a capture is over-refunded there', () => {
    const { totals } = creditOrder(order([capture(100n), refund(3n, 'r1', 'EUR')]), [set('linear')], WHOLE)
    expect(totals.find(({ currency }) => currency === 'EUR')).toMatchObject({
      capturedMinor: 0n,
      overRefundedMinor: 3n,
    })
  })
})

const MODELS = [
  'first_touch',
  'last_touch',
  'last_non_direct',
  'linear',
  'position',
  'time_decay',
  'decay_step',
  'shapley',
].map(set)
const currencies = ['USD', 'EUR', 'JPY']
/** Up to the largest amount that a vendor may report (2^53 - 1), small ones often. */
const amount = fc.oneof(fc.bigInt(1n, 20n), fc.bigInt(1n, 10_000_000n), fc.bigInt(1n, 2n ** 53n - 1n))
const entriesOf = fc
  .record({
    captures: fc.array(fc.tuple(amount, fc.constantFrom(...currencies)), { minLength: 1, maxLength: 4 }),
    refunds: fc.array(fc.tuple(amount, fc.constantFrom(...currencies)), { maxLength: 6 }),
  })
  .map(({ captures, refunds }) => [
    ...captures.map(([units, currency], index) => capture(units, `c${index}`, currency)),
    ...refunds.map(([units, currency], index) => refund(units, `r${index}`, currency)),
  ])
const journeyOf = fc
  .array(fc.constantFrom('email', 'paid_search', 'direct'), { maxLength: 9 })
  .map((channels) => touches(...channels))
/** What counts of each amount, and what 1 of another currency is in USD; null: no rate. */
const countingOf = fc
  .record({
    counted: fc.bigInt(0n, 120n),
    rate: fc.option(fc.tuple(fc.bigInt(1n, 1_000n), fc.bigInt(1n, 1_000n))),
  })
  .map(
    ({ counted, rate }): Counting => ({
      shareOf: () => ({ countedMinor: counted, totalMinor: 100n, parts: 'known' }),
      reportingCurrency: 'USD',
      toReporting: (units) => (rate === null ? null : roundHalfAway(units * rate[0], rate[1])),
    }),
  )

test('for any money, journey and model: sums are exact, nothing is negative, refunds end at nothing', () => {
  fc.assert(
    fc.property(entriesOf, journeyOf, countingOf, (entries, journey, counting) => {
      const credited = creditOrder(order(entries, journey), MODELS, counting)
      const places = Math.max(journey.length, 1)
      for (const model of MODELS.keys()) {
        const at = (table: readonly (readonly Part[])[] | null, place: number) => BigInt(table?.[model]?.[place] ?? 0)
        const micro = credited.entries.map(({ conversionMicro }) => sum(conversionMicro[model] ?? []))
        expect(sum(micro)).toBe(1_000_000n)
        for (const total of credited.totals) {
          const own = credited.entries.filter(({ entry }) => entry.currency === total.currency)
          const held = Array<bigint>(places).fill(0n)
          const reported = Array<bigint>(places).fill(0n)
          for (const { revenueMinor, reportingMinor } of own) {
            for (let place = 0; place < places; place += 1) {
              held[place] = (held[place] ?? 0n) + at(revenueMinor, place)
              reported[place] = (reported[place] ?? 0n) + at(reportingMinor, place)
              expect(held[place]).toBeGreaterThanOrEqual(0n)
              if (total.reportingMinor !== null) expect(reported[place]).toBeGreaterThanOrEqual(0n)
            }
          }
          const netMinor = total.capturedMinor - total.refundedMinor
          expect(sum(held)).toBe(netMinor)
          if (total.reportingMinor !== null) expect(sum(reported)).toBe(total.reportingMinor)
          if (netMinor === 0n) expect(held.every((balance) => balance === 0n)).toBe(true)
        }
      }
    }),
    { numRuns: 3_000 },
  )
})

test('each model gives the same beside others as alone', () => {
  fc.assert(
    fc.property(entriesOf, journeyOf, countingOf, (entries, journey, counting) => {
      const input = order(entries, journey)
      const hashes = (models: readonly SetModel[]) => hashOrderOutput(input, creditOrder(input, models, counting))
      expect(hashes(MODELS)).toEqual(Buffer.concat(MODELS.map((model) => hashes([model]))))
    }),
  )
})
