import type { CanonicalType } from '../normalize/canonical-event.ts'
import { fieldMaps, type LedgerStates } from '../normalize/field-map.ts'

/** What is known of one order: sums in minor units of one currency, and its disputes by key. */
export interface OrderMoney {
  captured: bigint
  refunded: bigint
  disputes: ReadonlyMap<string, 'open' | 'won' | 'lost'>
  cancelled: boolean
}

/** The facts of ledger-states.yaml that hold for an order. */
export function factsOf({ captured, refunded, disputes, cancelled }: OrderMoney): Record<string, string> {
  const ends = new Set(disputes.values())
  const refundedIs = refunded > captured ? 'over' : refunded === 0n ? 'none' : refunded === captured ? 'all' : 'part'
  return {
    captured: captured > 0n ? 'some' : 'none',
    refunded: refundedIs,
    disputes: ends.has('open') ? 'open' : ends.has('lost') ? 'lost' : ends.has('won') ? 'won' : 'none',
    cancelled: cancelled ? 'yes' : 'no',
  }
}

/** The first state whose conditions hold. */
export function stateOf({ states }: Pick<LedgerStates, 'states'>, facts: Record<string, string>): string {
  const found = Object.entries(states).find(([, { when }]) =>
    Object.entries(when).every(([fact, values]) => values.includes(facts[fact] ?? '')),
  )
  if (found === undefined) throw new Error('no state holds: the last one must have no conditions')
  return found[0]
}

/** What moved an order, with the sums that it brought; the entries that count, and each once. */
export interface Movement {
  type: CanonicalType
  /** Of the dispute that it opens or ends; null for the others. */
  disputeKey: string | null
  outcome: 'won' | 'lost' | null
  /** Minor units, above 0; 0 where it moves nothing. */
  amountMinor: bigint
  occurredAt: Date
}

export interface Transition {
  at: Date
  event: CanonicalType
  from: string
  to: string
}

/** The money state of an order by all that is known of it. It follows from the set, not from the order of the movements. */
export function orderStateOf(movements: readonly Movement[], states: LedgerStates = fieldMaps.states): string {
  return stateOf(states, factsOf(movements.reduce(move, NOTHING)))
}

/**
 * How the order came to its state: one entry for each change of state, in the vendors' time (an order's movements of one
 * moment in the order of a sale). The same whatever order they arrived in.
 */
export function transitionsOf(movements: readonly Movement[], states: LedgerStates = fieldMaps.states): Transition[] {
  const sorted = movements.toSorted(
    (a, b) =>
      a.occurredAt.getTime() - b.occurredAt.getTime() ||
      ORDER.indexOf(a.type) - ORDER.indexOf(b.type) ||
      (a.disputeKey ?? '').localeCompare(b.disputeKey ?? '', 'en') ||
      Number(a.amountMinor - b.amountMinor),
  )
  let money = NOTHING
  return sorted.flatMap((movement): Transition[] => {
    const from = stateOf(states, factsOf(money))
    money = move(money, movement)
    const to = stateOf(states, factsOf(money))
    return from === to ? [] : [{ at: movement.occurredAt, event: movement.type, from, to }]
  })
}

const ORDER: readonly CanonicalType[] = [
  'order_created',
  'payment_captured',
  'payment_refunded',
  'payment_disputed',
  'dispute_closed',
  'order_cancelled',
]

const NOTHING: OrderMoney = { captured: 0n, refunded: 0n, disputes: new Map(), cancelled: false }

function move(money: OrderMoney, { type, disputeKey, outcome, amountMinor }: Movement): OrderMoney {
  if (type === 'payment_captured') return { ...money, captured: money.captured + amountMinor }
  if (type === 'payment_refunded') return { ...money, refunded: money.refunded + amountMinor }
  if (type === 'order_cancelled') return { ...money, cancelled: true }
  // A dispute that took nothing, or no longer does, is none.
  if (disputeKey === null || (type === 'payment_disputed' && amountMinor === 0n)) return money
  // An end that arrives first is not undone by the beginning, and of two ends `lost` holds.
  const known = money.disputes.get(disputeKey)
  const now = type === 'payment_disputed' ? (known ?? 'open') : known === 'lost' ? 'lost' : (outcome ?? 'lost')
  return { ...money, disputes: new Map(money.disputes).set(disputeKey, now) }
}
