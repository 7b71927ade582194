import type { LedgerStates } from './data.ts'

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
