import { marginalAt, type ResponseCurve, responseAt, saturation } from './response-curve.ts'

/** Rows and columns are ln beta, ln k and ln a. */
export type Covariance = readonly (readonly number[])[]

export interface CurveEstimate {
  /** Over the spend of one week that is the same each week. Over w such weeks beta and k are w times as large. */
  curve: ResponseCurve
  /** Of the logarithms of the parameters, so that it holds for any unit of money and number of weeks. */
  covariance: Covariance
}

export interface Interval {
  low: number
  expected: number
  high: number
}

/** The marginal at a spend above 0, `width` standard errors to each side. The lower end may be below 0. */
export function marginalInterval({ curve, covariance }: CurveEstimate, spend: number, width: number): Interval {
  const expected = marginalAt(curve, spend)
  const turn = curve.a * (1 - 2 * saturation(curve, spend))
  const gradient = [1, -turn, 1 + turn * Math.log(spend / curve.k)].map((slope) => slope * expected)
  const error = width * standardError(gradient, covariance)
  return { low: expected - error, expected, high: expected + error }
}

/** How the response at a spend moves with ln beta, ln k and ln a. */
export function responseGradient(curve: ResponseCurve, spend: number): [number, number, number] {
  if (spend === 0) return [0, 0, 0]
  const response = responseAt(curve, spend)
  const bend = response * (1 - saturation(curve, spend)) * curve.a
  return [response, -bend, bend * Math.log(spend / curve.k)]
}

/** Of a quantity that moves so with ln beta, ln k and ln a: the delta method. */
export function standardError(gradient: readonly number[], covariance: Covariance): number {
  const along = covariance.map((row) => dot(row, gradient))
  return Math.sqrt(Math.max(dot(along, gradient), 0))
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] as number), 0)
}
