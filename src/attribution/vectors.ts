export function sum(amounts: Float64Array): number {
  let total = 0
  for (let index = 0; index < amounts.length; index += 1) total += amounts[index] as number
  return total
}

/** Each as a part of their sum; zeros where that is 0. */
export function toParts(amounts: Float64Array): Float64Array {
  const total = sum(amounts)
  return amounts.map((amount) => (total === 0 ? 0 : amount / total))
}
