import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MeasuredChannel } from './measure.ts'
import { hashRows, toRows } from './rows.ts'

const channel = (name: string, conversions: number, value: number): MeasuredChannel => ({
  channel: name,
  conversions,
  value,
  share: 0.5,
  interval: { lower: 0.4, upper: 0.6 },
  sampleSize: 100,
  grade: 'A',
})
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)

test('what Markov gives sums to the orders and the revenue of the window, to the last unit', () => {
  const amount = fc.double({ min: 0, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(amount, amount), { minLength: 1, maxLength: 20 }),
      fc.nat(10_000),
      fc.nat(10_000),
      fc.bigInt({ min: 0n, max: 10n ** 14n }),
      fc.bigInt({ min: 0n, max: 10n ** 14n }),
      (pairs, attributedOrders, others, attributedMinor, otherMinor) => {
        const channels = pairs.map(([conversions, value], index) => channel(`c${index}`, conversions + 1, value + 1))
        const totals = {
          orders: attributedOrders + others,
          attributedOrders,
          attributedMinor,
          netMinor: attributedMinor + otherMinor,
        }
        const given = others === 0 ? { ...totals, netMinor: attributedMinor } : totals
        const rows = toRows({ models: [{ model: 'markov', channels }] }, { orderModels: [], ledger: [], totals: given })
        expect(sum(rows.map(({ conversionMicro }) => conversionMicro))).toBe(BigInt(given.orders) * 1_000_000n)
        expect(sum(rows.map(({ revenueMinor }) => revenueMinor))).toBe(given.netMinor)
        expect(rows.every(({ conversionMicro, revenueMinor }) => conversionMicro >= 0n && revenueMinor >= 0n)).toBe(
          true,
        )
      },
    ),
    { numRuns: 2_000 },
  )
})

const LEDGER = [
  { channel: '(unattributed)', conversionMicro: [2_000_000n, 2_000_000n], revenueMinor: [50n, 50n] },
  { channel: 'email', conversionMicro: [1_000_000n, 500_000n], revenueMinor: [300n, 150n] },
]
const TOTALS = { orders: 3, attributedOrders: 1, netMinor: 350n, attributedMinor: 300n }

test('a model of single orders has the figures of its credits, and a share only where there is a touch', () => {
  const measured = { models: [{ model: 'linear', channels: [channel('email', 0.4999, 149.7)] }] }
  const rows = toRows(measured, { orderModels: ['first_touch', 'linear'], ledger: LEDGER, totals: TOTALS })
  expect(
    rows.map(({ model, channel: name, conversionMicro, revenueMinor, share, grade }) => [
      model,
      name,
      conversionMicro,
      revenueMinor,
      share,
      grade,
    ]),
  ).toEqual([
    ['first_touch', '(unattributed)', 2_000_000n, 50n, null, null],
    ['first_touch', 'email', 1_000_000n, 300n, null, null],
    ['linear', '(unattributed)', 2_000_000n, 50n, null, null],
    ['linear', 'email', 500_000n, 150n, 0.5, 'A'],
  ])
})

test('orders that brought in nothing leave Markov without revenue, and not without conversions', () => {
  const totals = { orders: 2, attributedOrders: 2, netMinor: 0n, attributedMinor: 0n }
  const rows = toRows(
    { models: [{ model: 'markov', channels: [channel('a', 2, 0)] }] },
    { orderModels: [], ledger: [], totals },
  )
  expect(rows).toMatchObject([{ conversionMicro: 2_000_000n, revenueMinor: 0n }])
})

test('the hash follows every figure that a reader is told', () => {
  const rows = toRows(
    { models: [{ model: 'linear', channels: [channel('email', 1, 1)] }] },
    { orderModels: ['linear'], ledger: LEDGER.slice(1), totals: TOTALS },
  )
  const [row] = rows
  if (row === undefined) throw new Error('there is a row')
  const others = [
    row,
    { ...row, model: 'other' },
    { ...row, channel: 'other' },
    { ...row, conversionMicro: 1n },
    { ...row, revenueMinor: 1n },
    { ...row, share: 0.500_000_000_000_000_1 },
    { ...row, lower: 0.1 },
    { ...row, upper: 0.9 },
    { ...row, sampleSize: 1 },
    { ...row, grade: null },
  ]
  expect(new Set(others.map((one) => hashRows([one]).toString('hex'))).size).toBe(others.length)
})
