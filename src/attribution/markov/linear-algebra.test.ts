import fc from 'fast-check'
import { expect, test } from 'vitest'
import { invert, rowNorm, solve, times, timesFromLeft } from './linear-algebra.ts'
import { MarkovError } from './markov-error.ts'

test('rows are exchanged where the first entry is 0', () => {
  expect([...invert(Float64Array.of(0, 2, 4, 0), 2)]).toEqual([0, 0.25, 0.5, 0])
  expect([...solve(Float64Array.of(0, 2, 4, 0), Float64Array.of(6, 8))]).toEqual([2, 3])
})

test.each([[[0]], [[1, 2, 2, 4]], [[0, 0, 0, 0]]])('%s is singular', (entries) => {
  expect(() => invert(Float64Array.from(entries), Math.sqrt(entries.length))).toThrow(MarkovError)
})

test('products and the norm by hand', () => {
  const matrix = Float64Array.of(1, -2, 3, 4)
  expect([...times(matrix, Float64Array.of(5, 6))]).toEqual([-7, 39])
  expect([...timesFromLeft(Float64Array.of(5, 6), matrix)]).toEqual([23, 14])
  expect(rowNorm(matrix, 2)).toBe(7)
})

test('a matrix times its inverse is the identity', () => {
  const square = fc.integer({ min: 1, max: 8 }).chain((n) =>
    fc
      .array(fc.integer({ min: -9, max: 9 }), { minLength: n * n, maxLength: n * n })
      // Heavier on the other diagonal, so that it is regular and rows have to be exchanged.
      .map((entries) => ({
        n,
        matrix: Float64Array.from(entries, (entry, at) => entry + (at % n === n - 1 - Math.floor(at / n) ? 100 : 0)),
      })),
  )
  fc.assert(
    fc.property(square, ({ n, matrix }) => {
      const inverse = invert(matrix, n)
      for (let column = 0; column < n; column += 1) {
        const unit = Float64Array.from({ length: n }, (_, row) => inverse[row * n + column] as number)
        const product = times(matrix, unit)
        for (let row = 0; row < n; row += 1) expect(product[row]).toBeCloseTo(row === column ? 1 : 0, 10)
        const right = Float64Array.from({ length: n }, (_, row) => (row === column ? 1 : 0))
        for (const [row, entry] of solve(matrix, right).entries()) expect(entry).toBeCloseTo(unit[row] as number, 12)
      }
    }),
  )
})
