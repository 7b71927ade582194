import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fieldMaps } from '../normalize/field-map.ts'
import { type Movement, orderStateOf, transitionsOf } from './order-state.ts'

const at = (hour: number) => new Date(Date.UTC(2026, 10, 20, hour))
const move = (type: Movement['type'], amountMinor: bigint, hour: number, change: Partial<Movement> = {}): Movement => ({
  type,
  amountMinor,
  occurredAt: at(hour),
  disputeKey: null,
  outcome: null,
  ...change,
})

const paid = move('payment_captured', 100n, 1)
const dispute = move('payment_disputed', 100n, 4, { disputeKey: 'd' })
const won = move('dispute_closed', 0n, 9, { disputeKey: 'd', outcome: 'won' })
const lost = move('dispute_closed', 0n, 9, { disputeKey: 'd', outcome: 'lost' })

test.each<[string, Movement[], string]>([
  ['nothing', [], 'unpaid'],
  ['an order', [move('order_created', 0n, 0)], 'unpaid'],
  ['one that was called off', [move('order_cancelled', 0n, 0)], 'cancelled'],
  ['a payment', [paid], 'captured'],
  ['a refund of a part', [paid, move('payment_refunded', 30n, 2)], 'partially_refunded'],
  ['two that make it whole', [paid, move('payment_refunded', 30n, 2), move('payment_refunded', 70n, 3)], 'refunded'],
  ['too much', [paid, move('payment_refunded', 101n, 2)], 'over_refunded'],
  ['a refund before its payment', [move('payment_refunded', 30n, 2)], 'over_refunded'],
  ['an open dispute', [paid, dispute], 'disputed'],
  ['one that takes nothing any more', [paid, { ...dispute, amountMinor: 0n }], 'captured'],
  ['a won one', [paid, dispute, won], 'dispute_won'],
  ['a lost one', [paid, dispute, lost], 'dispute_lost'],
  ['one that ended before it began', [paid, won], 'dispute_won'],
])('%s', (_name, movements, state) => {
  expect(orderStateOf(movements)).toBe(state)
})

test('the way to a state, in the time of the vendors', () => {
  const movements = [won, dispute, move('payment_refunded', 30n, 2), paid, move('order_created', 0n, 0)]
  expect(transitionsOf(movements)).toEqual([
    { at: at(1), event: 'payment_captured', from: 'unpaid', to: 'captured' },
    { at: at(2), event: 'payment_refunded', from: 'captured', to: 'partially_refunded' },
    { at: at(4), event: 'payment_disputed', from: 'partially_refunded', to: 'disputed' },
    { at: at(9), event: 'dispute_closed', from: 'disputed', to: 'partially_refunded' },
  ])
})

test('neither depends on the order of the movements, and each step is one that the registry has', () => {
  const known = new Set(
    fieldMaps.states.transitions.flatMap(({ from, event, to }) => to.map((state) => `${from} ${event} ${state}`)),
  )
  const movement = fc.oneof(
    fc.record({ type: fc.constantFrom('payment_captured', 'payment_refunded'), amountMinor: fc.bigInt(1n, 3n) }),
    fc.record({
      type: fc.constant('payment_disputed'),
      amountMinor: fc.constant(1n),
      disputeKey: fc.constantFrom('d', 'e'),
    }),
    fc.record({
      type: fc.constant('dispute_closed'),
      amountMinor: fc.constant(0n),
      disputeKey: fc.constantFrom('d', 'e'),
      outcome: fc.constant('won'),
    }),
    fc.record({ type: fc.constantFrom('order_created', 'order_cancelled'), amountMinor: fc.constant(0n) }),
  )
  const timed = fc
    .tuple(movement, fc.integer({ min: 0, max: 20 }))
    .map(([each, hour]): Movement => ({ ...move('order_created', 0n, hour), ...(each as Partial<Movement>) }))
  fc.assert(
    fc.property(
      fc
        .array(timed, { maxLength: 10 })
        .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) => {
        expect(orderStateOf(shuffled)).toBe(orderStateOf(list))
        const steps = transitionsOf(list)
        expect(transitionsOf(shuffled)).toEqual(steps)
        expect(steps.at(-1)?.to ?? 'unpaid').toBe(orderStateOf(list))
        for (const { from, event, to } of steps) expect(known).toContain(`${from} ${event} ${to}`)
      },
    ),
  )
})
