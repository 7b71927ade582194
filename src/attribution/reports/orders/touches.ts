import type { OrderCreditRow, TouchRow } from './queries.ts'

/** Why a touch earns nothing of an order. */
export type Exclusion =
  | 'outside_lookback'
  | 'after_order'
  | 'before_previous_order'
  /** The order brought it, and touches of its visitor are known. */
  | 'superseded'

export interface ExplainedTouch {
  externalId: string
  channel: string
  touchedAt: Date
  /** Among the eligible ones, from 1 on; null where it is left out. */
  position: number | null
  exclusion: Exclusion | null
}

/**
 * What became of each touch, earliest first. Those that credits name are eligible, also where they are stored no longer. A
 * touch that would be eligible and has no credit came after the figures were made, and is not told of.
 */
export function explainTouches(
  stored: readonly TouchRow[],
  credited: readonly Pick<OrderCreditRow, 'position' | 'channel' | 'touchOrigin' | 'touchExternalId' | 'touchedAt'>[],
): ExplainedTouch[] {
  const used = new Map<string, ExplainedTouch>()
  for (const { position, channel, touchOrigin, touchExternalId, touchedAt } of credited) {
    if (touchOrigin === null || touchExternalId === null || touchedAt === null) continue
    used.set(keyOf(touchOrigin, touchExternalId), {
      externalId: touchExternalId,
      channel,
      touchedAt,
      position: position + 1,
      exclusion: null,
    })
  }
  const isVisitorKnown = stored.some(
    ({ isVisitors, origin, externalId }) => isVisitors && used.has(keyOf(origin, externalId)),
  )
  const excluded = stored.flatMap((touch) => {
    if (used.has(keyOf(touch.origin, touch.externalId))) return []
    const exclusion = exclusionOf(touch, isVisitorKnown)
    if (exclusion === null) return []
    const { externalId, channel, occurredAt } = touch
    return [{ externalId, channel, touchedAt: occurredAt, position: null, exclusion }]
  })
  return [...used.values(), ...excluded].sort(
    (a, b) => a.touchedAt.getTime() - b.touchedAt.getTime() || (a.position ?? 0) - (b.position ?? 0),
  )
}

function exclusionOf(touch: TouchRow, isVisitorKnown: boolean): Exclusion | null {
  if (touch.isAfterOrder) return 'after_order'
  if (touch.isOlderThanLookback) return 'outside_lookback'
  if (touch.isUsedUp) return 'before_previous_order'
  return !touch.isVisitors && isVisitorKnown ? 'superseded' : null
}

function keyOf(origin: string, externalId: string): string {
  return `${origin}\n${externalId}`
}
