/**
 * Powers of one half in fixed point, by whole numbers alone: floating point differs in its last digit from one library
 * to the next, and one unit of money would follow it.
 */

/** Weights of a decay are parts of this. */
export const DECAY_ONE = 1n << 40n

/** Of the factors, so that the product of four still has 40 true digits. */
const FACTOR_BITS = 64n
const FACTOR_ONE = 1n << FACTOR_BITS
const DIGIT_BITS = 10n
const DIGIT_BASE = 1024

/** 2^-(digit / 1024^place) for place 1 to 4 and digit 0 to 1023, in parts of 2^64. */
const FACTORS: readonly (readonly bigint[])[] = tabulate()

/**
 * 2^-(age / halfLife) in parts of 2^40, within one part of the true value. Both in the same unit, age 0 or more.
 * Nothing is left after 41 half-lives.
 */
export function halve(age: bigint, halfLife: bigint): bigint {
  const whole = age / halfLife
  if (whole > 40n) return 0n
  const rest = age - whole * halfLife
  if (rest === 0n) return DECAY_ONE >> whole
  let left = Number((rest << 40n) / halfLife) / DIGIT_BASE ** 4
  let product = FACTOR_ONE
  for (const factors of FACTORS) {
    left *= DIGIT_BASE
    const digit = Math.floor(left)
    left -= digit
    if (digit > 0) product = (product * (factors[digit] as bigint)) >> FACTOR_BITS
  }
  return product >> (FACTOR_BITS - 40n + whole)
}

function tabulate(): bigint[][] {
  // Ten square roots of 1/2 are 2^-(1/1024); each place is the 1024th root of the one before.
  let base = 1n << (FACTOR_BITS - 1n)
  return [1, 2, 3, 4].map(() => {
    for (let step = 0n; step < DIGIT_BITS; step += 1n) base = squareRoot(base << FACTOR_BITS)
    let power = FACTOR_ONE
    return Array.from({ length: DIGIT_BASE }, () => {
      const factor = power
      power = (power * base) >> FACTOR_BITS
      return factor
    })
  })
}

/** Rounded down, by Newton's method from above. */
function squareRoot(square: bigint): bigint {
  let root = 1n << (BigInt(square.toString(2).length + 1) / 2n + 1n)
  for (;;) {
    const next = (root + square / root) >> 1n
    if (next >= root) return root
    root = next
  }
}
