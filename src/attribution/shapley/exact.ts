/**
 * What each set is worth when it has everything that lies inside it: `amounts[set]` is what exactly this set brought
 * in, a set being the bits of its players. Writes the result over it.
 */
export function sumSubsets(amounts: Float64Array): void {
  for (let bit = 1; bit < amounts.length; bit *= 2) {
    for (let set = 0; set < amounts.length; set += 1) {
      if ((set & bit) !== 0) amounts[set] = (amounts[set] as number) + (amounts[set ^ bit] as number)
    }
  }
}

/**
 * Shapley values of a game of log2(worth.length) players, `worth[set]` for each set of bits: every worth enters once for
 * each player, with the part of all orders in which it counts for or against that player.
 */
export function exactShapley(worth: Float64Array): Float64Array {
  const players = Math.log2(worth.length)
  const values = new Float64Array(players)
  if (players === 0) return values
  const weightOf = orderWeights(players)
  for (let set = 0; set < worth.length; set += 1) {
    const size = countBits(set)
    const gained = (weightOf[size - 1] ?? 0) * (worth[set] as number)
    const missed = (weightOf[size] ?? 0) * (worth[set] as number)
    for (let player = 0; player < players; player += 1) {
      values[player] = (values[player] as number) + (((set >> player) & 1) === 1 ? gained : -missed)
    }
  }
  return values
}

/** Part of all orders in which a given set of `size` others comes before a given player: size! (n − 1 − size)! / n!. */
function orderWeights(players: number): Float64Array {
  const weights = new Float64Array(players)
  weights[0] = 1 / players
  for (let size = 1; size < players; size += 1) {
    weights[size] = ((weights[size - 1] as number) * size) / (players - size)
  }
  return weights
}

function countBits(set: number): number {
  let count = 0
  for (let rest = set; rest !== 0; rest &= rest - 1) count += 1
  return count
}
