import type { AggregatedPath } from '../../../src/attribution/paths.ts'
import { add, divide, multiply, type Rational, rational, subtract, ZERO } from './rational.ts'

/**
 * The Markov model from its definition and in fractions: states are texts, a channel is removed by sending its states to
 * null, and each removal is a system of equations of its own. Values are whole.
 */
export function exactMarkov(
  paths: readonly AggregatedPath[],
  { order, usesNulls }: { order: number; usesNulls: boolean },
): {
  conversionProbability: Rational
  valuePerJourney: Rational
  channels: {
    channel: string
    removalEffect: Rational
    valueRemovalEffect: Rational
    conversions: Rational
    value: Rational
  }[]
} {
  const chain = countSteps(paths, order, usesNulls)
  const all = expect(chain, null)
  const names = [...new Set(paths.flatMap(({ channels }) => channels))].sort()
  const effects = names.map((channel) => {
    const without = expect(chain, channel)
    return {
      channel,
      removalEffect: lostPart(all.conversions, without.conversions),
      valueRemovalEffect: lostPart(all.value, without.value),
    }
  })
  const effectSum = effects.reduce((sum, { removalEffect }) => add(sum, removalEffect), ZERO)
  const valueSum = effects.reduce((sum, { valueRemovalEffect }) => add(sum, valueRemovalEffect), ZERO)
  const conversions = rational(paths.reduce((sum, path) => sum + path.conversions, 0))
  const value = rational(paths.reduce((sum, path) => sum + path.value, 0))
  return {
    conversionProbability: all.conversions,
    valuePerJourney: all.value,
    channels: effects.map((effect) => ({
      ...effect,
      conversions: partOf(conversions, effect.removalEffect, effectSum),
      value: partOf(value, effect.valueRemovalEffect, valueSum),
    })),
  }
}

interface Chain {
  journeys: bigint
  /** From-state, to-state, how often; the states that a journey starts in, and what its last state brings. */
  steps: Map<string, Map<string, bigint>>
  starts: Map<string, bigint>
  conversions: Map<string, bigint>
  nulls: Map<string, bigint>
  values: Map<string, bigint>
}

function countSteps(paths: readonly AggregatedPath[], order: number, usesNulls: boolean): Chain {
  const chain: Chain = {
    journeys: 0n,
    steps: new Map(),
    starts: new Map(),
    conversions: new Map(),
    nulls: new Map(),
    values: new Map(),
  }
  for (const { channels, conversions, value, nulls } of paths) {
    const weight = BigInt(conversions + (usesNulls ? nulls : 0))
    if (weight === 0n) continue
    const states = toStates(channels, order)
    const last = states.at(-1) ?? ''
    chain.journeys += weight
    count(chain.starts, states[0] ?? '', weight)
    for (const [index, state] of states.entries()) {
      const next = states[index + 1]
      if (next === undefined || next === state) continue
      const leaving = chain.steps.get(state) ?? new Map<string, bigint>()
      chain.steps.set(state, leaving)
      count(leaving, next, weight)
    }
    count(chain.conversions, last, BigInt(conversions))
    count(chain.nulls, last, BigInt(usesNulls ? nulls : 0))
    count(chain.values, last, BigInt(value))
  }
  return chain
}

function toStates(channels: readonly string[], order: number): string[] {
  if (channels.length <= order) return [JSON.stringify(channels)]
  return channels.slice(order - 1).map((_channel, index) => JSON.stringify(channels.slice(index, index + order)))
}

function count(counts: Map<string, bigint>, key: string, amount: bigint): void {
  counts.set(key, (counts.get(key) ?? 0n) + amount)
}

/** Conversions and value to be expected of a journey, when whoever comes to `removed` is lost. */
function expect(chain: Chain, removed: string | null): { conversions: Rational; value: Rational } {
  const { starts, steps, conversions, nulls, values } = chain
  const isKept = (state: string) => removed === null || !(JSON.parse(state) as string[]).includes(removed)
  const known = new Set([...starts.keys(), ...[...steps.values()].flatMap((leaving) => [...leaving.keys()])])
  const states = [...known].filter(isKept)
  // total × h(state) − Σ steps × h(next) = what its last step brings, in whole numbers.
  const rows = states.map((state) => {
    const leaving = steps.get(state) ?? new Map<string, bigint>()
    const total = [...leaving.values(), conversions.get(state) ?? 0n, nulls.get(state) ?? 0n].reduce(
      (a, b) => a + b,
      0n,
    )
    return [
      ...states.map((next) => (next === state ? total : 0n) - (leaving.get(next) ?? 0n)),
      conversions.get(state) ?? 0n,
      values.get(state) ?? 0n,
    ]
  })
  const solved = solveWhole(rows)
  const expected = (right: 0 | 1) =>
    states.reduce((sum, state, index) => {
      const start = rational(starts.get(state) ?? 0n, chain.journeys === 0n ? 1n : chain.journeys)
      return add(sum, multiply(start, solved[index]?.[right] ?? ZERO))
    }, ZERO)
  return { conversions: expected(0), value: expected(1) }
}

/** Bareiss: elimination in whole numbers that stay as small as determinants. The last two columns are right sides. */
function solveWhole(rows: bigint[][]): Rational[][] {
  const n = rows.length
  let before = 1n
  for (let k = 0; k < n; k += 1) {
    const pivot = rows.findIndex((row, index) => index >= k && row[k] !== 0n)
    if (pivot === -1) throw new Error('the system is singular')
    ;[rows[k], rows[pivot]] = [rows[pivot] as bigint[], rows[k] as bigint[]]
    const top = rows[k] as bigint[]
    const lead = top[k] as bigint
    for (let i = 0; i < n; i += 1) {
      if (i === k) continue
      const row = rows[i] as bigint[]
      const factor = row[k] as bigint
      rows[i] = row.map((entry, column) => (entry * lead - factor * (top[column] as bigint)) / before)
    }
    before = lead
  }
  return rows.map((row, index) => [
    rational(row[n] as bigint, row[index] as bigint),
    rational(row[n + 1] as bigint, row[index] as bigint),
  ])
}

function lostPart(all: Rational, without: Rational): Rational {
  return all.top === 0n ? ZERO : divide(subtract(all, without), all)
}

function partOf(total: Rational, effect: Rational, sum: Rational): Rational {
  return sum.top === 0n ? ZERO : multiply(total, divide(effect, sum))
}
