import type { PathTotals } from '../markov/counts.ts'
import type { Estimator } from './estimator.ts'

/**
 * Journeys as they are resampled: all journeys of one identity are in or out together, because what one person does
 * twice is not two observations. One entry for each journey, in the order of their units.
 */
export interface ResampledJourneys {
  /** Identities, in canonical order: the n-th draw of a resample is the weight of the n-th. */
  units: number
  /** Never less than the one before. */
  unit: Int32Array
  /** Paths that the estimators know. */
  paths: number
  path: Int32Array
  /** 1 where it converted. */
  converts: Uint8Array
  /** What it brought in; 0 where it did not convert. */
  value: Float64Array
}

/** Those that converted and those that did not, apart: the innermost loop, of hundreds of millions, asks nothing. */
export interface Outcomes {
  converted: { unit: Int32Array; path: Int32Array; value: Float64Array }
  ended: { unit: Int32Array; path: Int32Array }
}

export function splitByOutcome({ unit, path, converts, value }: ResampledJourneys): Outcomes {
  const conversions = converts.reduce((count, one) => count + one, 0)
  const take = (size: number) => ({ unit: new Int32Array(size), path: new Int32Array(size) })
  const converted = { ...take(conversions), value: new Float64Array(conversions) }
  const ended = take(unit.length - conversions)
  let [nextConverted, nextEnded] = [0, 0]
  for (let journey = 0; journey < unit.length; journey += 1) {
    if (converts[journey] === 1) {
      converted.unit[nextConverted] = unit[journey] as number
      converted.path[nextConverted] = path[journey] as number
      converted.value[nextConverted] = value[journey] as number
      nextConverted += 1
    } else {
      ended.unit[nextEnded] = unit[journey] as number
      ended.path[nextEnded] = path[journey] as number
      nextEnded += 1
    }
  }
  return { converted, ended }
}

/** How often each path was taken, each journey as often as its unit is in. */
export function addUp(
  { converted, ended }: Outcomes,
  weights: Uint8Array,
  { conversions, nulls, values }: PathTotals,
): void {
  conversions.fill(0)
  nulls.fill(0)
  values.fill(0)
  for (let journey = 0; journey < converted.unit.length; journey += 1) {
    const weight = weights[converted.unit[journey] as number] as number
    const path = converted.path[journey] as number
    conversions[path] = (conversions[path] as number) + weight
    values[path] = (values[path] as number) + weight * (converted.value[journey] as number)
  }
  for (let journey = 0; journey < ended.unit.length; journey += 1) {
    const path = ended.path[journey] as number
    nulls[path] = (nulls[path] as number) + (weights[ended.unit[journey] as number] as number)
  }
}

/** By channel: distinct units with a conversion that the channel has a part in. */
export function countConvertingUnits({ unit, path, converts }: ResampledJourneys, estimator: Estimator): Int32Array {
  const { pathChannels, distinctOf } = estimator
  const { from, channel } = pathChannels
  const units = new Int32Array(estimator.channels.length)
  const lastUnit = new Int32Array(estimator.channels.length).fill(-1)
  for (let journey = 0; journey < unit.length; journey += 1) {
    if (converts[journey] === 0) continue
    const ofJourney = path[journey] as number
    const taken = distinctOf === null ? ofJourney : (distinctOf[ofJourney] as number)
    for (let at = from[taken] as number; at < (from[taken + 1] as number); at += 1) {
      const index = channel[at] as number
      if (lastUnit[index] === unit[journey]) continue
      lastUnit[index] = unit[journey] as number
      units[index] = (units[index] as number) + 1
    }
  }
  return units
}
