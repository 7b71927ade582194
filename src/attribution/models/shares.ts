const FRACTION_BITS = 80n

/** Weights as parts of one, for sums over many journeys; money is never shared by these. */
export function toShares(weights: readonly bigint[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0n)
  if (sum <= BigInt(Number.MAX_SAFE_INTEGER)) return weights.map((weight) => Number(weight) / Number(sum))
  const scale = 2 ** Number(FRACTION_BITS)
  return weights.map((weight) => Number((weight << FRACTION_BITS) / sum) / scale)
}
