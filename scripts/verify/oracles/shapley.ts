/** Sums over all sets that a player can join, from the definition; `worth` of a set of bits. At most 20 players. */
export function enumerateShapley(players: number, worth: (set: number) => number): number[] {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1))
  const parts = Array.from(
    { length: players },
    (_, size) => (factorial(size) * factorial(players - 1 - size)) / factorial(players),
  )
  const worths = Array.from({ length: 2 ** players }, (_, set) => worth(set))
  return Array.from({ length: players }, (_, player) => {
    let value = 0
    for (let set = 0; set < 2 ** players; set += 1) {
      if ((set & (1 << player)) !== 0) continue
      let size = 0
      for (let rest = set; rest > 0; rest >>= 1) size += rest & 1
      value += (parts[size] as number) * ((worths[set | (1 << player)] as number) - (worths[set] as number))
    }
    return value
  })
}

/** What the journeys whose channels all lie in the set brought in. */
export function worthOfJourneys(
  journeys: readonly { channels: readonly string[]; conversions: number }[],
  channels: readonly string[],
): (set: number) => number {
  const masks = journeys.map((journey) =>
    journey.channels.reduce((mask, name) => mask | (1 << channels.indexOf(name)), 0),
  )
  return (set) =>
    journeys.reduce(
      (sum, { conversions }, index) => (((masks[index] as number) & ~set) === 0 ? sum + conversions : sum),
      0,
    )
}
