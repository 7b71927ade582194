import { expect, test } from 'vitest'
import { toArrayArray, toBytesArray, toTextArray, toTimeArray } from './columns.ts'

test('texts are quoted, so that nothing in them is read as part of the array', () => {
  expect(toTextArray(['a', 'b,c', '{}', 'say "no"', 'back\\slash', '', 'NULL', null])).toBe(
    '{"a","b,c","{}","say \\"no\\"","back\\\\slash","","NULL",NULL}',
  )
})

test('arrays of arrays need not be rectangles', () => {
  expect(toArrayArray([[1n, -2n], [], null, ['USD']])).toBe('{"{1,-2}","{}",NULL,"{USD}"}')
})

test('bytes in binary: the header, then each with its length', () => {
  expect(toBytesArray([Buffer.from('00ff', 'hex'), Buffer.alloc(0)]).toString('hex')).toBe(
    ['00000001', '00000001', '00000011', '00000002', '00000001', '00000002', '00ff', '00000000'].join(''),
  )
})

test('times in binary: the header, then each with its length, in microseconds since 2000', () => {
  const at = Date.parse('2000-01-01T00:00:00Z') * 1_000
  expect(toTimeArray([at, at - 1, at + 2 ** 40]).toString('hex')).toBe(
    ['00000001', '00000001', '000004a0', '00000003', '00000001'].join('') +
      ['0000000000000000', 'ffffffffffffffff', '0000010000000000'].map((value) => `00000008${value}`).join(''),
  )
})
