import { type GeneratorState, nextBelow, seedFrom } from '../uncertainty/generator.ts'
import type { Game } from './game.ts'

/**
 * Means over random orders of the players, each with its reversal (which takes back much of the chance in it). The same
 * seed gives the same result. Throws RangeError for less than two pairs, which have no standard error.
 */
export function sampleShapley(
  game: Game,
  { seed, pairs }: { seed: string; pairs: number },
): { values: Float64Array; standardErrors: Float64Array } {
  if (!(pairs >= 2)) throw new RangeError('at least two pairs')
  const generator = seedFrom(seed)
  const order = Int32Array.from({ length: game.players }, (_, player) => player)
  const gained = new Float64Array(game.players)
  const values = new Float64Array(game.players)
  const squares = new Float64Array(game.players)
  for (let pair = 1; pair <= pairs; pair += 1) {
    shuffle(order, generator)
    gained.fill(0)
    addGains(game, order, gained)
    addGains(game, order.toReversed(), gained)
    for (let player = 0; player < game.players; player += 1) {
      // Mean and squared distances as they grow (Welford), which loses no digits to large sums.
      const distance = (gained[player] as number) / 2 - (values[player] as number)
      values[player] = (values[player] as number) + distance / pair
      squares[player] = (squares[player] as number) + (distance * distance * (pair - 1)) / pair
    }
  }
  return { values, standardErrors: squares.map((sum) => Math.sqrt(sum / (pairs - 1) / pairs)) }
}

/** What each player adds to those before it. */
function addGains(game: Game, order: Int32Array, gained: Float64Array): void {
  const members = new Uint8Array(game.players)
  let worth = game.worth(members)
  for (const player of order) {
    members[player] = 1
    const next = game.worth(members)
    gained[player] = (gained[player] as number) + next - worth
    worth = next
  }
}

/** Fisher and Yates. */
function shuffle(order: Int32Array, generator: GeneratorState): void {
  for (let last = order.length - 1; last > 0; last -= 1) {
    const chosen = nextBelow(generator, last + 1)
    const player = order[last] as number
    order[last] = order[chosen] as number
    order[chosen] = player
  }
}
