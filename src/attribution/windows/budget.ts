import { operationsPerReplicate, type ResampledJourneys } from '../uncertainty/bootstrap.ts'
import type { Estimator } from '../uncertainty/estimator.ts'

/** Fewer resamples do not tell the ends of an interval; more do not tell them better to the eye. */
export const MIN_REPLICATES = 200
export const MAX_REPLICATES = 2_000

/**
 * Steps that the resamples of one run may take: some 40 seconds of one core. It is counted and not timed, so that equal data
 * give equal figures on a slow machine too. A resample takes a step for each visitor, each journey, each touch of Markov's
 * paths and each channel that a model credits for an order, and 2 n³ for the chain of n states.
 */
export const MAX_STEPS = 12_000_000_000

/** Figures that are kept of all resamples, two for each channel and model: 64 MB. It binds with hundreds of channels. */
export const MAX_FIGURES = 8_000_000

export interface ResamplePlan {
  /** Those that are resampled; the others have figures without intervals. */
  estimators: readonly Estimator[]
  /** 0 where none is. */
  maxReplicates: number
}

/**
 * How often these journeys are resampled at most. Where these bounds are not enough for 200 resamples, the models of a chain
 * are left out, and where they still are not, all.
 */
export function planResamples(
  journeys: ResampledJourneys,
  { orderLevel, channelLevel }: { orderLevel: readonly Estimator[]; channelLevel: readonly Estimator[] },
  maxSteps = MAX_STEPS,
): ResamplePlan {
  for (const estimators of [[...orderLevel, ...channelLevel], orderLevel]) {
    const figures = 2 * estimators.reduce((sum, { channels }) => sum + channels.length, 0)
    const steps = operationsPerReplicate(journeys, estimators)
    const affordable = Math.floor(Math.min(maxSteps / steps, MAX_FIGURES / figures))
    if (affordable >= MIN_REPLICATES) return { estimators, maxReplicates: Math.min(affordable, MAX_REPLICATES) }
  }
  return { estimators: [], maxReplicates: 0 }
}
