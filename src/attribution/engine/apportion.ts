import { allocate } from '../../money.ts'
import type { Part } from './order.ts'

/** Weights of one journey by one model, made ready to share out one amount after the other. */
export interface Weights {
  exact: readonly Part[]
  /** The same as numbers, and their sum; null where the sum is beyond 2^44. */
  fast: { weights: readonly number[]; sum: number } | null
}

const MAX_FAST_SUM = 2 ** 44
const MAX_FAST_TOTAL = BigInt(Number.MAX_SAFE_INTEGER)

/** None of them negative. */
export function toWeights(exact: readonly Part[]): Weights {
  const weights = new Array<number>(exact.length)
  let sum = 0
  for (let index = 0; index < exact.length; index += 1) {
    const weight = Number(exact[index])
    weights[index] = weight
    sum += weight
  }
  return { exact, fast: sum > 0 && sum <= MAX_FAST_SUM ? { weights, sum } : null }
}

/**
 * The same parts as `allocate` of money.ts gives, and faster: numbers carry every step exactly, since none exceeds 2^53.
 * Throws RangeError as it does.
 */
export function apportion(total: bigint, { exact, fast }: Weights): Part[] {
  const isNegative = total < 0n
  const magnitude = isNegative ? -total : total
  if (fast === null || magnitude > MAX_FAST_TOTAL) return allocate(total, exact.map(BigInt)).map(toPart)
  const parts = shareNumber(Number(magnitude), fast)
  if (isNegative) for (let index = 0; index < parts.length; index += 1) parts[index] = 0 - (parts[index] as number)
  return parts
}

/** a + b */
export function addParts(a: Part, b: Part): Part {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return toPart(BigInt(a) + BigInt(b))
}

function toPart(value: bigint): Part {
  return value >= -MAX_FAST_TOTAL && value <= MAX_FAST_TOTAL ? Number(value) : value
}

function shareNumber(total: number, { weights, sum }: { weights: readonly number[]; sum: number }): number[] {
  const parts = new Array<number>(weights.length)
  const remainders = new Array<number>(weights.length)
  let left = total
  for (let index = 0; index < weights.length; index += 1) {
    const weight = weights[index] as number
    const product = total * weight
    if (product <= Number.MAX_SAFE_INTEGER) {
      const remainder = product % sum
      remainders[index] = remainder
      parts[index] = (product - remainder) / sum
    } else [parts[index], remainders[index]] = divideProduct(total, weight, sum)
    left -= parts[index] as number
  }
  if (left > 0) giveRest(parts, { remainders, weights, left })
  return parts
}

/** One unit each to the largest remainders, then to the larger weight, then to the lower index. */
function giveRest(
  parts: number[],
  { remainders, weights, left }: { remainders: readonly number[]; weights: readonly number[]; left: number },
): void {
  if (left === 1) {
    const index = findLargest(remainders, weights)
    parts[index] = (parts[index] as number) + 1
    return
  }
  // All remainders have the same denominator, so comparing them as integers is exact.
  const ranked = Array.from(parts.keys()).sort(
    (a, b) =>
      (remainders[b] as number) - (remainders[a] as number) || (weights[b] as number) - (weights[a] as number) || a - b,
  )
  for (let rank = 0; rank < left; rank += 1) {
    const index = ranked[rank] as number
    parts[index] = (parts[index] as number) + 1
  }
}

function findLargest(remainders: readonly number[], weights: readonly number[]): number {
  let found = 0
  for (let index = 1; index < remainders.length; index += 1) {
    const ahead = (remainders[index] as number) - (remainders[found] as number)
    if (ahead > 0 || (ahead === 0 && (weights[index] as number) > (weights[found] as number))) found = index
  }
  return found
}

/** Quotient and remainder of total * weight / sum by long division, eight binary digits of the total at a time. */
function divideProduct(total: number, weight: number, sum: number): [quotient: number, remainder: number] {
  let quotient = 0
  let remainder = 0
  for (let place = total < 2 ** 24 ? 2 ** 16 : 2 ** 48; place >= 1; place /= 256) {
    const digit = Math.floor(total / place) % 256
    // Both terms are below 256 * 2^44, so their sum is below 2^53.
    const step = remainder * 256 + digit * weight
    remainder = step % sum
    quotient = quotient * 256 + (step - remainder) / sum
  }
  return [quotient, remainder]
}
