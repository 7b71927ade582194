import { listChannels } from '../paths.ts'
import { MarkovError } from './markov-error.ts'

/** The inverse takes the cube of it: 2,000 states are some 20 seconds and 100 MB. */
export const MAX_STATES = 2_000
export const MAX_ORDER = 3

/**
 * The states that some paths pass through and the steps between them, without how often. A state is the last `order`
 * channels of a path, or the whole path where it is shorter; a state that repeats the one before it is not a step.
 */
export interface ChainStructure {
  order: number
  channels: readonly string[]
  /** Indexes into `channels`, oldest first; sorted. */
  states: readonly (readonly number[])[]
  /** Of each path: its first state, and its last. */
  firstState: Int32Array
  lastState: Int32Array
  /** Steps of path p: `steps[stepsFrom[p]]` to `steps[stepsFrom[p + 1] - 1]`, each from-state × states + to-state. */
  stepsFrom: Int32Array
  steps: Int32Array
}

/**
 * Throws MarkovError `bad_order` unless the order is 1 to 3, `bad_path` for a path without channels, and
 * `too_many_states` beyond `maxStates`, before anything large is allocated.
 */
export function toStructure(
  paths: readonly { channels: readonly string[] }[],
  order: number,
  maxStates = MAX_STATES,
): ChainStructure {
  if (!Number.isInteger(order) || order < 1 || order > MAX_ORDER) {
    throw new MarkovError('bad_order', `The order is 1 to ${MAX_ORDER}.`)
  }
  const { channels, gramsFrom, grams } = toGrams(paths, order)
  const keys = Float64Array.from(new Set(grams)).sort()
  if (keys.length > maxStates) {
    throw new MarkovError(
      'too_many_states',
      `These journeys have ${keys.length} states of order ${order}; at most ${maxStates} are solved. Take a lower order, or fewer channels.`,
    )
  }
  const indexOf = new Map<number, number>()
  for (const [index, key] of keys.entries()) indexOf.set(key, index)
  const states = Int32Array.from(grams, (key) => indexOf.get(key) as number)

  const stepsFrom = new Int32Array(paths.length + 1)
  const steps = new Int32Array(grams.length)
  const firstState = new Int32Array(paths.length)
  const lastState = new Int32Array(paths.length)
  let next = 0
  for (let path = 0; path < paths.length; path += 1) {
    const from = gramsFrom[path] as number
    const to = gramsFrom[path + 1] as number
    firstState[path] = states[from] as number
    lastState[path] = states[to - 1] as number
    for (let at = from + 1; at < to; at += 1) {
      steps[next] = (states[at - 1] as number) * keys.length + (states[at] as number)
      next += 1
    }
    stepsFrom[path + 1] = next
  }
  return {
    order,
    channels,
    states: Array.from(keys, (key) => toChannelIndexes(key, channels.length + 1, order)),
    firstState,
    lastState,
    stepsFrom,
    steps: steps.slice(0, next),
  }
}

/** All states of each path in turn, as numbers whose order is that of the channels. */
function toGrams(paths: readonly { channels: readonly string[] }[], order: number) {
  const channels = listChannels(paths)
  const indexOf = new Map(channels.map((channel, index) => [channel, index]))
  const base = channels.length + 1
  if (base ** order > Number.MAX_SAFE_INTEGER) {
    throw new MarkovError('too_many_states', `There are ${channels.length} channels, too many for any solution.`)
  }
  const gramsFrom = new Int32Array(paths.length + 1)
  const grams = new Float64Array(paths.reduce((sum, path) => sum + path.channels.length, 0))
  let next = 0
  for (const [path, { channels: touched }] of paths.entries()) {
    if (touched.length === 0) throw new MarkovError('bad_path', 'A path has no channel.')
    const start = next
    // A path that is shorter than the order is one state: it begins with all its channels.
    for (let end = Math.min(order, touched.length); end <= touched.length; end += 1) {
      let key = 0
      for (let place = 0; place < order; place += 1) {
        const channel = touched[Math.max(0, end - order) + place]
        key = key * base + (channel === undefined ? 0 : (indexOf.get(channel) as number) + 1)
      }
      if (next > start && grams[next - 1] === key) continue
      grams[next] = key
      next += 1
    }
    gramsFrom[path + 1] = next
  }
  return { channels, gramsFrom, grams: grams.subarray(0, next) }
}

function toChannelIndexes(key: number, base: number, order: number): number[] {
  const digits = Array.from({ length: order }, (_, place) => Math.floor(key / base ** (order - 1 - place)) % base)
  return digits.filter((digit) => digit > 0).map((digit) => digit - 1)
}
