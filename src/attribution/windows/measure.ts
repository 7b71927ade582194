import { attributeMarkov, type MarkovOptions, type ValueRule } from '../markov/attribute.ts'
import { MarkovError, type MarkovFault } from '../markov/markov-error.ts'
import type { ModelParameters } from '../models/model.ts'
import { getOrderModel } from '../models/registry.ts'
import { type BootstrapResult, bootstrap, type ChannelUncertainty } from '../uncertainty/bootstrap.ts'
import { markovEstimator, orderEstimator } from '../uncertainty/estimator.ts'
import { type Grade, gradeOf } from '../uncertainty/grade.ts'
import { planResamples } from './budget.ts'
import type { WindowJourneys } from './journeys.ts'
import { toPaths, toResampled, type WindowPaths } from './window-paths.ts'

export interface MeasureRequest {
  journeys: WindowJourneys
  /** Those that share out each order. */
  orderModels: readonly { name: string; parameters: ModelParameters }[]
  /** Null: there is no chain. */
  markov: MarkovOptions | null
  seed: string
  /** Share of the revenue of all orders that has a touch; null without revenue. */
  coverage: number | null
  /** Steps that all resamples together may take. Default MAX_STEPS. */
  maxSteps?: number
  /** As many resamples, and no more. Default: 200 to 2,000, as the intervals need. */
  replicates?: number
}

/** What is known of a channel by one model. */
export interface MeasuredChannel {
  channel: string
  conversions: number
  /** Minor units, not rounded. */
  value: number
  /** Of all conversions that have a touch. */
  share: number
  /** Null where there are too few visitors, or no resamples. */
  interval: { lower: number; upper: number } | null
  /** Distinct converting visitors that the channel has a part in. */
  sampleSize: number
  /** Null where there are no resamples. */
  grade: Grade | null
}

export interface Measurement {
  /** 0: there are no intervals. */
  replicates: number
  models: { model: string; channels: MeasuredChannel[] }[]
  diagnostics: Diagnostics
}

/** How far the figures can be relied on as a computation. */
export interface Diagnostics {
  visitors: number
  /** Journeys with an order that has a touch, and those without an order. */
  converting: number
  open: number
  touches: number
  /** Whether the ends of every interval are known to 2 % of its width; null without intervals. */
  is_settled: boolean | null
  /** The largest Monte Carlo error of an interval's ends, in parts of its width; null without intervals. */
  quantile_error: number | null
  /** Models whose intervals would take more steps than a run may. */
  too_large: string[]
  markov: MarkovDiagnostics | null
}

export type MarkovDiagnostics =
  | { fault: MarkovFault }
  | {
      states: number
      /** max |(I − Q) h − r|. */
      residual: number
      condition_number: number
      /** C / (C + Z) as the chain gives it, and its relative distance from the plain quotient. */
      conversion_probability: number
      invariant_error: number
      is_ok: boolean
    }

/** Of models without intervals: their figures do not depend on resamples, of which there are two at least. */
const ONLY_FIGURES = { minReplicates: 2, maxReplicates: 2 }

/** Equal requests give equal measurements, to the bit. It takes its time, so `thread.ts` runs it. */
export function measure(request: MeasureRequest): Measurement {
  const { journeys, coverage } = request
  const paths = toPaths(journeys)
  const chain = solveMarkov(paths, request.markov)
  const { known, figures } = resample(request, paths, chain.options)
  const toModel = ({ name, channels }: Resampled, isResampled: boolean) => ({
    model: name,
    channels: channels.map((channel) => toMeasured(channel, { isResampled, coverage })),
  })
  return {
    replicates: known?.replicates ?? 0,
    models: [
      ...(known?.estimators ?? []).map((one) => toModel(one, true)),
      ...figures.map((one) => toModel(one, false)),
    ],
    diagnostics: {
      visitors: journeys.units,
      converting: paths.converting.length,
      open: journeys.unit.length - paths.converting.length,
      touches: journeys.touch.length,
      is_settled: known?.isSettled ?? null,
      quantile_error: known === null ? null : worstError(known.estimators),
      too_large: figures.map(({ name }) => name),
      markov: chain.diagnostics,
    },
  }
}

type Resampled = BootstrapResult['estimators'][number]

/** Each model with as many resamples as the budget allows, or with figures alone. Without any order there is nothing to share. */
function resample(
  request: MeasureRequest,
  paths: WindowPaths,
  markov: MarkovOptions | null,
): { known: BootstrapResult | null; figures: Resampled[] } {
  const { seed, replicates, maxSteps } = request
  if (paths.converting.length === 0) return { known: null, figures: [] }
  const journeys = toResampled(request.journeys, paths)
  const orderLevel = request.orderModels.map(({ name, parameters }) =>
    orderEstimator(name, getOrderModel(name), paths.converting, parameters),
  )
  const channelLevel = markov === null ? [] : [markovEstimator('markov', paths.distinct, markov, paths.distinctOf)]
  const { estimators, maxReplicates } = planResamples(journeys, { orderLevel, channelLevel }, maxSteps)
  const limits = replicates === undefined ? { maxReplicates } : { minReplicates: replicates, maxReplicates: replicates }
  const others = [...orderLevel, ...channelLevel].filter((estimator) => !estimators.includes(estimator))
  return {
    known: estimators.length === 0 ? null : bootstrap(journeys, estimators, { seed, ...limits }),
    figures: others.length === 0 ? [] : bootstrap(journeys, others, { seed, ...ONLY_FIGURES }).estimators,
  }
}

/** How well the chain of these paths is solved, or why there is none; its options where there is. */
function solveMarkov(
  { distinct, converting }: WindowPaths,
  options: MarkovOptions | null,
): { options: MarkovOptions | null; diagnostics: MarkovDiagnostics | null } {
  if (options === null || converting.length === 0) return { options: null, diagnostics: null }
  try {
    const { states, conversionProbability, quality } = attributeMarkov(distinct, options)
    const { residual, conditionNumber, invariantError, isOk } = quality
    return {
      options,
      diagnostics: {
        states,
        residual,
        condition_number: conditionNumber,
        conversion_probability: conversionProbability,
        invariant_error: invariantError,
        is_ok: isOk,
      },
    }
  } catch (error) {
    if (!(error instanceof MarkovError)) throw error
    return { options: null, diagnostics: { fault: error.code } }
  }
}

function toMeasured(
  { channel, conversions, value, conversionShare: share, convertingUnits }: ChannelUncertainty,
  { isResampled, coverage }: { isResampled: boolean; coverage: number | null },
): MeasuredChannel {
  const grade = isResampled ? gradeOf(share, convertingUnits, coverage) : null
  return {
    channel,
    conversions: conversions.point,
    value: value.point,
    share: share.point,
    interval: grade === null || grade === 'D' ? null : { lower: share.low, upper: share.high },
    sampleSize: convertingUnits,
    grade,
  }
}

function worstError(models: readonly Resampled[]): number {
  const shares = models.flatMap(({ channels }) => channels.map(({ conversionShare }) => conversionShare))
  return shares.reduce(
    (worst, { low, high, quantileError }) => Math.max(worst, high === low ? 0 : quantileError / (high - low)),
    0,
  )
}

/** The parameters of the model `markov`, as the chain takes them. */
export function toMarkovOptions({
  order,
  uses_nulls: usesNulls,
  value_rule: valueRule,
}: ModelParameters): MarkovOptions {
  return { order: order as number, usesNulls: usesNulls as boolean, valueRule: valueRule as ValueRule }
}
