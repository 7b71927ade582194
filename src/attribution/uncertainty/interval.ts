/** What a resampled figure may be. */
export interface Estimate {
  /** From the data as they are. */
  point: number
  standardError: number
  /** The 2.5 % and 97.5 % quantiles of the resamples. */
  low: number
  high: number
  /** Monte Carlo standard error of those two, their mean. */
  quantileError: number
}

const LOW = 0.025
const HIGH = 0.975
/** Part of the interval's width that the error of its ends may be. */
const MAX_QUANTILE_ERROR = 0.02

/** At least two resamples. */
export function toEstimate(point: number, resamples: Float64Array): Estimate {
  const sorted = resamples.slice().sort()
  return {
    point,
    standardError: deviation(sorted),
    low: quantile(sorted, LOW),
    high: quantile(sorted, HIGH),
    quantileError: (quantileError(sorted, LOW) + quantileError(sorted, HIGH)) / 2,
  }
}

/** Whether more resamples would hardly move the ends. */
export function isSettled({ low, high, quantileError: error }: Estimate): boolean {
  return error <= MAX_QUANTILE_ERROR * (high - low)
}

/** Between two order statistics by the straight line (type 7 of Hyndman and Fan). */
export function quantile(sorted: Float64Array, probability: number): number {
  const rank = (sorted.length - 1) * probability
  const below = sorted[Math.floor(rank)] as number
  const above = sorted[Math.ceil(rank)] as number
  return below + (above - below) * (rank - Math.floor(rank))
}

/** A quarter of the distance of the order statistics that lie two binomial standard deviations to each side. */
function quantileError(sorted: Float64Array, probability: number): number {
  const n = sorted.length
  const spread = 2 * Math.sqrt(n * probability * (1 - probability))
  const at = (rank: number) => sorted[Math.min(n - 1, Math.max(0, Math.round(rank)))] as number
  const rank = (n - 1) * probability
  return (at(rank + spread) - at(rank - spread)) / 4
}

function deviation(sample: Float64Array): number {
  const mean = sample.reduce((sum, entry) => sum + entry, 0) / sample.length
  const squares = sample.reduce((sum, entry) => sum + (entry - mean) ** 2, 0)
  return Math.sqrt(squares / (sample.length - 1))
}
