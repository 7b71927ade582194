import { type CurveEstimate, responseGradient } from './curve-estimate.ts'
import { invert, solve } from './positive-definite.ts'
import { type ResponseCurve, responseAt, saturation } from './response-curve.ts'

/** beta, k and a. */
export const PARAMETERS = 3

/** Effective spend above 0, and what it brought. */
export interface Point {
  x: number
  y: number
}

/** Where the search starts: half saturation in multiples of the mean spend, and steepness. */
const START_K = [0.1, 0.2, 0.4, 0.7, 1, 1.5, 2.5, 5, 10]
const START_A = [0.4, 0.6, 0.8, 1, 1.3, 1.7, 2.2, 3, 4]
const MAX_ITERATIONS = 200
const MAX_DAMPING = 1e12
/** The part by which the sum of squares still falls when the search ends. */
const AT_REST = 1e-14

/**
 * The Hill curve with the least sum of squared residuals, by Levenberg-Marquardt over the logarithms of its parameters
 * from the best of a fixed grid. Null where revenue does not grow with spend, or the points fit more than one curve.
 */
export function leastSquares(points: readonly Point[]): CurveEstimate | null {
  const start = bestStart(points)
  return start && estimateAt(descend(start, points), points)
}

function descend(start: ResponseCurve, points: readonly Point[]): ResponseCurve {
  let curve = start
  let squares = squaresOf(curve, points)
  let damping = 1e-3
  for (let iteration = 0; iteration < MAX_ITERATIONS && damping < MAX_DAMPING; iteration++) {
    const { normal, slope } = normalEquations(curve, points)
    const step = solve(damped(normal, damping), slope)
    const next = moved(curve, step ?? [0, 0, 0])
    const nextSquares = step === null ? Infinity : squaresOf(next, points)
    if (!(nextSquares <= squares)) {
      damping *= 10
      continue
    }
    const isAtRest = squares - nextSquares <= AT_REST * squares
    curve = next
    squares = nextSquares
    damping /= 10
    if (isAtRest) break
  }
  return curve
}

/** With the covariance of the linearised model: residual variance × the inverse of the normal equations. */
function estimateAt(curve: ResponseCurve, points: readonly Point[]): CurveEstimate | null {
  const inverse = invert(normalEquations(curve, points).normal)
  if (inverse === null) return null
  const variance = squaresOf(curve, points) / (points.length - PARAMETERS)
  return { curve, covariance: inverse.map((row) => row.map((cell) => cell * variance)) }
}

/** Beta follows from the others, since the curve is linear in it. Null where revenue does not grow with spend at all. */
function bestStart(points: readonly Point[]): ResponseCurve | null {
  const scale = points.reduce((sum, { x }) => sum + x, 0) / points.length
  const starts = START_K.flatMap((multiple) => START_A.map((a) => ({ beta: 1, k: multiple * scale, a })))
  const curves = starts.map((start) => {
    const shares = points.map(({ x }) => saturation(start, x))
    const product = shares.reduce((sum, share, index) => sum + share * (points[index] as Point).y, 0)
    return { ...start, beta: product / shares.reduce((sum, share) => sum + share * share, 0) }
  })
  const usable = curves.filter(({ beta }) => beta > 0)
  const squares = usable.map((curve) => squaresOf(curve, points))
  return usable[squares.indexOf(Math.min(...squares))] ?? null
}

function squaresOf(curve: ResponseCurve, points: readonly Point[]): number {
  return points.reduce((sum, { x, y }) => sum + (y - responseAt(curve, x)) ** 2, 0)
}

function normalEquations(curve: ResponseCurve, points: readonly Point[]): { normal: number[][]; slope: number[] } {
  const normal = [0, 1, 2].map(() => [0, 0, 0])
  const slope = [0, 0, 0]
  for (const { x, y } of points) {
    const gradient = responseGradient(curve, x)
    const residual = y - responseAt(curve, x)
    for (const [row, first] of gradient.entries()) {
      slope[row] = (slope[row] as number) + first * residual
      for (const [column, second] of gradient.entries()) {
        const cells = normal[row] as number[]
        cells[column] = (cells[column] as number) + first * second
      }
    }
  }
  return { normal, slope }
}

function damped(normal: readonly (readonly number[])[], damping: number): number[][] {
  return normal.map((cells, row) => cells.map((cell, column) => (row === column ? cell * (1 + damping) : cell)))
}

function moved(curve: ResponseCurve, [beta = 0, k = 0, a = 0]: readonly number[]): ResponseCurve {
  return { beta: curve.beta * Math.exp(beta), k: curve.k * Math.exp(k), a: curve.a * Math.exp(a) }
}
