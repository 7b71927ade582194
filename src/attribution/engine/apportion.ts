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
const BASE = 256
/** Units left over that are given by so many searches; for more, sorting once is faster. */
const MAX_SEARCHES = 16
/** Less than any remainder. */
const TAKEN = -1

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

/** Long division of total * weight by the sum, for each weight. */
function shareNumber(total: number, { weights, sum }: { weights: readonly number[]; sum: number }): number[] {
  const digits = total * sum <= Number.MAX_SAFE_INTEGER ? [total] : toDigits(total)
  const parts = new Array<number>(weights.length)
  const remainders = new Array<number>(weights.length)
  let left = total
  for (let index = 0; index < weights.length; index += 1) {
    const weight = weights[index] as number
    let quotient = 0
    let remainder = 0
    for (const digit of digits) {
      // Both terms are below 256 * 2^44, so their sum is below 2^53.
      const step = remainder * BASE + digit * weight
      // Below 2^53 a quotient that is not whole is further from the next whole number than rounding moves it.
      const share = Math.floor(step / sum)
      remainder = step - share * sum
      quotient = quotient * BASE + share
    }
    parts[index] = quotient
    remainders[index] = remainder
    left -= quotient
  }
  if (left > 0) giveRest(parts, { remainders, weights, left })
  return parts
}

/** To the base of 256, the highest first. */
function toDigits(value: number): number[] {
  const digits: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / BASE)) digits.push(rest % BASE)
  return digits.reverse()
}

/** One unit each to the largest remainders, then to the larger weight, then to the lower index. */
function giveRest(
  parts: number[],
  { remainders, weights, left }: { remainders: number[]; weights: readonly number[]; left: number },
): void {
  if (left > MAX_SEARCHES) {
    for (const index of rank(remainders, weights).slice(0, left)) parts[index] = (parts[index] as number) + 1
    return
  }
  for (let given = 0; given < left; given += 1) {
    const index = findLargest(remainders, weights)
    parts[index] = (parts[index] as number) + 1
    remainders[index] = TAKEN
  }
}

/** All places. All remainders have the same denominator, so comparing them as integers is exact. */
function rank(remainders: readonly number[], weights: readonly number[]): number[] {
  return Array.from(remainders.keys()).sort(
    (a, b) =>
      (remainders[b] as number) - (remainders[a] as number) || (weights[b] as number) - (weights[a] as number) || a - b,
  )
}

/** The place that `rank` has first. */
function findLargest(remainders: readonly number[], weights: readonly number[]): number {
  let found = 0
  for (let index = 1; index < remainders.length; index += 1) {
    const ahead = (remainders[index] as number) - (remainders[found] as number)
    if (ahead > 0 || (ahead === 0 && (weights[index] as number) > (weights[found] as number))) found = index
  }
  return found
}
