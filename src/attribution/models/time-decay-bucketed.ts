import { DECAY_ONE } from './half-life.ts'
import type { OrderModel } from './model.ts'

interface Parameters extends Record<string, number> {
  rate_percent: number
  bucket_hours: number
}

const HOUR_US = 3_600_000_000n

/**
 * rate ^ floor(hours before the conversion / bucket), in parts of 2^40. The README of the tool that it comes from has
 * other figures than its code for the same journey; this is the code's (1/7, 2/7, 4/7 for 14, 12 and 0 hours, buckets
 * of 7 and a rate of one half).
 * Source: https://github.com/DP6/Marketing-Attribution-Models
 */
export const timeDecayBucketed: OrderModel<Parameters> = {
  name: 'time_decay_bucketed',
  version: '1.0.0',
  level: 'order',
  about: 'A touch earns a fixed fraction of the one before for each full span of hours before the conversion.',
  parameters: {
    rate_percent: { kind: 'integer', initial: 50, min: 1, max: 99, about: 'What is left after each span, in percent.' },
    bucket_hours: { kind: 'integer', initial: 168, min: 1, max: 8_760, about: 'Hours of one span.' },
  },
  weigh(journey, conversionAtUs, { rate_percent: rate, bucket_hours: hours }) {
    const spans = journey.map(({ occurredAtUs }) => (conversionAtUs - occurredAtUs) / (BigInt(hours) * HOUR_US))
    const fewest = spans.at(-1) ?? 0n
    return spans.map((count) => powerOf(BigInt(rate), count - fewest))
  },
}

/** (percent / 100) ^ exponent in parts of 2^40, rounded down. */
function powerOf(percent: bigint, exponent: bigint): bigint {
  return (DECAY_ONE * percent ** exponent) / 100n ** exponent
}
