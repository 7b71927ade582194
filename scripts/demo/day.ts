// What one generated day consists of.

export type Vendor = 'shopify' | 'stripe'
export type DeliveryResult = 'accepted' | 'duplicate' | 'ignored' | 'dead' | 'unauthorized'
/** How a delivery is signed; everything but the first two has to be refused with 401. */
export type Signing =
  | 'valid'
  | 'valid_while_rolling'
  | 'wrong_secret'
  | 'expired'
  | 'missing'
  | 'altered_body'
  | 'wrong_encoding'
  | 'unknown_endpoint'

export interface Delivery {
  kind: 'delivery'
  vendor: Vendor
  topic: string
  /** What the vendor calls the delivery: Stripe's event id, Shopify's webhook id. */
  externalId: string | null
  /** Without the signature, which is made at the moment of sending. */
  headers: Record<string, string>
  body: Buffer
  signing: Signing
  /**
   * Of deliveries with one external id the first answer is `accepted` and the others `duplicate`; which is which depends
   * on the network, so only the counts are promised.
   */
  expect: DeliveryResult
}

export interface TouchBatch {
  kind: 'touches'
  body: Buffer
  expect: { accepted: number; duplicates: number; rejected: number }
}

export type Sending = Delivery | TouchBatch

/** Times are milliseconds since 1970, in UTC. */
export interface Touch {
  eventId: string
  visitorId: string
  sessionId: string | null
  at: number
  channel: string
  source: string | null
  medium: string | null
  campaign: string | null
}

export interface Refund {
  amountMinor: bigint
  at: number
}

export interface Order {
  /** As the API names it: `shopify:<id>`, `stripe:<payment intent or charge id>`. */
  id: string
  vendor: Vendor
  at: number
  currency: string
  /** Null where the order does not carry our token, or carries one that is not ours. */
  visitorId: string | null
  /** Null where the order was placed and never paid. */
  capturedMinor: bigint | null
  /** In order of time; no two of one order at the same time. */
  refunds: Refund[]
}

export interface Day {
  seed: number
  /** UTC, `YYYY-MM-DD`. */
  date: string
  /** What was accepted of touches: each once. */
  touches: Touch[]
  orders: Order[]
  /** Each phase is sent after the one before it was answered; inside a phase the order is up to the network. */
  phases: Sending[][]
}

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
/** A touch counts for an order that follows within 30 days of 86,400 s. */
export const LOOKBACK = 30 * 24 * HOUR
