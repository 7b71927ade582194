import type { AggregatedPath } from '../paths.ts'
import { MarkovError } from './markov-error.ts'
import type { ChainStructure } from './structure.ts'

/** How often each step was made. Row-major where it is a matrix; one entry for each state otherwise. */
export interface TransitionCounts {
  start: Float64Array
  between: Float64Array
  conversions: Float64Array
  nulls: Float64Array
  /** What those conversions brought in. */
  values: Float64Array
}

/** One entry for each path. */
export interface PathTotals {
  conversions: Float64Array
  nulls: Float64Array
  values: Float64Array
}

/** Throws MarkovError `bad_path` for counts that are not whole and 0 or more, and for value without a conversion. */
export function toPathTotals(paths: readonly AggregatedPath[]): PathTotals {
  for (const { conversions, nulls, value } of paths) {
    const isCount = (count: number) => Number.isSafeInteger(count) && count >= 0
    if (!isCount(conversions) || !isCount(nulls) || !(value >= 0) || !Number.isFinite(value)) {
      throw new MarkovError('bad_path', 'Conversions and nulls of a path are whole, and none is negative.')
    }
    if (value > 0 && conversions === 0) throw new MarkovError('bad_path', 'A path has value but no conversion.')
  }
  return {
    conversions: Float64Array.from(paths, ({ conversions }) => conversions),
    nulls: Float64Array.from(paths, ({ nulls }) => nulls),
    values: Float64Array.from(paths, ({ value }) => value),
  }
}

export function emptyTotals(paths: number): PathTotals {
  return {
    conversions: new Float64Array(paths),
    nulls: new Float64Array(paths),
    values: new Float64Array(paths),
  }
}

export function emptyCounts(structure: ChainStructure): TransitionCounts {
  const n = structure.states.length
  return {
    start: new Float64Array(n),
    between: new Float64Array(n * n),
    conversions: new Float64Array(n),
    nulls: new Float64Array(n),
    values: new Float64Array(n),
  }
}

/** Writes the counts of these totals into `counts`. Without nulls, journeys that did not convert are not there at all. */
export function countTransitions(
  structure: ChainStructure,
  totals: PathTotals,
  usesNulls: boolean,
  counts: TransitionCounts,
): void {
  const { firstState, lastState, stepsFrom, steps } = structure
  for (const array of [counts.start, counts.between, counts.conversions, counts.nulls, counts.values]) array.fill(0)
  const { start, between } = counts
  for (let path = 0; path < firstState.length; path += 1) {
    const conversions = totals.conversions[path] as number
    const nulls = usesNulls ? (totals.nulls[path] as number) : 0
    const weight = conversions + nulls
    if (weight === 0) continue
    add(start, firstState[path] as number, weight)
    const end = stepsFrom[path + 1] as number
    for (let at = stepsFrom[path] as number; at < end; at += 1) {
      const step = steps[at] as number
      between[step] = (between[step] as number) + weight
    }
    const last = lastState[path] as number
    add(counts.conversions, last, conversions)
    add(counts.nulls, last, nulls)
    add(counts.values, last, totals.values[path] as number)
  }
}

function add(array: Float64Array, index: number, amount: number): void {
  array[index] = (array[index] as number) + amount
}
