import fc from 'fast-check'
import { expect, test } from 'vitest'
import { toView, writeInt8 } from './records.ts'

const written = (value: number | bigint) => {
  const buffer = Buffer.alloc(16)
  expect(writeInt8(toView(buffer), value, 8)).toBe(16)
  return buffer.readBigInt64BE(8)
}

test('writes any integer of 64 bits, and no larger one', () => {
  const integer = fc.oneof(fc.maxSafeInteger(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n))
  fc.assert(
    fc.property(integer, (value) => {
      expect(written(value)).toBe(BigInt(value))
    }),
  )
  for (const value of [2n ** 63n, -(2n ** 63n) - 1n]) expect(() => written(value)).toThrow(RangeError)
})
