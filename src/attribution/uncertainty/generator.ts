import { createHash } from 'node:crypto'

/** State of xoshiro128**: four unsigned words, not all zero. */
export type GeneratorState = Uint32Array

/** The first 16 bytes of SHA-256 over the text, as little-endian words. */
export function seedFrom(text: string): GeneratorState {
  const digest = createHash('sha256').update(text, 'utf8').digest()
  return Uint32Array.from([0, 4, 8, 12], (offset) => digest.readUInt32LE(offset))
}

/**
 * Fills `into` with the next whole numbers from 0 to 2^32 − 1. Whole numbers alone, so that any language gives the same.
 * Source: Blackman and Vigna, https://prng.di.unimi.it/xoshiro128starstar.c
 */
export function drawUint32s(state: GeneratorState, into: Uint32Array): void {
  let a = state[0] as number
  let b = state[1] as number
  let c = state[2] as number
  let d = state[3] as number
  for (let index = 0; index < into.length; index += 1) {
    into[index] = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotateLeft(d, 11)
  }
  state.set([a, b, c, d])
}

/** Evenly from 0 to `bound` − 1: numbers that would favour the low end are passed over. `bound` is 1 to 2^32. */
export function nextBelow(state: GeneratorState, bound: number): number {
  const limit = 2 ** 32 - (2 ** 32 % bound)
  const buffer = new Uint32Array(1)
  for (;;) {
    drawUint32s(state, buffer)
    const drawn = buffer[0] as number
    if (drawn < limit) return drawn % bound
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
