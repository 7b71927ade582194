import { emptyTotals } from '../markov/counts.ts'
import type { Estimator } from './estimator.ts'
import { drawPoissonWeights } from './poisson.ts'
import { addUp, countConvertingUnits, type ResampledJourneys, splitByOutcome } from './resample.ts'
import { type ChannelUncertainty, emptyCredited, isSampleSettled, record, startSample, summarize } from './sample.ts'

export type { ResampledJourneys } from './resample.ts'
export type { ChannelUncertainty } from './sample.ts'

export interface BootstrapOptions {
  /** Resample b is drawn from `<seed>|<b>`: tenant, window and family of models. */
  seed: string
  /** At least 2, and not above the maximum. Default 200. */
  minReplicates?: number
  /** Default 2,000. */
  maxReplicates?: number
}

export interface BootstrapResult {
  replicates: number
  /** Whether the Monte Carlo error of all intervals is small; false: the limit of resamples ended it. */
  isSettled: boolean
  estimators: { name: string; channels: ChannelUncertainty[] }[]
}

/** Between two looks at whether more resamples are needed. */
const BATCH = 200

/**
 * Poisson bootstrap: the same journeys, options and estimators give the same bits on any machine, and resamples go on
 * until every interval of conversions is settled or the limit is reached. It says how much chance is in a figure of a
 * model, and nothing about whether the model is right.
 * Throws RangeError when the units are not in order.
 */
export function bootstrap(
  journeys: ResampledJourneys,
  estimators: readonly Estimator[],
  options: BootstrapOptions,
): BootstrapResult {
  const steps = bootstrapSteps(journeys, estimators, options)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same, resample by resample: it yields how many there are, so that its caller can do other things between. */
export function* bootstrapSteps(
  journeys: ResampledJourneys,
  estimators: readonly Estimator[],
  { seed, minReplicates = 200, maxReplicates = 2_000 }: BootstrapOptions,
): Generator<number, BootstrapResult, void> {
  if (journeys.unit.some((unit, index) => index > 0 && unit < (journeys.unit[index - 1] as number))) {
    throw new RangeError('journeys are not in the order of their units')
  }
  const totals = emptyTotals(journeys.paths)
  const weights = new Uint8Array(journeys.units).fill(1)
  const draws = new Uint32Array(journeys.units)
  const outcomes = splitByOutcome(journeys)
  addUp(outcomes, weights, totals)
  const samples = estimators.map((estimator) => ({
    ...startSample(estimator, totals, maxReplicates),
    credited: emptyCredited(estimator),
    units: countConvertingUnits(journeys, estimator),
  }))

  let replicates = 0
  let settled = false
  while (replicates < maxReplicates && !settled) {
    const until = Math.min(Math.max(replicates + BATCH, minReplicates), maxReplicates)
    for (; replicates < until; replicates += 1) {
      drawPoissonWeights(`${seed}|${replicates}`, weights, draws)
      addUp(outcomes, weights, totals)
      for (const sample of samples) {
        sample.estimator.estimate(totals, sample.credited)
        record(sample, replicates, sample.credited)
      }
      yield replicates + 1
    }
    settled = samples.every((sample) => isSampleSettled(sample, replicates, sample.units))
  }
  return {
    replicates,
    isSettled: settled,
    estimators: samples.map((sample) => ({
      name: sample.estimator.name,
      channels: summarize(sample, replicates, sample.units),
    })),
  }
}

/** Steps of one resample, so that a caller can keep a budget without a clock: about 300 million a second. */
export function operationsPerReplicate(journeys: ResampledJourneys, estimators: readonly Estimator[]): number {
  const own = journeys.units + journeys.unit.length + 3 * journeys.paths
  return estimators.reduce((sum, { operations }) => sum + operations, own)
}
