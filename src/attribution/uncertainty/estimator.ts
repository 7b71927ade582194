import type { MarkovOptions } from '../markov/attribute.ts'
import { solveChain } from '../markov/chain.ts'
import { countTransitions, emptyCounts, emptyTotals, type PathTotals } from '../markov/counts.ts'
import { removalEffects, statesByChannel } from '../markov/removal.ts'
import { type ChainStructure, toStructure } from '../markov/structure.ts'
import type { ModelParameters, ModelTouch, OrderModel } from '../models/model.ts'
import { toShares } from '../models/shares.ts'
import { listChannels } from '../paths.ts'
import { sum, toParts } from '../vectors.ts'

/**
 * Which channels each path has: `from[p]` to `from[p + 1] - 1` are those of path p. With their parts of one, where the
 * model shares out single orders; zeros otherwise.
 */
export interface PathChannels {
  from: Int32Array
  channel: Int32Array
  share: Float64Array
}

export interface Credited {
  /** One entry for each channel. */
  conversions: Float64Array
  values: Float64Array
}

/** Credits channels, over and over, from how often each of the same paths was taken. */
export interface Estimator {
  name: string
  channels: readonly string[]
  pathChannels: PathChannels
  /** Of each path the one of `pathChannels` with its channels; null: they are the same. */
  distinctOf: Int32Array | null
  /** Steps of one estimate, so that a budget can be kept without a clock. */
  operations: number
  estimate(totals: PathTotals, credited: Credited): void
}

export interface PathJourney {
  touches: readonly ModelTouch[]
  conversionAtUs: bigint
}

/** Of a model that shares out each journey by itself: each distinct journey is weighed once. */
export function orderEstimator(
  name: string,
  model: OrderModel,
  journeys: readonly PathJourney[],
  parameters: ModelParameters,
): Estimator {
  const paths = journeys.map(({ touches }) => ({ channels: touches.map(({ channel }) => channel) }))
  const channels = listChannels(paths)
  const pathChannels = toPathChannels(channels, paths, (path) => {
    const { touches, conversionAtUs } = journeys[path] as PathJourney
    return toShares(model.weigh(touches, conversionAtUs, parameters))
  })
  const { from, channel, share } = pathChannels
  return {
    name,
    channels,
    pathChannels,
    distinctOf: null,
    operations: channel.length,
    estimate(totals, { conversions, values }) {
      conversions.fill(0)
      values.fill(0)
      for (let path = 0; path < journeys.length; path += 1) {
        const count = totals.conversions[path] as number
        if (count === 0) continue
        const value = totals.values[path] as number
        for (let at = from[path] as number; at < (from[path + 1] as number); at += 1) {
          const index = channel[at] as number
          conversions[index] = (conversions[index] as number) + count * (share[at] as number)
          values[index] = (values[index] as number) + value * (share[at] as number)
        }
      }
    },
  }
}

/**
 * Of the Markov chain of all paths. Where many have the same channels, `distinctOf` may say which of `paths` has those of each: the
 * steps of these are counted once for all. Throws MarkovError as `toStructure` does.
 */
export function markovEstimator(
  name: string,
  paths: readonly { channels: readonly string[] }[],
  { order, usesNulls, valueRule }: MarkovOptions,
  distinctOf: Int32Array | null = null,
): Estimator {
  const structure = toStructure(paths, order)
  const statesOf = statesByChannel(structure)
  const counts = emptyCounts(structure)
  const distinctTotals = emptyTotals(paths.length)
  return {
    name,
    channels: structure.channels,
    pathChannels: toPathChannels(structure.channels, paths, null),
    distinctOf,
    operations: countSteps(structure, distinctOf) + 2 * structure.states.length ** 3,
    estimate(totals, { conversions, values }) {
      if (distinctOf !== null) addTotals(totals, distinctOf, distinctTotals)
      const counted = distinctOf === null ? totals : distinctTotals
      countTransitions(structure, counted, usesNulls, counts)
      const effects = removalEffects(solveChain(counts), statesOf)
      const allConversions = sum(counted.conversions)
      const allValue = sum(counted.values)
      conversions.set(toParts(effects.conversions).map((part) => part * allConversions))
      const parts = toParts(valueRule === 'reward' ? effects.values : effects.conversions)
      values.set(parts.map((part) => part * allValue))
    },
  }
}

/** Of all paths, those with the same channels too: a budget does not depend on how they are counted. */
function countSteps({ steps, stepsFrom }: ChainStructure, distinctOf: Int32Array | null): number {
  if (distinctOf === null) return steps.length
  return distinctOf.reduce((count, path) => count + (stepsFrom[path + 1] as number) - (stepsFrom[path] as number), 0)
}

function addTotals(of: PathTotals, distinctOf: Int32Array, into: PathTotals): void {
  into.conversions.fill(0)
  into.nulls.fill(0)
  into.values.fill(0)
  for (let path = 0; path < distinctOf.length; path += 1) {
    const index = distinctOf[path] as number
    into.conversions[index] = (into.conversions[index] as number) + (of.conversions[path] as number)
    into.nulls[index] = (into.nulls[index] as number) + (of.nulls[path] as number)
    into.values[index] = (into.values[index] as number) + (of.values[path] as number)
  }
}

/** `sharesOf` gives a path's parts of one over its touches; null: a touch has no share of its own. */
function toPathChannels(
  channels: readonly string[],
  paths: readonly { channels: readonly string[] }[],
  sharesOf: ((path: number) => readonly number[]) | null,
): PathChannels {
  const indexOf = new Map(channels.map((channel, index) => [channel, index]))
  const from = new Int32Array(paths.length + 1)
  const touches = paths.reduce((count, path) => count + path.channels.length, 0)
  const channel = new Int32Array(touches)
  const share = new Float64Array(touches)
  const placeOf = new Int32Array(channels.length).fill(-1)
  let next = 0
  for (const [path, { channels: touched }] of paths.entries()) {
    const start = next
    const shares = sharesOf?.(path)
    for (const [position, name] of touched.entries()) {
      const part = shares?.[position] ?? 0
      if (shares !== undefined && part === 0) continue
      const index = indexOf.get(name) as number
      // Where this channel of the same path is already, if it is.
      let place = placeOf[index] as number
      if (place < start) {
        place = next
        next += 1
        placeOf[index] = place
        channel[place] = index
      }
      share[place] = (share[place] as number) + part
    }
    from[path + 1] = next
  }
  return { from, channel: channel.slice(0, next), share: share.slice(0, next) }
}
