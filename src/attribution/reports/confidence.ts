import type { Grade } from '../uncertainty/grade.ts'

/** How well a channel's share is known, as it was calculated for the very window. */
export interface Confidence {
  sampleSize: number
  grade: Grade
  /** Null where the grade is D, or nothing was drawn anew. */
  interval: { low: number; high: number; replicates: number } | null
}

/** What a calculation over a whole window gives for a channel. */
export interface MeasuredChannel {
  channel: string
  conversionMicro: bigint
  revenueMinor: bigint
  lower: number | null
  upper: number | null
  sampleSize: number
  /** Null where there is no touch. */
  grade: Grade | null
}

export interface MeasuredModel {
  model: string
  modelVersion: string
  channels: readonly MeasuredChannel[]
}

export interface MeasuredWindow {
  replicates: number
  models: readonly MeasuredModel[]
}

/** Null where the window has not been measured, or the channel has nothing to measure. */
export function confidenceOf(
  window: MeasuredWindow | undefined,
  { model, channel }: { model: string; channel: string },
): Confidence | null {
  const found = window?.models.find((one) => one.model === model)?.channels.find((one) => one.channel === channel)
  if (window === undefined || found === undefined || found.grade === null) return null
  const { sampleSize, grade, lower, upper } = found
  const interval =
    lower === null || upper === null || grade === 'D'
      ? null
      : { low: lower, high: upper, replicates: window.replicates }
  return { sampleSize, grade, interval }
}
