import type { AggregatedPath } from '../paths.ts'
import type { ResampledJourneys } from '../uncertainty/bootstrap.ts'
import type { PathJourney } from '../uncertainty/estimator.ts'
import type { WindowJourneys } from './journeys.ts'

/** The paths that journeys took: each converting journey by itself, since models ask for its times, and the others by their channels. */
export interface WindowPaths {
  converting: PathJourney[]
  /** Those, then the distinct ones of journeys without an order. */
  all: AggregatedPath[]
  /** Of each journey its place in `all`. */
  path: Int32Array
}

export function toPaths(journeys: WindowJourneys): WindowPaths {
  const { channels, converts, touchesFrom, touch, touchedAtUs, orderedAtUs, valueMinor } = journeys
  const count = converts.length
  const path = new Int32Array(count)
  const converting: PathJourney[] = []
  const all: AggregatedPath[] = []
  const channelsOf = (journey: number) => {
    const names: string[] = []
    const until = touchesFrom[journey + 1] as number
    for (let at = touchesFrom[journey] as number; at < until; at += 1)
      names.push(channels[touch[at] as number] as string)
    return names
  }
  for (let journey = 0; journey < count; journey += 1) {
    if (converts[journey] === 0) continue
    const from = touchesFrom[journey] as number
    const touched = channelsOf(journey)
    path[journey] = converting.length
    // Made when a model asks for them: kept, those of a million touches would be 100 MB.
    converting.push({
      get touches() {
        return channelsOf(journey).map((channel, place) => ({
          channel,
          occurredAtUs: BigInt(touchedAtUs[from + place] as number),
        }))
      },
      conversionAtUs: BigInt(orderedAtUs[journey] as number),
    })
    all.push({ channels: touched, conversions: 1, value: valueMinor[journey] as number, nulls: 0 })
  }
  const open = new Map<string, number>()
  for (let journey = 0; journey < count; journey += 1) {
    if (converts[journey] === 1) continue
    const key = touch.subarray(touchesFrom[journey], touchesFrom[journey + 1]).join()
    const known = open.get(key)
    path[journey] = known ?? all.length
    if (known === undefined) {
      open.set(key, all.length)
      all.push({ channels: channelsOf(journey), conversions: 0, value: 0, nulls: 1 })
    } else (all[known] as AggregatedPath).nulls += 1
  }
  return { converting, all, path }
}

/** The same journeys, as resamples are made of them. */
export function toResampled(
  { units, unit, converts, valueMinor }: WindowJourneys,
  { all, path }: WindowPaths,
): ResampledJourneys {
  return { units, unit, paths: all.length, path, converts, value: valueMinor }
}
