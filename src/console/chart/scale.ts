/** A linear scale that always has 0 in it, so that lengths of bars can be compared. */
export interface Scale {
  min: number
  max: number
  /** Round values from `min` to `max`, both included. */
  ticks: readonly number[]
  /** Place of a value in percent of the width; values outside are put on the edge. */
  at: (value: number) => number
}

/**
 * @param values all that is to be drawn, ends of intervals included
 * @param options.steps how many steps the axis has at most
 * @param options.unit the smallest step that makes sense: 1 where values are counts or minor units
 * @param options.limit where the axis ends at the latest, such as 1 for shares
 */
export function createScale(
  values: readonly number[],
  { steps = 4, unit = 1, limit = Number.POSITIVE_INFINITY }: { steps?: number; unit?: number; limit?: number } = {},
): Scale {
  const low = Math.min(0, ...values)
  const high = Math.max(0, ...values)
  const step = low === high ? unit : roundStep((high - low) / steps, unit)
  const first = Math.floor(low / step)
  const last = low === high ? 1 : Math.ceil(high / step)
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => clean((first + index) * step)).filter(
    (tick) => tick <= limit,
  )
  const min = ticks[0] as number
  const max = ticks.at(-1) as number
  return { min, max, ticks, at: (value) => (100 * (Math.min(Math.max(value, min), max) - min)) / (max - min) }
}

/** The next of 1, 2, 5 × a power of ten that is not below `least`. */
function roundStep(least: number, unit: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  const step = [1, 2, 5, 10].map((factor) => clean(factor * power)).find((candidate) => candidate >= clean(least))
  return Math.max(step ?? 10 * power, unit)
}

/** Without the noise of binary fractions: 0.30000000000000004 → 0.3. */
function clean(value: number): number {
  return Number(value.toPrecision(12)) + 0
}

/** Where a bar from 0 to `value` begins and how long it is, in percent of the width. */
export function toBar(scale: Scale, value: number): { start: number; length: number } {
  const zero = scale.at(0)
  const end = scale.at(value)
  return { start: Math.min(zero, end), length: Math.abs(end - zero) }
}
