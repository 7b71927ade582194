/** A touch of one visitor: what it was and when, in microseconds since 1970. */
export interface Touch {
  channel: string
  atUs: number
}

/** Microseconds since 1970, and microseconds. */
export interface OpenSpan {
  startsUs: number
  lookbackUs: number
}

/**
 * The journeys of one visitor that lead to no order: `touches` are all of theirs up to the end of the window, oldest first, and
 * `ordersUs` the times of all their orders that may have credited one. A touch is that of the first order at or after it, where
 * that is within the lookback, and of none otherwise. Those of none between two orders are one journey, which counts where one of
 * them lies in the window; of it count the last touch and what lies no more than a lookback before that, as before an order.
 */
export function openJourneys(
  touches: readonly Touch[],
  ordersUs: readonly number[],
  { startsUs, lookbackUs }: OpenSpan,
): Touch[][] {
  const sorted = ordersUs.toSorted((a, b) => a - b)
  const byNext = new Map<number, Touch[]>()
  let next = 0
  for (const touch of touches) {
    while (next < sorted.length && (sorted[next] as number) < touch.atUs) next += 1
    const orderUs = sorted[next] ?? Number.POSITIVE_INFINITY
    if (orderUs <= touch.atUs + lookbackUs) continue
    const journey = byNext.get(next)
    if (journey === undefined) byNext.set(next, [touch])
    else journey.push(touch)
  }
  return [...byNext.values()].flatMap((journey) => {
    const lastUs = (journey.at(-1) as Touch).atUs
    return lastUs < startsUs ? [] : [journey.filter(({ atUs }) => atUs >= lastUs - lookbackUs)]
  })
}
