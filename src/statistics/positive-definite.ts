export type Matrix = readonly (readonly number[])[]

/** Below this part of the diagonal a pivot is rounding noise: the columns do not tell their parameters apart. */
const SINGULAR = 1e-12

/** The inverse of a symmetric positive definite matrix, which is symmetric too; null where it is singular. */
export function invert(matrix: Matrix): number[][] | null {
  const unit = (one: number) => matrix.map((_, row) => (row === one ? 1 : 0))
  const columns = matrix.map((_, one) => solve(matrix, unit(one)))
  return columns.every((column) => column !== null) ? columns : null
}

/** The x with `matrix` · x = `right`, by Cholesky's method; null where the matrix is not positive definite beyond rounding. */
export function solve(matrix: Matrix, right: readonly number[]): number[] | null {
  const lower = matrix.map(() => new Array<number>(matrix.length).fill(0))
  for (let row = 0; row < matrix.length; row++) {
    for (let column = 0; column <= row; column++) {
      let rest = at(matrix, row, column)
      for (let inner = 0; inner < column; inner++) rest -= at(lower, row, inner) * at(lower, column, inner)
      if (row !== column) (lower[row] as number[])[column] = rest / at(lower, column, column)
      else if (rest <= SINGULAR * at(matrix, row, row)) return null
      else (lower[row] as number[])[row] = Math.sqrt(rest)
    }
  }
  const forward: number[] = []
  for (const [row, value] of right.entries()) {
    forward.push(
      forward.reduce((rest, known, column) => rest - at(lower, row, column) * known, value) / at(lower, row, row),
    )
  }
  const solution = new Array<number>(right.length).fill(0)
  for (let row = right.length - 1; row >= 0; row--) {
    let rest = forward[row] as number
    for (let below = row + 1; below < right.length; below++) rest -= at(lower, below, row) * (solution[below] as number)
    solution[row] = rest / at(lower, row, row)
  }
  return solution
}

function at(matrix: Matrix, row: number, column: number): number {
  return matrix[row]?.[column] as number
}
