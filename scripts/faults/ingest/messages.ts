import { createHash, randomUUID } from 'node:crypto'
import { randomOf, ulid } from '../../../src/webhooks/simulator/random.ts'
import { patience } from '../../../src/webhooks/simulator/retry.ts'
import { makeDelivery } from '../../../src/webhooks/simulator/simulators.ts'
import type { Sent } from '../../load/client.ts'
import { aim, type Shot, TOPICS, VENDORS } from '../../load/vendors.ts'
import type { LoadTenant } from '../../load/world.ts'

/** Something that its sender sends until it is acknowledged, or gives up. */
export interface Message {
  name: string
  /** Signed anew for each attempt. */
  toRequest: () => Sent
  /** Milliseconds before each further attempt. */
  delays: readonly number[]
  timeoutMs: number
  /** The delivery, or the ids of the touchpoints. */
  holds: { shot: Shot } | { touchpoints: readonly string[] }
}

const HOUR_MS = 3_600_000
/** How much less patient than in life the vendors are, so that days pass in a minute; but they try as long as it takes. */
const SPEED = 600
const LONGEST_MS = 2_000
const MORE_ATTEMPTS = 60
const TOUCHES_PER_REQUEST = 5
/** The clients of a shop's own server try again soon, and for as long as the run lasts. */
const CLIENT_DELAYS = [100, 200, 400, 800, ...Array(60).fill(1_000)]

/** All that the vendors tell of some purchases, each in another order than it happened, and touchpoints between them. */
export function* inventMessages(tenant: LoadTenant, seed: number): Generator<Message> {
  const random = randomOf(`faults ingest ${seed}`)
  for (let purchase = seed * 10_000_000; ; purchase += 1) {
    const stories = VENDORS.flatMap((vendor) =>
      TOPICS[vendor].map((topic) => {
        const circumstances = { currency: 'USD', shopDomain: 'load.myshopify.com', startedAt: Date.now() - HOUR_MS }
        return toMessage(aim(makeDelivery(vendor, topic, purchase, circumstances), tenant.doors[vendor]))
      }),
    )
    yield* random.shuffle([...stories, touches(tenant, ulid(random)), touches(tenant, ulid(random))])
  }
}

function toMessage(shot: Shot): Message {
  const { delays, timeoutMs } = patience[shot.door.vendor]
  // WooCommerce never tries again.
  const more = delays.length === 0 ? [] : Array<number>(MORE_ATTEMPTS).fill(LONGEST_MS)
  return {
    name: shot.name,
    toRequest: () => ({ path: shot.door.path, ...shot.sign(new Date()) }),
    delays: [...delays.map((delay) => Math.min(delay / SPEED, LONGEST_MS)), ...more],
    timeoutMs: Math.min(timeoutMs, 10_000),
    holds: { shot },
  }
}

function touches({ apiKey }: LoadTenant, visitorId: string): Message {
  const ids = Array.from({ length: TOUCHES_PER_REQUEST }, () => randomUUID())
  const touchpoints = ids.map((event_id, index) => ({
    event_id,
    visitor_id: visitorId,
    occurred_at: new Date(Date.now() - HOUR_MS + index).toISOString(),
    channel: 'email',
  }))
  const body = Buffer.from(JSON.stringify({ touchpoints }))
  const headers = { 'X-Skeldir-Tenant-Key': apiKey, 'Content-Type': 'application/json' }
  return {
    name: `touchpoints ${createHash('sha256').update(body).digest('hex').slice(0, 12)}`,
    toRequest: () => ({ path: '/api/events/touchpoints', headers, body }),
    delays: CLIENT_DELAYS,
    timeoutMs: 10_000,
    holds: { touchpoints: ids },
  }
}
