import { type AggregatedPath, listChannels } from '../paths.ts'
import { sum, toParts } from '../vectors.ts'
import { type ChainQuality, checkChain, solveChain } from './chain.ts'
import { countTransitions, emptyCounts, toPathTotals } from './counts.ts'
import { removalEffects, statesByChannel } from './removal.ts'
import { toStructure } from './structure.ts'

/** How value is shared: by the removal effect on value, or by that on conversions. */
export type ValueRule = 'reward' | 'share'

export interface MarkovOptions {
  /** Channels that make a state: 1 to 3. */
  order: number
  /** Whether journeys that did not convert count. Without them every journey converts, and shares move. */
  usesNulls: boolean
  valueRule: ValueRule
}

export interface MarkovChannel {
  channel: string
  /** 0 to 1. */
  removalEffect: number
  valueRemovalEffect: number
  conversions: number
  value: number
}

export interface MarkovResult {
  states: number
  /** By channel, in code unit order; one that no counted path names has zeros. */
  channels: MarkovChannel[]
  conversionProbability: number
  valuePerJourney: number
  quality: ChainQuality & {
    /** Relative distance of the two figures above from the plain quotients of the totals, which they equal exactly. */
    invariantError: number
    isOk: boolean
  }
}

const MAX_RESIDUAL = 1e-12
const MAX_INVARIANT_ERROR = 1e-9

/**
 * Credit by removal effects of the absorbing Markov chain of the paths, solved and not simulated. Scaling all counts,
 * splitting a row and renaming channels change nothing.
 * Throws MarkovError; without any conversion all figures are 0.
 * Source: Anderl, Becker, von Wangenheim and Schumann, "Mapping the customer journey" (2016), IJRM 33(3) 457-474.
 */
export function attributeMarkov(paths: readonly AggregatedPath[], options: MarkovOptions): MarkovResult {
  const counted = paths.filter(({ conversions, nulls }) => conversions + (options.usesNulls ? nulls : 0) > 0)
  const totals = toPathTotals(paths)
  const structure = toStructure(counted, options.order)
  const counts = emptyCounts(structure)
  countTransitions(structure, toPathTotals(counted), options.usesNulls, counts)
  const chain = solveChain(counts)
  const effects = removalEffects(chain, statesByChannel(structure))

  const conversions = sum(totals.conversions)
  const value = sum(totals.values)
  const journeys = conversions + (options.usesNulls ? sum(totals.nulls) : 0)
  const conversionShares = toParts(effects.conversions)
  const valueShares = options.valueRule === 'reward' ? toParts(effects.values) : conversionShares
  const quality = checkChain(chain)
  const invariantError = Math.max(
    relativeError(chain.conversionProbability, journeys === 0 ? 0 : conversions / journeys),
    relativeError(chain.valuePerJourney, journeys === 0 ? 0 : value / journeys),
  )
  return {
    states: chain.n,
    channels: listChannels(paths).map((channel) => {
      const index = structure.channels.indexOf(channel)
      return {
        channel,
        removalEffect: effects.conversions[index] ?? 0,
        valueRemovalEffect: effects.values[index] ?? 0,
        conversions: conversions * (conversionShares[index] ?? 0),
        value: value * (valueShares[index] ?? 0),
      }
    }),
    conversionProbability: chain.conversionProbability,
    valuePerJourney: chain.valuePerJourney,
    quality: {
      ...quality,
      invariantError,
      isOk: quality.residual <= MAX_RESIDUAL && invariantError <= MAX_INVARIANT_ERROR,
    },
  }
}

function relativeError(found: number, expected: number): number {
  return expected === 0 ? Math.abs(found) : Math.abs(found - expected) / expected
}
