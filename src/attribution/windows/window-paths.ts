import type { AggregatedPath } from '../paths.ts'
import type { ResampledJourneys } from '../uncertainty/bootstrap.ts'
import type { PathJourney } from '../uncertainty/estimator.ts'
import type { WindowJourneys } from './journeys.ts'

/**
 * The paths that journeys took: each converting journey by itself, since models ask for its times, then the distinct ones of
 * journeys without an order.
 */
export interface WindowPaths {
  converting: PathJourney[]
  paths: number
  /** Of each journey. */
  path: Int32Array
  /** Journeys of the same channels together, of which the chain asks alone. */
  distinct: AggregatedPath[]
  /** Of each path its place in `distinct`. */
  distinctOf: Int32Array
}

export function toPaths(journeys: WindowJourneys): WindowPaths {
  const { channels, converts, touchesFrom, touch, touchedAtUs, orderedAtUs, valueMinor } = journeys
  const count = converts.length
  const path = new Int32Array(count)
  const converting: PathJourney[] = []
  const distinct: AggregatedPath[] = []
  const distinctOf = new Int32Array(count)
  const known = new Map<string, number>()
  const channelsOf = (journey: number) => {
    const names: string[] = []
    const until = touchesFrom[journey + 1] as number
    for (let at = touchesFrom[journey] as number; at < until; at += 1)
      names.push(channels[touch[at] as number] as string)
    return names
  }
  const findDistinct = (journey: number) => {
    const key = touch.subarray(touchesFrom[journey], touchesFrom[journey + 1]).join()
    const found = known.get(key)
    if (found !== undefined) return found
    known.set(key, distinct.length)
    distinct.push({ channels: channelsOf(journey), conversions: 0, value: 0, nulls: 0 })
    return distinct.length - 1
  }
  for (let journey = 0; journey < count; journey += 1) {
    if (converts[journey] === 0) continue
    const from = touchesFrom[journey] as number
    path[journey] = converting.length
    const index = findDistinct(journey)
    distinctOf[converting.length] = index
    const same = distinct[index] as AggregatedPath
    same.conversions += 1
    same.value += valueMinor[journey] as number
    // Made when a model asks for them: kept, those of a million touches would be 100 MB.
    converting.push({
      get touches() {
        return channelsOf(journey).map((channel, place) => ({
          channel,
          occurredAtUs: BigInt(touchedAtUs[from + place] as number),
        }))
      },
      get conversionAtUs() {
        return BigInt(orderedAtUs[journey] as number)
      },
    })
  }
  const openPaths = new Map<number, number>()
  for (let journey = 0; journey < count; journey += 1) {
    if (converts[journey] === 1) continue
    const index = findDistinct(journey)
    const next = converting.length + openPaths.size
    const open = openPaths.get(index) ?? next
    if (open === next) openPaths.set(index, next)
    path[journey] = open
    distinctOf[open] = index
    ;(distinct[index] as AggregatedPath).nulls += 1
  }
  const paths = converting.length + openPaths.size
  return { converting, paths, path, distinct, distinctOf: distinctOf.slice(0, paths) }
}

/** The same journeys, as resamples are made of them. */
export function toResampled(
  { units, unit, converts, valueMinor }: WindowJourneys,
  { paths, path }: WindowPaths,
): ResampledJourneys {
  return { units, unit, paths, path, converts, value: valueMinor }
}
