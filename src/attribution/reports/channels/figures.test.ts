import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bridgeOf } from '../../../revenue/daily/days.ts'
import {
  byDay,
  byRevenue,
  coverageOf,
  cpaOf,
  ratioOf,
  roasOf,
  sharesOf,
  sumEarned,
  toChannels,
  toFigures,
} from './figures.ts'
import type { CreditRow, SpendRow } from './queries.ts'

const SEED = 20_261_121

const amount = fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n })
const anyRow: fc.Arbitrary<CreditRow> = fc.record({
  currency: fc.constant('USD'),
  channel: fc.constantFrom('email', 'direct', 'paid_search', '(unattributed)'),
  tier: fc.constant('visitor_id'),
  campaign: fc.option(fc.constantFrom('a', 'b'), { nil: null }),
  day: fc.constant(null),
  isOrdered: fc.boolean(),
  isMoved: fc.boolean(),
  revenueMinor: fc.tuple(amount, amount),
  conversionMicro: fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 9n }), fc.bigInt({ min: 0n, max: 10n ** 9n })),
})
const anySpend: fc.Arbitrary<SpendRow> = fc.record({
  currency: fc.constant('USD'),
  channel: fc.constantFrom('email', 'display'),
  campaign: fc.option(fc.constantFrom('a', 'c'), { nil: null }),
  day: fc.constant(null),
  spendMinor: fc.bigInt({ min: 0n, max: 10n ** 12n }),
})

test('money, conversions and spend are neither made nor lost in figures', () => {
  fc.assert(
    fc.property(fc.array(anyRow), fc.array(anySpend), fc.constantFrom(0, 1), (rows, spend, place) => {
      const figures = toFigures(rows, spend, place)
      const { revenueMinor, conversionMicro } = sumEarned(rows, place)
      expect(figures.reduce((sum, figure) => sum + figure.revenueMinor, 0n)).toBe(revenueMinor)
      expect(figures.reduce((sum, figure) => sum + figure.conversionMicro, 0n)).toBe(conversionMicro)
      const spent = spend.reduce((sum, row) => sum + row.spendMinor, 0n)
      expect(figures.reduce((sum, figure) => sum + (figure.spendMinor ?? 0n), 0n)).toBe(spent)
      const keys = figures.map(({ channel, campaign }) => JSON.stringify([channel, campaign]))
      expect(new Set(keys).size).toBe(keys.length)
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('without campaigns and days the channels are what they were', () => {
  fc.assert(
    fc.property(fc.array(anyRow), fc.constantFrom(0, 1), (rows, place) => {
      const channels = toChannels(rows)
      const sumOf = (of: readonly CreditRow[], channel: string) =>
        sumEarned(
          of.filter((row) => row.channel === channel),
          place,
        )
      for (const { channel } of rows) expect(sumOf(channels, channel)).toEqual(sumOf(rows, channel))
      const keys = channels.map(({ channel, isOrdered, isMoved }) => JSON.stringify([channel, isOrdered, isMoved]))
      expect(new Set(keys).size).toBe(keys.length)
      expect(channels.every(({ campaign, day }) => campaign === null && day === null)).toBe(true)
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('a channel without credit by the model and without spend is no figure; one with spend alone is', () => {
  const row = {
    currency: 'USD',
    channel: 'email',
    tier: 'none',
    campaign: null,
    day: null,
    isOrdered: true,
    isMoved: true,
    revenueMinor: [0n, 5n],
    conversionMicro: [0n, 1_000_000n],
  }
  expect(toFigures([row], [], 0)).toEqual([])
  expect(toFigures([row], [], 1)).toHaveLength(1)
  const spend = { currency: 'USD', channel: 'email', campaign: null, day: null, spendMinor: 7n }
  expect(toFigures([row], [spend], 0)).toMatchObject([{ channel: 'email', revenueMinor: 0n, spendMinor: 7n }])
})

test('the bridge leads from one basis to the other, whatever the credits', () => {
  fc.assert(
    fc.property(fc.array(anyRow), (rows) => {
      const bridge = bridgeOf(rows, (row) => row.revenueMinor[0] ?? 0n)
      const counted = rows.filter(({ isOrdered, isMoved }) => isOrdered || isMoved)
      expect(bridge.orderDateMinor + bridge.afterWindowMinor - bridge.ofOtherOrdersMinor).toBe(bridge.refundDateMinor)
      expect(bridge.orderDateMinor - bridge.ofOtherOrdersMinor).toBe(sumEarned(counted, 0).revenueMinor)
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('shares are parts of one, or all unknown', () => {
  fc.assert(
    fc.property(fc.array(amount, { maxLength: 20 }), (revenues) => {
      const shares = sharesOf(revenues)
      const known = shares.filter((share) => share !== null)
      if (revenues.some((revenue) => revenue < 0n) || revenues.every((revenue) => revenue === 0n)) {
        expect(known).toEqual([])
        return
      }
      expect(known).toHaveLength(revenues.length)
      expect(known.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9)
    }),
    { seed: SEED, numRuns: 2_000 },
  )
})

test('coverage and ratios are 0 to 1, or unknown', () => {
  expect(ratioOf(1n, 4n)).toBe(0.25)
  for (const [part, whole] of [
    [1n, 0n],
    [-1n, 4n],
    [5n, 4n],
    [-4n, -5n],
  ] as const) {
    expect(ratioOf(part, whole)).toBeNull()
  }
  expect(coverageOf([], 0)).toBeNull()
})

test.each([
  [450_300n, 100_000n, 4.503],
  [10_000n, 30_000n, 0.3333],
  [20_000n, 30_000n, 0.6667],
  [-5n, 100n, -0.05],
  [0n, 100n, 0],
  [100n, 0n, null],
  [100n, null, null],
])('%d of revenue for %d of spend is a return of %d', (revenueMinor, spendMinor, expected) => {
  expect(roasOf({ revenueMinor, spendMinor })).toBe(expected)
})

test.each([
  [1_000n, 2_500_000n, 400n],
  [1_000n, 3_000_000n, 333n],
  [100n, 666_667n, 150n],
  [5n, 2_000_000n, 3n],
  [0n, 1_000_000n, 0n],
  [1_000n, 0n, null],
  [null, 1_000_000n, null],
])('%d of spend for %d millionths of a conversion cost %d each', (spendMinor, conversionMicro, expected) => {
  expect(cpaOf({ spendMinor, conversionMicro })).toBe(expected)
})

test('figures have one order, whatever order they came in', () => {
  const figure = (channel: string, revenueMinor: bigint, day: string | null = null) => ({
    channel,
    campaign: null,
    day,
    revenueMinor,
    conversionMicro: 0n,
    spendMinor: null,
  })
  const figures = [figure('sms', 1n), figure('email', 1n), figure('direct', 3n), figure('audio', -2n)]
  expect(figures.toSorted(byRevenue).map(({ channel }) => channel)).toEqual(['direct', 'email', 'sms', 'audio'])
  const days = [figure('sms', 1n, '2026-11-02'), figure('email', 1n, '2026-11-01'), figure('sms', 2n, '2026-11-01')]
  expect(days.toSorted(byDay)).toEqual([days[2], days[1], days[0]])
})
