import { expect, test } from 'vitest'
import { createIntegerColumn, pushInteger, toArrayArray, toBytesArray, toIntegerArray, toTextArray } from './columns.ts'

test('texts are quoted, so that nothing in them is read as part of the array', () => {
  expect(toTextArray(['a', 'b,c', '{}', 'say "no"', 'back\\slash', '', 'NULL', null])).toBe(
    '{"a","b,c","{}","say \\"no\\"","back\\\\slash","","NULL",NULL}',
  )
})

test('arrays of arrays need not be rectangles', () => {
  expect(toArrayArray([[1n, -2n], [], null, ['USD']])).toBe('{"{1,-2}","{}",NULL,"{USD}"}')
  expect(toBytesArray([Buffer.from('00ff', 'hex')])).toBe('{"\\\\x00ff"}')
})

test('integers in binary: the header, then each with its length', () => {
  const column = createIntegerColumn(4)
  for (const value of [1, -1, 2 ** 40, -(2n ** 60n)]) pushInteger(column, value)
  expect(toIntegerArray(column).toString('hex')).toBe(
    ['00000001', '00000001', '00000014', '00000004', '00000001'].join('') +
      ['0000000000000001', 'ffffffffffffffff', '0000010000000000', 'f000000000000000']
        .map((value) => `00000008${value}`)
        .join(''),
  )
})
