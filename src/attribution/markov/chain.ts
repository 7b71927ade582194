import type { TransitionCounts } from './counts.ts'
import { invert, rowNorm, times, timesFromLeft } from './linear-algebra.ts'
import { MarkovError } from './markov-error.ts'

/** The absorbing chain of some counts, solved. Vectors have one entry for each state. */
export interface SolvedChain {
  n: number
  /** (I − Q)^-1, row-major: expected visits of the column's state after the row's. */
  visits: Float64Array
  /** Expected visits of each state by one journey from its start. */
  visitsFromStart: Float64Array
  /** Probability to convert, and expected value, from each state on. */
  conversionFrom: Float64Array
  valueFrom: Float64Array
  /** Probability that a journey converts, and its expected value. */
  conversionProbability: number
  valuePerJourney: number
  /** I − Q and the chance to convert at once, as they were solved. */
  system: Float64Array
  conversionAtOnce: Float64Array
}

/**
 * Throws MarkovError `no_exit` where a state is reached from which journeys never end; counts that come from paths have
 * none. A state that nobody visited (as in a resample) stands apart and takes no part.
 */
export function solveChain(counts: TransitionCounts): SolvedChain {
  const n = counts.start.length
  const system = new Float64Array(n * n)
  const conversionAtOnce = new Float64Array(n)
  const valueAtOnce = new Float64Array(n)
  let journeys = 0
  for (let i = 0; i < n; i += 1) {
    journeys += counts.start[i] as number
    let total = (counts.conversions[i] as number) + (counts.nulls[i] as number)
    for (let j = 0; j < n; j += 1) total += counts.between[i * n + j] as number
    if (total > 0) {
      for (let j = 0; j < n; j += 1) system[i * n + j] = -(counts.between[i * n + j] as number) / total
      conversionAtOnce[i] = (counts.conversions[i] as number) / total
      valueAtOnce[i] = (counts.values[i] as number) / total
    }
    system[i * n + i] = 1 + (system[i * n + i] as number)
  }
  requireExits(counts)
  const start = counts.start.map((count) => (journeys === 0 ? 0 : count / journeys))
  const visits = invert(system, n)
  const conversionFrom = times(visits, conversionAtOnce)
  const valueFrom = times(visits, valueAtOnce)
  return {
    n,
    visits,
    visitsFromStart: timesFromLeft(start, visits),
    conversionFrom,
    valueFrom,
    conversionProbability: dot(start, conversionFrom),
    valuePerJourney: dot(start, valueFrom),
    system,
    conversionAtOnce,
  }
}

/** Every state that is entered can be left for a conversion or a null, be it by way of others. */
function requireExits({ start, between, conversions, nulls }: TransitionCounts): void {
  const n = start.length
  const ends = new Uint8Array(n)
  const queue: number[] = []
  const reach = (state: number) => {
    if (ends[state] === 1) return
    ends[state] = 1
    queue.push(state)
  }
  for (let i = 0; i < n; i += 1) if ((conversions[i] as number) + (nulls[i] as number) > 0) reach(i)
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    for (let i = 0; i < n; i += 1) if ((between[i * n + state] as number) > 0) reach(i)
  }
  for (let i = 0; i < n; i += 1) {
    if (ends[i] === 1) continue
    let entered = start[i] as number
    for (let j = 0; j < n; j += 1) entered += (between[j * n + i] as number) + (between[i * n + j] as number)
    if (entered > 0) throw new MarkovError('no_exit', 'There are states from which no journey ever ends.')
  }
}

export interface ChainQuality {
  /** max |(I − Q) h − r|: 1e-15 is usual, and more than 1e-12 means that the figures cannot be relied on. */
  residual: number
  /** By the row norm: how much an error of the inputs may grow. */
  conditionNumber: number
}

export function checkChain({ n, system, visits, conversionFrom, conversionAtOnce }: SolvedChain): ChainQuality {
  const residual = times(system, conversionFrom).reduce(
    (worst, entry, index) => Math.max(worst, Math.abs(entry - (conversionAtOnce[index] as number))),
    0,
  )
  return { residual, conditionNumber: rowNorm(system, n) * rowNorm(visits, n) }
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, entry, index) => sum + entry * (b[index] as number), 0)
}
