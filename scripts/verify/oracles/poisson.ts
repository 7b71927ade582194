import { createHash } from 'node:crypto'

const MASK = 0xffff_ffffn
const rotate = (word: bigint, bits: bigint) => ((word << bits) | (word >> (32n - bits))) & MASK

/** The first numbers of xoshiro128** for this text, in the notation of its authors, on big integers. */
export function slowUint32s(text: string, length: number): number[] {
  const digest = createHash('sha256').update(text).digest()
  const s = [0, 4, 8, 12].map((offset) => BigInt(digest.readUInt32LE(offset))) as [bigint, bigint, bigint, bigint]
  return Array.from({ length }, () => {
    const result = (rotate((s[1] * 5n) & MASK, 7n) * 9n) & MASK
    const t = (s[1] << 9n) & MASK
    s[2] ^= s[0]
    s[3] ^= s[1]
    s[1] ^= s[2]
    s[0] ^= s[3]
    s[2] ^= t
    s[3] = rotate(s[3], 11n)
    return Number(result)
  })
}

/** How often a unit is in a resample: the k with P(X < k) ≤ u < P(X ≤ k), X of Poisson(1), in whole parts of 2^32. */
export function slowPoissonWeight(uint32: number): number {
  let [weight, term, below] = [0, Math.exp(-1), Math.exp(-1)]
  while (uint32 >= Math.floor(below * 2 ** 32) && weight < 13) {
    weight += 1
    term /= weight
    below += term
  }
  return weight
}
