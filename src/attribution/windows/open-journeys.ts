/** Microseconds since 1970, and microseconds. */
export interface OpenSpan {
  startsUs: number
  lookbackUs: number
}

/**
 * The journeys of one visitor that lead to no order, as places in `touchesUs`: those are the times of all their touches up to the
 * end of the window, oldest first, and `ordersUs` those of all their orders that may have credited one. A touch is that of the
 * first order at or after it, where that is within the lookback, and of none otherwise. Those of none between two orders are one
 * journey, which counts where one of them lies in the window; of it count the last touch and what lies no more than a lookback
 * before that, as before an order.
 */
export function openJourneys(
  touchesUs: readonly number[],
  ordersUs: readonly number[],
  { startsUs, lookbackUs }: OpenSpan,
): number[][] {
  const sorted = ordersUs.toSorted((a, b) => a - b)
  const journeys: number[][] = []
  let [next, journeyNext] = [0, -1]
  for (const [place, touchUs] of touchesUs.entries()) {
    while (next < sorted.length && (sorted[next] as number) < touchUs) next += 1
    const orderUs = sorted[next] ?? Number.POSITIVE_INFINITY
    if (orderUs <= touchUs + lookbackUs) continue
    if (journeyNext === next) journeys.at(-1)?.push(place)
    else journeys.push([place])
    journeyNext = next
  }
  return journeys.flatMap((journey) => {
    const lastUs = touchesUs[journey.at(-1) as number] as number
    return lastUs < startsUs ? [] : [journey.filter((place) => (touchesUs[place] as number) >= lastUs - lookbackUs)]
  })
}
