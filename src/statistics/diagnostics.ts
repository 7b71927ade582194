import { normalQuantile } from './quantile.ts'

/**
 * Whether chains of a sampler have converged, and how many independent draws they are worth. For real chains only: a
 * computation that draws nothing has no R-hat.
 *
 * The definitions are those of Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and
 * localization: an improved R-hat", Bayesian Analysis 16(2), and the numbers those of R's package posterior 1.4.
 */

/** One row per chain, in the order of drawing; all of the same length. */
export type Chains = readonly (readonly number[])[]

/**
 * Null where a figure has no meaning: constant draws, draws that are not finite, or fewer than three in each half of a
 * chain. R-hat is infinite where every chain stands still at a place of its own.
 */
export interface Diagnostics {
  /** Split R-hat of the draws as they are. Misses chains that differ in scale alone. */
  rhatBasic: number | null
  /** The larger of rank-normalised split R-hat and that of the draws folded at their median. 1 is perfect. */
  rhat: number | null
  /** Effective sample size for the centre of the distribution. */
  essBulk: number | null
  /** Effective sample size for the 5 % and 95 % quantiles, the smaller of both. */
  essTail: number | null
  verdict: 'ok' | 'warn' | 'fail' | 'unknown'
}

/** Above it the chains may not have mixed; above the second they have not. */
export const RHAT_WARN = 1.01
export const RHAT_FAIL = 1.05
/** Stan's advice. Source: https://mc-stan.org/misc/warnings.html#bulk-ess */
export const MIN_ESS_PER_CHAIN = 100

/** Ranks are taken as (rank - 3/8) / (count + 1/4). Source: G. Blom (1958). */
const BLOM = 3 / 8

/**
 * The verdict is `fail` above `RHAT_FAIL`; otherwise `unknown` where R-hat or an effective size is null; `warn` above
 * `RHAT_WARN`, or below `MIN_ESS_PER_CHAIN` effective draws per chain.
 * Throws RangeError for chains of unequal length, or for none.
 */
export function diagnose(chains: Chains): Diagnostics {
  const length = chains[0]?.length ?? 0
  if (length === 0 || chains.some((chain) => chain.length !== length)) {
    throw new RangeError('chains have one length, of at least one draw')
  }
  const draws = chains.flat()
  if (!draws.every(Number.isFinite)) {
    return { rhatBasic: null, rhat: null, essBulk: null, essTail: null, verdict: 'unknown' }
  }
  const middle = quantile(draws, 0.5)
  const halves = split(chains)
  const ranked = rankNormalised(halves)
  const folded = rankNormalised(halves.map((half) => half.map((draw) => Math.abs(draw - middle))))
  const rhat = largest(rhatOf(ranked), rhatOf(folded))
  const essBulk = effectiveSize(ranked)
  const essTail = smallest(tailSize(halves, quantile(draws, 0.05)), tailSize(halves, quantile(draws, 0.95)))
  return {
    rhatBasic: rhatOf(halves),
    rhat,
    essBulk,
    essTail,
    verdict: verdictOf(rhat, smallest(essBulk, essTail), chains.length),
  }
}

function verdictOf(rhat: number | null, effective: number | null, chains: number): Diagnostics['verdict'] {
  if (rhat !== null && rhat > RHAT_FAIL) return 'fail'
  if (rhat === null || effective === null) return 'unknown'
  return rhat > RHAT_WARN || effective < MIN_ESS_PER_CHAIN * chains ? 'warn' : 'ok'
}

/** Halves of each chain, so that a drift within a chain shows; the draw in the middle of an odd length is left out. */
function split(chains: Chains): number[][] {
  const half = Math.floor((chains[0]?.length ?? 0) / 2)
  return [...chains.map((chain) => chain.slice(0, half)), ...chains.map((chain) => chain.slice(chain.length - half))]
}

/** Each draw as the normal quantile of its rank over all of them; equal draws share the mean of their ranks. */
function rankNormalised(halves: Chains): number[][] {
  const draws = halves.flat()
  const order = draws.map((_, index) => index).sort((a, b) => (draws[a] as number) - (draws[b] as number))
  const scores = new Array<number>(draws.length)
  for (let first = 0, next = 1; first < order.length; first = next++) {
    while (next < order.length && draws[order[next] as number] === draws[order[first] as number]) next++
    const rank = (first + 1 + next) / 2
    const score = normalQuantile((rank - BLOM) / (draws.length - 2 * BLOM + 1))
    for (const index of order.slice(first, next)) scores[index] = score
  }
  return halves.map((half, row) => half.map((_, column) => scores[row * half.length + column] as number))
}

function rhatOf(halves: Chains): number | null {
  const length = halves[0]?.length ?? 0
  if (length < 2 || isConstant(halves)) return null
  const within = mean(halves.map(varianceOf))
  const between = length * varianceOf(halves.map(mean))
  return Math.sqrt((between / within + length - 1) / length)
}

/** Effective size of the draws beyond `limit`, each reduced to whether it is at most the limit. */
function tailSize(halves: Chains, limit: number): number | null {
  return effectiveSize(halves.map((half) => half.map((draw) => (draw <= limit ? 1 : 0))))
}

/**
 * Draws divided by their integrated autocorrelation time, which is summed over Geyer's initial monotone sequence: pairs
 * of lags while their sum is positive, no pair above the one before. At most draws × log10(draws), since antithetic
 * chains would otherwise seem to be worth without bound.
 */
function effectiveSize(halves: Chains): number | null {
  const length = halves[0]?.length ?? 0
  if (length < 3 || isConstant(halves)) return null
  const means = halves.map(mean)
  const covarianceAt = (lag: number) => mean(halves.map((half, row) => autocovariance(half, means[row] as number, lag)))
  const biased = covarianceAt(0)
  const within = (biased * length) / (length - 1)
  const total = biased + varianceOf(means)
  const correlationAt = (lag: number) => 1 - (within - covarianceAt(lag)) / total

  const draws = length * halves.length
  const time = Math.max(autocorrelationTime(correlationAt, length), 1 / Math.log10(draws))
  return draws / time
}

function autocorrelationTime(correlationAt: (lag: number) => number, length: number): number {
  let even = 1
  let odd = correlationAt(1)
  const pairs: [even: number, odd: number][] = []
  let lag = 0
  while (lag < length - 5 && even + odd > 0) {
    pairs.push([even, odd])
    lag += 2
    even = correlationAt(lag)
    odd = correlationAt(lag + 1)
  }
  let bound = Infinity
  let sum = 0
  for (const [first, second] of pairs) {
    bound = Math.min(bound, first + second)
    sum += bound
  }
  // The even lag behind the last pair counts once: that lowers the variance of antithetic chains.
  const behind = even > 0 || even + odd >= 0 ? even : 0
  return -1 + 2 * sum + behind
}

/** Divided by the length at every lag, which Geyer (1992) recommends over division by the number of terms. */
function autocovariance(draws: readonly number[], centre: number, lag: number): number {
  let sum = 0
  for (let index = lag; index < draws.length; index++) {
    sum += ((draws[index] as number) - centre) * ((draws[index - lag] as number) - centre)
  }
  return sum / draws.length
}

function isConstant(halves: Chains): boolean {
  const draws = halves.flat()
  return draws.every((draw) => draw === draws[0])
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of a sample: divided by one less than the count. */
function varianceOf(values: readonly number[]): number {
  const centre = mean(values)
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1)
}

/** Between the two order statistics around it, R's type 7. */
function quantile(values: readonly number[], probability: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * probability
  const low = Math.floor(position)
  const below = sorted[low] as number
  const above = sorted[Math.ceil(position)] as number
  return below + (position - low) * (above - below)
}

function largest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b)
}

function smallest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.min(a, b)
}
