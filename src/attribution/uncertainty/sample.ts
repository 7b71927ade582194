import type { PathTotals } from '../markov/counts.ts'
import { sum } from '../vectors.ts'
import type { Credited, Estimator } from './estimator.ts'
import { type Estimate, isSettled, toEstimate } from './interval.ts'

export interface ChannelUncertainty {
  channel: string
  /** Distinct identities with a conversion that the channel has a part in. */
  convertingUnits: number
  conversions: Estimate
  conversionShare: Estimate
  value: Estimate
  valueShare: Estimate
}

/** A channel with fewer converting identities has no grade but the lowest, however long it is resampled. */
const MIN_UNITS_TO_SETTLE = 10

/** What one estimator gave for each resample. */
export interface Sample {
  estimator: Estimator
  /** From the data as they are. */
  point: Credited
  /** By channel; one entry for each resample. */
  conversions: Float64Array[]
  values: Float64Array[]
  /** Over the channels; one entry for each resample. */
  conversionSums: Float64Array
  valueSums: Float64Array
}

export function startSample(estimator: Estimator, totals: PathTotals, maxReplicates: number): Sample {
  const perChannel = () => estimator.channels.map(() => new Float64Array(maxReplicates))
  const point = emptyCredited(estimator)
  estimator.estimate(totals, point)
  return {
    estimator,
    point,
    conversions: perChannel(),
    values: perChannel(),
    conversionSums: new Float64Array(maxReplicates),
    valueSums: new Float64Array(maxReplicates),
  }
}

export function record(sample: Sample, replicate: number, { conversions, values }: Credited): void {
  for (let channel = 0; channel < conversions.length; channel += 1) {
    ;(sample.conversions[channel] as Float64Array)[replicate] = conversions[channel] as number
    ;(sample.values[channel] as Float64Array)[replicate] = values[channel] as number
  }
  sample.conversionSums[replicate] = sum(conversions)
  sample.valueSums[replicate] = sum(values)
}

export function isSampleSettled(sample: Sample, replicates: number, units: Int32Array): boolean {
  return sample.estimator.channels.every(
    (_channel, index) =>
      (units[index] as number) < MIN_UNITS_TO_SETTLE ||
      isSettled(toShareEstimate(sample, 'conversions', index, replicates)),
  )
}

export function summarize(sample: Sample, replicates: number, units: Int32Array): ChannelUncertainty[] {
  return sample.estimator.channels.map((channel, index) => ({
    channel,
    convertingUnits: units[index] as number,
    conversions: toAmountEstimate(sample, 'conversions', index, replicates),
    conversionShare: toShareEstimate(sample, 'conversions', index, replicates),
    value: toAmountEstimate(sample, 'values', index, replicates),
    valueShare: toShareEstimate(sample, 'values', index, replicates),
  }))
}

type Measure = 'conversions' | 'values'

function toAmountEstimate(sample: Sample, measure: Measure, channel: number, replicates: number): Estimate {
  const drawn = (sample[measure][channel] as Float64Array).subarray(0, replicates)
  return toEstimate(sample.point[measure][channel] as number, drawn)
}

function toShareEstimate(sample: Sample, measure: Measure, channel: number, replicates: number): Estimate {
  const sums = measure === 'conversions' ? sample.conversionSums : sample.valueSums
  const drawn = (sample[measure][channel] as Float64Array).subarray(0, replicates)
  const point = sample.point[measure]
  const shares = drawn.map((amount, index) => toShare(amount, sums[index] as number))
  return toEstimate(toShare(point[channel] as number, sum(point)), shares)
}

export function emptyCredited({ channels }: Estimator): Credited {
  return { conversions: new Float64Array(channels.length), values: new Float64Array(channels.length) }
}

/** Nothing of nothing is no share. */
function toShare(amount: number, total: number): number {
  return total === 0 ? 0 : amount / total
}
