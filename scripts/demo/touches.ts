// What visitors did before (and after) they bought, and how it is sent.

import { placements } from './channels.ts'
import { HOUR, LOOKBACK, MINUTE, type Order, SECOND, type Sending, type Touch, type TouchBatch } from './day.ts'
import type { Journey } from './orders.ts'
import { CANARY } from './people.ts'
import { createRandom, HEX, type Random, ulid } from './random.ts'

const TOUCHES = 2_400
const TOUCHES_PER_BATCH = 100
const LATE_TOUCHES = 120

export function makeTouches(seed: number, start: number, journeys: readonly Journey[]): Touch[] {
  const random = createRandom(seed, 'touches')
  const touches: Touch[] = []
  const add = (visitorId: string, sessionId: string, at: number, eventId = `tp-${random.text(16, HEX)}`) => {
    touches.push(makeTouch(random, eventId, visitorId, sessionId, at))
  }
  const buyers = journeys.filter(({ visitorId }) => visitorId !== null)
  for (const { visitorId, sessionId, drafts, orders } of buyers) {
    if (visitorId === null || drafts[0]?.visitor === 'known_without_touches') continue
    let previous: number | null = null
    for (const [index, order] of orders.entries()) {
      const before: number = previous === null ? 20 * HOUR : order.at - previous - 1
      for (let i = 0; i < (drafts[index]?.touches ?? 0); i++) add(visitorId, sessionId, order.at - draw(random, before))
      previous = order.at
    }
    // Comes back to look where the parcel is: must not earn anything.
    if (previous !== null && random.chance(0.25))
      add(visitorId, ulid(random), previous + random.integer(1, 90) * MINUTE)
  }
  addBoundaryTouches(random, buyers, add)
  // The many who look and do not buy.
  while (touches.length < TOUCHES) {
    const visitorId = ulid(random)
    const sessionId = ulid(random)
    const at = start + random.integer(0, 20 * 3_600) * SECOND
    const views = Math.min(random.integer(1, 6), TOUCHES - touches.length)
    for (let i = 0; i < views; i++) add(visitorId, sessionId, at + random.integer(0, 3 * 3_600_000))
  }
  return touches
}

/** Most of a journey lies close to its order. */
function draw(random: Random, range: number): number {
  return random.integer(1, random.chance(0.5) ? Math.max(1, Math.floor(range / 8)) : range)
}

/** Touches exactly on the borders of the rules, where an `<` in place of an `<=` shows. */
function addBoundaryTouches(
  random: Random,
  buyers: readonly Journey[],
  add: (visitorId: string, sessionId: string, at: number, eventId?: string) => void,
): void {
  const single = buyers.filter(({ drafts }) => drafts.length === 1 && drafts[0]?.visitor === 'known')
  const repeat = buyers.filter(({ drafts }) => drafts.length === 2)
  const on = (journey: Journey | undefined, offset: number, eventId?: string) => {
    const { visitorId, sessionId, orders } = journey as Journey
    add(visitorId as string, sessionId, (orders[0] as Order).at + offset, eventId)
  }
  // The instant of the order itself still counts; of a repeat buyer it is used up by the first order.
  for (const journey of single.slice(20, 24)) on(journey, 0)
  for (const journey of repeat.slice(0, 4)) on(journey, 0)
  // The first instant of the lookback counts, a millisecond earlier does not.
  for (const journey of single.slice(24, 27)) on(journey, -LOOKBACK)
  for (const journey of single.slice(27, 30)) on(journey, -LOOKBACK - 1)
  // Two touches at one instant, first ones and last ones: the id decides, byte by byte. A database that compares by the
  // rules of a language puts `a` before `Z`.
  for (const [index, journey] of single.slice(30, 40).entries()) {
    const offset = index % 2 === 0 ? -SECOND : -23 * HOUR
    on(journey, offset, `a-tie.${random.text(8, HEX)}`)
    on(journey, offset, `Z-tie:${random.text(8, HEX)}`)
  }
}

function makeTouch(random: Random, eventId: string, visitorId: string, sessionId: string, at: number): Touch {
  const placement = random.pickWeighted(placements)
  return {
    eventId,
    visitorId,
    sessionId: random.chance(0.9) ? sessionId : null,
    at,
    channel: placement.channel,
    source: placement.source,
    medium: placement.medium,
    campaign: placement.campaigns.length === 0 ? null : random.pick(placement.campaigns),
  }
}

export function addTouchBatches(seed: number, touches: readonly Touch[], phases: Sending[][]): void {
  const random = createRandom(seed, 'batches')
  const shuffled = random.shuffle(touches)
  const late = shuffled.slice(0, LATE_TOUCHES)
  const batches = chunk(shuffled.slice(LATE_TOUCHES), TOUCHES_PER_BATCH).map((items) => {
    return batch(items.map((touch) => touchItem(random, touch)))
  })
  phases[0]?.push(...batches)
  // The sender did not hear the answer and sends the same again, at once or later.
  for (const [index, repeated] of batches.slice(0, 3).entries()) {
    const { accepted } = repeated.expect
    phases[index === 0 ? 0 : 1]?.push({ ...repeated, expect: { accepted: 0, duplicates: accepted, rejected: 0 } })
  }
  const items = late.map((touch) => touchItem(random, touch))
  const told = shuffled[LATE_TOUCHES] as Touch
  const other = told.channel === 'email' ? 'sms' : 'email'
  const refused = [
    { ...touchItem(random, told), channel: other },
    { ...touchItem(random, told), event_id: 'rejected-future', occurred_at: '2199-12-31T23:59:59Z' },
    { ...touchItem(random, told), event_id: 'rejected-past', occurred_at: '2001-01-01T00:00:00Z' },
    { ...touchItem(random, told), event_id: 'rejected-personal', campaign: `for ${CANARY}@example.com` },
  ]
  // The first late touch comes twice in one batch.
  const twice = items.slice(0, 1)
  phases[2]?.push({
    ...batch([...items, ...twice, ...refused]),
    expect: { accepted: items.length, duplicates: twice.length, rejected: refused.length },
  })
}

function batch(items: readonly object[]): TouchBatch {
  const body = Buffer.from(JSON.stringify({ touchpoints: items }))
  return { kind: 'touches', body, expect: { accepted: items.length, duplicates: 0, rejected: 0 } }
}

function touchItem(random: Random, touch: Touch) {
  return {
    event_id: touch.eventId,
    visitor_id: touch.visitorId,
    ...(touch.sessionId === null ? {} : { session_id: touch.sessionId }),
    occurred_at: writeTime(random, touch.at),
    channel: touch.channel,
    ...(touch.source === null ? {} : { source: touch.source }),
    ...(touch.medium === null ? {} : { medium: touch.medium }),
    ...(touch.campaign === null ? {} : { campaign: touch.campaign }),
  }
}

/** RFC 3339 knows many spellings of one instant. */
function writeTime(random: Random, at: number): string {
  const utc = new Date(at).toISOString()
  if (random.chance(0.8)) return utc
  const hours = random.pick([2, -5, 9])
  const sign = hours < 0 ? '-' : '+'
  return `${new Date(at + hours * HOUR).toISOString().slice(0, -1)}000${sign}0${Math.abs(hours)}:00`
}

function chunk<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}
