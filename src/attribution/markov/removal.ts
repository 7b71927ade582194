import type { SolvedChain } from './chain.ts'
import { solve } from './linear-algebra.ts'
import type { ChainStructure } from './structure.ts'

/** One entry for each channel, 0 to 1: the part of conversions, and of value, that is lost without it. */
export interface RemovalEffects {
  conversions: Float64Array
  values: Float64Array
}

/** The states of each channel, which have it at any of their places. */
export function statesByChannel({ channels, states }: ChainStructure): Int32Array[] {
  return channels.map((_channel, index) =>
    Int32Array.from([...states.keys()].filter((state) => states[state]?.includes(index) === true)),
  )
}

/**
 * The probability that a journey converts after visiting a channel, as a part of all conversions. That is what
 * redirecting the channel to null takes away, found for all channels from the one inverse: with A the channel's states,
 * u = (s N)_A (N_AA)^-1 says where A is entered first, and u · h_A what comes of it.
 */
export function removalEffects(chain: SolvedChain, statesOf: readonly Int32Array[]): RemovalEffects {
  const effects = { conversions: new Float64Array(statesOf.length), values: new Float64Array(statesOf.length) }
  for (const [channel, states] of statesOf.entries()) {
    const entries = enterFirst(chain, states)
    let conversions = 0
    let values = 0
    for (const [index, state] of states.entries()) {
      conversions += (entries[index] as number) * (chain.conversionFrom[state] as number)
      values += (entries[index] as number) * (chain.valueFrom[state] as number)
    }
    effects.conversions[channel] = chain.conversionProbability > 0 ? conversions / chain.conversionProbability : 0
    effects.values[channel] = chain.valuePerJourney > 0 ? values / chain.valuePerJourney : 0
  }
  return effects
}

/** Probability that each of these states is the first of them to be visited. */
function enterFirst({ n, visits, visitsFromStart }: SolvedChain, states: Int32Array): Float64Array {
  const reached = Float64Array.from(states, (state) => visitsFromStart[state] as number)
  const size = states.length
  const transposed = new Float64Array(size * size)
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      transposed[column * size + row] = visits[(states[row] as number) * n + (states[column] as number)] as number
    }
  }
  return solve(transposed, reached)
}
