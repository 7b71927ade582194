import { type SetTransform, transformJourney } from '../../transforms/registry.ts'
import type { OrderCreditRow, TouchRow } from './queries.ts'

/** Why a touch earns nothing of an order. */
export type Exclusion =
  | 'outside_lookback'
  | 'after_order'
  | 'before_previous_order'
  /** The order brought it, and touches of its visitor are known. */
  | 'superseded'
  /** Eligible, and the path transform leaves it out. */
  | 'removed_by_transform'

export interface ExplainedTouch {
  externalId: string
  channel: string
  touchedAt: Date
  /** Among those that count, from 1 on; null where it is left out. */
  position: number | null
  exclusion: Exclusion | null
}

type CreditedTouch = Pick<OrderCreditRow, 'position' | 'channel' | 'touchOrigin' | 'touchExternalId' | 'touchedAt'>

/**
 * What became of each touch, earliest first. Those that credits name count, also where they are stored no longer. An
 * eligible touch without a credit is left out by the transform, or came after the figures were made and is not told of: the
 * transform itself says which.
 */
export function explainTouches(
  stored: readonly TouchRow[],
  credited: readonly CreditedTouch[],
  transform: SetTransform,
): ExplainedTouch[] {
  const used = listUsed(credited)
  const isVisitorKnown = stored.some((touch) => touch.isVisitors && used.has(keyOf(touch)))
  const told = new Map(used)
  const eligible: (ExplainedTouch & { key: string })[] = []
  for (const touch of stored) {
    const key = keyOf(touch)
    const { externalId, channel, occurredAt: touchedAt } = touch
    const exclusion = used.has(key) ? null : exclusionOf(touch, isVisitorKnown)
    const explained = { externalId, channel, touchedAt, position: null, exclusion }
    if (exclusion === null) eligible.push({ ...explained, key })
    else told.set(key, explained)
  }
  const kept = new Set(transformJourney(transform, withLost(eligible, used)).map(({ key }) => key))
  for (const { key, ...touch } of eligible) {
    if (!used.has(key) && !kept.has(key)) told.set(key, { ...touch, exclusion: 'removed_by_transform' })
  }
  return [...told.values()].sort(
    (a, b) => a.touchedAt.getTime() - b.touchedAt.getTime() || (a.position ?? 0) - (b.position ?? 0),
  )
}

function listUsed(credited: readonly CreditedTouch[]): Map<string, ExplainedTouch> {
  return new Map(
    credited.flatMap(({ position, channel, touchOrigin: origin, touchExternalId: externalId, touchedAt }) => {
      if (origin === null || externalId === null || touchedAt === null) return []
      const touch = { externalId, channel, touchedAt, position: position + 1, exclusion: null }
      return [[keyOf({ origin, externalId }), touch] as const]
    }),
  )
}

/** The eligible touches with those that count and are stored no longer. */
function withLost<Touch extends { key: string; channel: string; touchedAt: Date }>(
  eligible: readonly Touch[],
  used: ReadonlyMap<string, ExplainedTouch>,
): readonly { key: string; channel: string; touchedAt: Date }[] {
  const known = new Set(eligible.map(({ key }) => key))
  const lost = [...used].flatMap(([key, touch]) => (known.has(key) ? [] : [{ ...touch, key }]))
  if (lost.length === 0) return eligible
  return [...eligible, ...lost].sort((a, b) => a.touchedAt.getTime() - b.touchedAt.getTime())
}

function exclusionOf(touch: TouchRow, isVisitorKnown: boolean): Exclusion | null {
  if (touch.isAfterOrder) return 'after_order'
  if (touch.isOlderThanLookback) return 'outside_lookback'
  if (touch.isUsedUp) return 'before_previous_order'
  return !touch.isVisitors && isVisitorKnown ? 'superseded' : null
}

function keyOf({ origin, externalId }: Pick<TouchRow, 'origin' | 'externalId'>): string {
  return `${origin}\n${externalId}`
}
