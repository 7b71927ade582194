// Random numbers of made-up traffic: the same on every machine and Node version, which Math.random is not.

import { createHash } from 'node:crypto'

export interface Random {
  /** Uniform in 0..2^32-1. */
  uint32(): number
  /** Uniform integer, both ends included. */
  integer(low: number, high: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** Picks with the given relative weights. */
  pickWeighted<T extends { weight: number }>(items: readonly T[]): T
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[]
  /** `length` characters of `alphabet`. */
  text(length: number, alphabet: string): string
}

/**
 * sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, period of at least 2^32, passes BigCrush. Seeded with the
 * SHA-256 of `label`, so each kind of traffic has its own stream: more of one kind leaves the others as they were.
 */
export function randomOf(label: string): Random {
  const digest = createHash('sha256').update(label).digest()
  let a = digest.readUInt32LE(0) | 0
  let b = digest.readUInt32LE(4) | 0
  let c = digest.readUInt32LE(8) | 0
  let counter = 1

  const uint32 = () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return sum >>> 0
  }
  // The first outputs of sfc32 still resemble its seed; its author discards 12.
  for (let i = 0; i < 12; i++) uint32()

  const integer = (low: number, high: number) => low + Math.floor((uint32() / 2 ** 32) * (high - low + 1))
  const pick = <T>(items: readonly T[]): T => items[integer(0, items.length - 1)] as T
  return {
    uint32,
    integer,
    pick,
    chance: (probability) => uint32() / 2 ** 32 < probability,
    pickWeighted: <T extends { weight: number }>(items: readonly T[]) => {
      let left =
        (uint32() / 2 ** 32) *
        items.reduce((sum, item) => {
          return sum + item.weight
        }, 0)
      for (const item of items) {
        left -= item.weight
        if (left < 0) return item
      }
      return items.at(-1) as T
    },
    shuffle: <T>(items: readonly T[]) => {
      const copy = [...items]
      for (let i = copy.length - 1; i > 0; i--) {
        const j = integer(0, i)
        const held = copy[i] as T
        copy[i] = copy[j] as T
        copy[j] = held
      }
      return copy
    },
    text: (length, alphabet) => Array.from({ length }, () => alphabet[integer(0, alphabet.length - 1)]).join(''),
  }
}

export const HEX = '0123456789abcdef'
export const ALPHANUMERIC = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** The form of a ULID. Its time part is random as well, so that ids do not change with the day. */
export function ulid(random: Random): string {
  return `0${random.text(25, CROCKFORD)}`
}

/** Version 4 in form. */
export function uuid(random: Random): string {
  const h = random.text(32, HEX)
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20)}`
}
