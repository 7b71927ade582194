/**
 * The part of its final claims that a platform has made by the end of each day after the window's day: index 0 is that
 * day. Each row of the history holds the claims of one day as they stood 0, 1, 2 ... days later, up to the last, which is
 * final. Null without a final claim.
 */
export function lagCurveOf(history: readonly (readonly bigint[])[]): number[] | null {
  const final = sumOf(history.map((row) => row.at(-1) ?? 0n))
  if (final <= 0n) return null
  const ages = Math.min(...history.map((row) => row.length))
  return Array.from({ length: ages }, (_, age) => {
    const reached = Number(sumOf(history.map((row) => row[age] as bigint))) / Number(final)
    return Math.min(Math.max(reached, 0), 1)
  })
}

/**
 * Claimed so far ÷ what is expected in the end, between 0 and 1, where each day is expected to grow by the curve; days
 * beyond it are final. Null where nothing is claimed, or a day is of an age at which nothing was ever claimed.
 */
export function completenessOf(
  days: readonly { claimedMinor: bigint; ageDays: number }[],
  lagCurve: readonly number[],
): number | null {
  const claimed = days.reduce((sum, { claimedMinor }) => sum + Number(claimedMinor), 0)
  const expected = days.reduce(
    (sum, { claimedMinor, ageDays }) => sum + Number(claimedMinor) / (lagCurve[ageDays] ?? 1),
    0,
  )
  return expected > 0 && Number.isFinite(expected) ? claimed / expected : null
}

function sumOf(amounts: readonly bigint[]): bigint {
  return amounts.reduce((sum, amount) => sum + amount, 0n)
}
