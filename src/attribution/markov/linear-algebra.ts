import { MarkovError } from './markov-error.ts'

/** Square matrices, row-major. Every inner loop runs along a row, and rows that would add zero are passed over. */

interface Factored {
  /** Below the diagonal L (its own diagonal is 1), the rest U, of the matrix with its rows in the order of `rows`. */
  lu: Float64Array
  rows: Int32Array
}

/** LU with partial pivoting. Throws MarkovError `no_exit` for a singular matrix. */
function factor(matrix: Float64Array, n: number): Factored {
  const lu = matrix.slice()
  const rows = Int32Array.from({ length: n }, (_, index) => index)
  for (let k = 0; k < n; k += 1) {
    let pivot = k
    for (let i = k + 1; i < n; i += 1) {
      if (Math.abs(lu[i * n + k] as number) > Math.abs(lu[pivot * n + k] as number)) pivot = i
    }
    if (pivot !== k) {
      swapRows(lu, n, k, pivot)
      const row = rows[k] as number
      rows[k] = rows[pivot] as number
      rows[pivot] = row
    }
    const divisor = lu[k * n + k] as number
    if (divisor === 0) throw new MarkovError('no_exit', 'There are states from which no journey ever ends.')
    for (let i = k + 1; i < n; i += 1) {
      const entry = lu[i * n + k] as number
      if (entry === 0) continue
      lu[i * n + k] = entry / divisor
      subtractRow(lu, i * n + k + 1, lu, k * n + k + 1, n - k - 1, entry / divisor)
    }
  }
  return { lu, rows }
}

/** The inverse. Throws MarkovError `no_exit` for a singular matrix. */
export function invert(matrix: Float64Array, n: number): Float64Array {
  const { lu, rows } = factor(matrix, n)
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i += 1) inverse[i * n + (rows[i] as number)] = 1
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < i; k += 1) subtractRow(inverse, i * n, inverse, k * n, n, lu[i * n + k] as number)
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let k = i + 1; k < n; k += 1) subtractRow(inverse, i * n, inverse, k * n, n, lu[i * n + k] as number)
    const divisor = lu[i * n + i] as number
    for (let j = i * n; j < (i + 1) * n; j += 1) inverse[j] = (inverse[j] as number) / divisor
  }
  return inverse
}

/** x with matrix · x = right. Throws MarkovError `no_exit` for a singular matrix. */
export function solve(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length
  const { lu, rows } = factor(matrix, n)
  const x = Float64Array.from(rows, (row) => right[row] as number)
  for (let i = 0; i < n; i += 1) {
    let sum = x[i] as number
    for (let k = 0; k < i; k += 1) sum -= (lu[i * n + k] as number) * (x[k] as number)
    x[i] = sum
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    let sum = x[i] as number
    for (let k = i + 1; k < n; k += 1) sum -= (lu[i * n + k] as number) * (x[k] as number)
    x[i] = sum / (lu[i * n + i] as number)
  }
  return x
}

/** matrix · vector. */
export function times(matrix: Float64Array, vector: Float64Array): Float64Array {
  const n = vector.length
  const product = new Float64Array(n)
  for (let i = 0; i < n; i += 1) {
    let sum = 0
    for (let j = 0; j < n; j += 1) sum += (matrix[i * n + j] as number) * (vector[j] as number)
    product[i] = sum
  }
  return product
}

/** vector · matrix. */
export function timesFromLeft(vector: Float64Array, matrix: Float64Array): Float64Array {
  const n = vector.length
  const product = new Float64Array(n)
  for (let i = 0; i < n; i += 1) subtractRow(product, 0, matrix, i * n, n, -(vector[i] as number))
  return product
}

/** The largest sum of absolute values along a row. */
export function rowNorm(matrix: Float64Array, n: number): number {
  let largest = 0
  for (let i = 0; i < n; i += 1) {
    let sum = 0
    for (let j = 0; j < n; j += 1) sum += Math.abs(matrix[i * n + j] as number)
    largest = Math.max(largest, sum)
  }
  return largest
}

/** target[at…] -= factor × source[from…], `length` entries. */
function subtractRow(
  target: Float64Array,
  at: number,
  source: Float64Array,
  from: number,
  length: number,
  factor: number,
): void {
  if (factor === 0) return
  for (let j = 0; j < length; j += 1) {
    target[at + j] = (target[at + j] as number) - factor * (source[from + j] as number)
  }
}

function swapRows(matrix: Float64Array, n: number, a: number, b: number): void {
  const row = matrix.slice(a * n, (a + 1) * n)
  matrix.copyWithin(a * n, b * n, (b + 1) * n)
  matrix.set(row, b * n)
}
