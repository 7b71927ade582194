import type { IncomingHttpHeaders } from 'node:http'
import type { Vendor } from '../../src/context.ts'
import { type CanonicalEvent, toCanonicalEvents } from '../../src/webhooks/normalize/canonical-event.ts'
import { DeadDelivery } from '../../src/webhooks/normalize/dead-delivery.ts'
import type { Delivery, DeliveryInput } from '../../src/webhooks/normalize/delivery.ts'
import { readDelivery } from '../../src/webhooks/normalize/read-delivery.ts'

/** What stands for the keyed hash of every visitor. */
export const IDENTITY = 'ab'.repeat(32)

export interface Sent {
  headers?: IncomingHttpHeaders
  shopDomain?: string | null
  identityOf?: (visitorId: string) => string
}

/** A delivery as the vendor sent it, its signature taken for granted. Throws DeadDelivery. */
export function readSent(vendor: Vendor, body: Buffer | string, sent: Sent = {}): Delivery {
  const input: DeliveryInput = {
    vendor,
    rawBody: Buffer.from(body as string),
    headers: sent.headers ?? {},
    endpoint: { endpointId: '0f6b7c52-7a54-4d0b-8f6e-0c8a1f9d2b11', shopDomain: sent.shopDomain ?? null },
    identityOf: sent.identityOf ?? (() => IDENTITY),
    hashClickId: () => Buffer.alloc(32, 7),
  }
  return readDelivery(input)
}

/** What it says, by what is stored of it; nothing in the vendor's test mode. */
export function eventsOf(vendor: Vendor, body: Buffer | string, sent: Sent = {}): CanonicalEvent[] {
  const { topic, payload, isTest } = readSent(vendor, body, sent)
  return isTest ? [] : toCanonicalEvents({ vendor, topic, payload })
}

export type Fact =
  | { kind: 'order'; orderKey: string; orderedAt: Date; currency: string | null; identity: string | null }
  | {
      kind: 'capture' | 'refund' | 'dispute'
      orderKey: string
      entryKey: string
      amountMinor: bigint
      currency: string
      occurredAt: Date
    }

const KINDS = { payment_captured: 'capture', payment_refunded: 'refund', payment_disputed: 'dispute' } as const

/** Orders first, then what moved money; the end of a dispute, a cancellation and what takes back move none by themselves. */
export function factsOf(vendor: Vendor, body: Buffer | string, sent: Sent = {}): Fact[] {
  const facts = eventsOf(vendor, body, sent).flatMap((event): Fact[] => {
    const { type, orderKey, entryKey, amountMinor, counts, currency, occurredAt, identity } = event
    if (type === 'order_created') return [{ kind: 'order', orderKey, orderedAt: occurredAt, currency, identity }]
    const kind = KINDS[type as keyof typeof KINDS]
    if (kind === undefined || entryKey === null || amountMinor === null || currency === null) return []
    if (!counts || amountMinor === 0n) return []
    return [{ kind, orderKey, entryKey, amountMinor, currency, occurredAt }]
  })
  return facts.toSorted((a, b) => Number(b.kind === 'order') - Number(a.kind === 'order'))
}

/** Why a delivery is dead, and what is known of it all the same. Throws when it is not. */
export function deathOf(run: () => unknown): Pick<DeadDelivery, 'class' | 'code' | 'externalId' | 'topic'> {
  try {
    run()
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const { class: deadClass, code, externalId, topic } = error
    return { class: deadClass, code, externalId, topic }
  }
  throw new Error('the delivery was read')
}
