/** In the order in which they are shown. */
export const DISCREPANCY_REASONS = [
  'matched',
  'missing_local',
  'missing_remote',
  'amount',
  'currency_fx',
  'timezone_boundary',
  'refund_timing',
  'fee',
  'duplicate',
  'test_order',
  'unsupported_type',
  'view_through',
  'cross_device',
  'other_platform',
  'unexplained',
] as const
export type DiscrepancyReason = (typeof DISCREPANCY_REASONS)[number]

export interface ReasonAmount {
  reason: DiscrepancyReason
  /** Its part of the difference, below 0 where the ledger has more. 0 for `matched`. */
  amountMinor: bigint
  /** Orders or claims behind it. */
  items: number
}

/**
 * The parts of a difference by reason, each reason once, which sum to it exactly: parts of one reason are added, and what
 * no part covers (or covers twice, then with the other sign) is `unexplained`. Throws RangeError for a `matched` part of
 * any amount, since what agrees explains nothing.
 */
export function reasonsFor(differenceMinor: bigint, parts: readonly ReasonAmount[]): ReasonAmount[] {
  if (parts.some(({ reason, amountMinor }) => reason === 'matched' && amountMinor !== 0n)) {
    throw new RangeError('what is matched differs by nothing')
  }
  const rest = differenceMinor - sumOf(parts.map(({ amountMinor }) => amountMinor))
  const all = rest === 0n ? parts : [...parts, { reason: 'unexplained' as const, amountMinor: rest, items: 0 }]
  return DISCREPANCY_REASONS.flatMap((reason) => {
    const same = all.filter((part) => part.reason === reason)
    if (same.length === 0) return []
    const items = same.reduce((sum, part) => sum + part.items, 0)
    return [{ reason, amountMinor: sumOf(same.map(({ amountMinor }) => amountMinor)), items }]
  })
}

function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n)
}
