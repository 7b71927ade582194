/**
 * Sums modulo 2^256 of hashes: equal sets of hashes have equal sums, in whatever order they were added, and one hash that leaves or
 * comes changes the sum without the others. Tells a difference that came about by itself; it is no signature.
 * Source: AdHash of Bellare and Micciancio, A New Paradigm for Collision-Free Hashing (1997), with a modulus of 2^256.
 */
export interface HashSums {
  /** Of each sum eight digits of 32 bits, the highest first, which carry late: a number is exact up to 2^53. */
  digits: Float64Array
  added: number
}

export const SUM_BYTES = 32
const DIGITS = 8
const BASE = 2 ** 32
/** So many digits of 32 bits may be added before one exceeds 2^52. */
const MAX_ADDED = 2 ** 20

export function createHashSums(sums: number): HashSums {
  return { digits: new Float64Array(sums * DIGITS), added: 0 }
}

/** Adds a hash of 32 bytes to each sum, or takes it away: `hashes` has them one after the other from `first` on. */
export function addHashes(sums: HashSums, hashes: Buffer, { first, sign }: { first: number; sign: 1 | -1 }): void {
  const { digits } = sums
  const count = hashes.length / 4
  for (let index = 0; index < count; index += 1) {
    const place = first * DIGITS + index
    digits[place] = (digits[place] as number) + sign * hashes.readUInt32BE(index * 4)
  }
  sums.added += 1
  if (sums.added >= MAX_ADDED) carry(sums)
}

/** Each sum as 32 bytes, the highest first. */
export function readSums(sums: HashSums): Buffer[] {
  carry(sums)
  return Array.from({ length: sums.digits.length / DIGITS }, (_, sum) => {
    const bytes = Buffer.alloc(SUM_BYTES)
    for (let digit = 0; digit < DIGITS; digit += 1) {
      bytes.writeUInt32BE(sums.digits[sum * DIGITS + digit] as number, digit * 4)
    }
    return bytes
  })
}

function carry(sums: HashSums): void {
  const { digits } = sums
  for (let last = DIGITS - 1; last < digits.length; last += DIGITS) {
    let over = 0
    for (let place = last; place > last - DIGITS; place -= 1) {
      const value = (digits[place] as number) + over
      over = Math.floor(value / BASE)
      digits[place] = value - over * BASE
    }
  }
  sums.added = 0
}
