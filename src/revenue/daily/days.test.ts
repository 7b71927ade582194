import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DayRow, type RevenueFigures, toDailyFigures } from './days.ts'

const DAYS = ['2026-11-18', '2026-11-19', '2026-11-20']
const amount = fc.bigInt({ min: 0n, max: 10n ** 12n })

const anyRow: fc.Arbitrary<DayRow> = fc.record({
  day: fc.constantFrom(...DAYS),
  currency: fc.constant('USD'),
  vendor: fc.constantFrom('shopify', 'stripe'),
  isOrdered: fc.boolean(),
  isMoved: fc.boolean(),
  orders: fc.nat(1_000),
  capturedMinor: amount,
  refundedMinor: amount,
  disputedMinor: amount,
  overRefundedMinor: amount,
  entries: fc.nat(10),
  verified: fc.nat(10),
  newest: fc.constant(new Date(0)),
})

test.each(['order_date', 'refund_date'] as const)(
  'days sum to the total, and the total is that side of the bridge: %s',
  (basis) => {
    fc.assert(
      fc.property(fc.array(anyRow), (rows) => {
        const { days, total, bridge } = toDailyFigures(rows, DAYS, basis)
        expect(days.map(({ day }) => day)).toEqual(DAYS)
        const sum = (of: (figures: RevenueFigures) => bigint) => days.reduce((all, day) => all + of(day), 0n)
        expect(sum(({ capturedMinor }) => capturedMinor)).toBe(total.capturedMinor)
        expect(sum(({ refundedMinor }) => refundedMinor)).toBe(total.refundedMinor)
        expect(sum(({ disputedMinor }) => disputedMinor)).toBe(total.disputedMinor)
        expect(sum(({ overRefundedMinor }) => overRefundedMinor)).toBe(total.overRefundedMinor)
        expect(sum(({ netMinor }) => netMinor)).toBe(total.netMinor)
        expect(days.reduce((all, { orders }) => all + orders, 0)).toBe(total.orders)
        expect(total.netMinor).toBe(
          total.capturedMinor - total.refundedMinor - total.disputedMinor + total.overRefundedMinor,
        )
        expect(basis === 'order_date' ? bridge.orderDateMinor : bridge.refundDateMinor).toBe(total.netMinor)
        expect(bridge.orderDateMinor + bridge.afterWindowMinor - bridge.ofOtherOrdersMinor).toBe(bridge.refundDateMinor)
      }),
      { seed: 20_261_121, numRuns: 2_000 },
    )
  },
)
