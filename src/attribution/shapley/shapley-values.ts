import { exactShapley } from './exact.ts'
import type { Game } from './game.ts'
import { sampleShapley } from './sampled.ts'

export interface ShapleyResult {
  method: 'exact' | 'sampled'
  /** One entry for each player; they sum to the worth of all less that of nobody. */
  values: Float64Array
  /** Standard error of each; null where the method is exact. */
  standardErrors: Float64Array | null
}

/** 2^20 sets are a tenth of a second; each player more doubles it. */
export const MAX_EXACT_PLAYERS = 20

/**
 * Shapley values of any game: exact up to 20 players, above that the mean over `pairs` of sampled orders with their
 * reversals, drawn from the seed, with its standard error. A result that was sampled says so.
 */
export function shapleyValues(game: Game, { seed, pairs }: { seed: string; pairs: number }): ShapleyResult {
  if (game.players > MAX_EXACT_PLAYERS) return { method: 'sampled', ...sampleShapley(game, { seed, pairs }) }
  const worth = new Float64Array(2 ** game.players)
  const members = new Uint8Array(game.players)
  for (let set = 0; set < worth.length; set += 1) {
    for (let player = 0; player < game.players; player += 1) members[player] = (set >> player) & 1
    worth[set] = game.worth(members)
  }
  return { method: 'exact', values: exactShapley(worth), standardErrors: null }
}
