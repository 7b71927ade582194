import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addHashes, createHashSums, readSums } from './hash-sum.ts'

const MODULUS = 2n ** 256n
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes))
const toNumber = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`)
const toBytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')

test('is the sum modulo 2^256 of what came and left, in any order', () => {
  const change = fc.tuple(hash, fc.constantFrom<1 | -1>(1, -1))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const sums = createHashSums(1)
      for (const [bytes, sign] of changes) addHashes(sums, bytes, { first: 0, sign })
      const total = changes.reduce((sum, [bytes, sign]) => sum + BigInt(sign) * toNumber(bytes), 0n)
      expect(readSums(sums)).toEqual([toBytes(((total % MODULUS) + MODULUS) % MODULUS)])
    }),
  )
})

test('several sums at once, from a given one on', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => createHash('sha256').update(text).digest()) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  const sums = createHashSums(3)
  addHashes(sums, a, { first: 0, sign: 1 })
  addHashes(sums, Buffer.concat([b, c]), { first: 1, sign: 1 })
  expect(readSums(sums)).toEqual([a, b, c])
  addHashes(sums, b, { first: 1, sign: -1 })
  expect(readSums(sums)).toEqual([a, Buffer.alloc(32), c])
})

test('stays exact beyond what the digits hold without carrying', () => {
  const highest = Buffer.alloc(32, 0xff)
  const sums = createHashSums(1)
  const count = 2 ** 20 * 2 + 3
  for (let index = 0; index < count; index += 1) addHashes(sums, highest, { first: 0, sign: 1 })
  expect(readSums(sums)).toEqual([toBytes(MODULUS - BigInt(count))])
})
