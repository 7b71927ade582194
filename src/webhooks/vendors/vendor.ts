import type { IncomingHttpHeaders } from 'node:http'
import { JsonError, type JsonObject, type JsonValue, parseJson } from '../lossless-json.ts'

export type { JsonObject, JsonValue } from '../lossless-json.ts'

export type Vendor = 'stripe' | 'shopify'

/** One vendor's dialect. All of it is pure: the same input gives the same answer, whenever and wherever it runs. */
export interface VendorAdapter {
  readonly vendor: Vendor
  /**
   * Whether one of `secrets` signed these bytes, and recently enough where the vendor signs a time. Costs one HMAC per
   * secret whatever is wrong, and compares in constant time. No secrets, or a blank one, verify nothing.
   */
  verify(input: { rawBody: Buffer; headers: IncomingHttpHeaders; secrets: readonly string[]; now: Date }): boolean
  /**
   * What is kept of a verified delivery. Throws DeadDelivery, and nothing else, for whatever the body may hold; a
   * payload that it returns is one that `toFacts` can read.
   */
  read(input: {
    rawBody: Buffer
    headers: IncomingHttpHeaders
    /** The shop that the endpoint is bound to; null when it is bound to none, and always for Stripe. */
    shopDomain: string | null
    /** Keyed hash of a visitor id, in hex. */
    identityOf: (visitorId: string) => string
  }): Delivery
  /** What a stored payload says about orders and money. Throws DeadDelivery when `read` did not make the payload. */
  toFacts(delivery: { topic: string; payload: JsonObject }): Fact[]
}

export interface Delivery {
  /** The vendor's id of the delivery, the same over its retries: at most 128 of A-Z a-z 0-9 _ - */
  externalId: string
  /** At most 100 characters. */
  topic: string
  /** A vendor's test mode: never money. */
  isTest: boolean
  /** False: a topic that carries no revenue, to be acknowledged and counted. */
  handled: boolean
  /** Allow-listed fields without personal data; empty when the topic is not handled. */
  payload: JsonObject
}

export type Fact =
  | {
      kind: 'order'
      /** Matches ^(shopify|stripe):[A-Za-z0-9_-]{1,128}$ */
      orderKey: string
      orderedAt: Date
      /** ISO 4217 */
      currency: string
      /** Keyed hash of the visitor, in hex; null when the order carries no token of ours. */
      identity: string | null
    }
  | {
      kind: 'capture' | 'refund'
      orderKey: string
      /** Business key: the same for every delivery about this movement of money. At most 255 characters. */
      entryKey: string
      /** 1 to 2^53 − 1 minor units, for a refund too. */
      amountMinor: bigint
      currency: string
      occurredAt: Date
    }

/** `conflict` is not found by an adapter: the service gives it when two deliveries contradict each other. */
export type DeadClass = 'malformed' | 'schema' | 'poison' | 'unsupported' | 'conflict'

/**
 * A verified delivery that cannot be used. `detail` is a sentence of ours, at most 500 characters, without any text
 * from the delivery; the ids are null where the delivery has none that could be stored.
 */
export class DeadDelivery extends Error {
  override name = 'DeadDelivery'
  readonly class: DeadClass
  readonly code: string
  readonly detail: string
  readonly externalId: string | null
  readonly topic: string | null

  constructor(fault: {
    class: DeadClass
    code: string
    detail: string
    externalId?: string | null
    topic?: string | null
    cause?: unknown
  }) {
    super(`${fault.code}: ${fault.detail}`, fault.cause === undefined ? undefined : { cause: fault.cause })
    this.class = fault.class
    this.code = fault.code
    this.detail = fault.detail
    this.externalId = fault.externalId ?? null
    this.topic = fault.topic ?? null
  }
}

/** Runs `read`; a DeadDelivery out of it is given the ids of the delivery that it is about. */
export function about<T>(delivery: { externalId: string | null; topic: string | null }, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    const { class: deadClass, code, detail } = error
    throw new DeadDelivery({ class: deadClass, code, detail, ...delivery, cause: error.cause })
  }
}

const POISON: ReadonlySet<string> = new Set(['lone_surrogate', 'nul_character', 'too_deep', 'too_many_nodes'])

/** The body as JSON. Throws DeadDelivery: `malformed` when it is none, `poison` when it is some that nobody can store. */
export function parseBody(rawBody: Buffer): JsonValue {
  try {
    return parseJson(rawBody)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const deadClass = POISON.has(error.code) ? 'poison' : 'malformed'
    throw new DeadDelivery({ class: deadClass, code: error.code, detail: `The delivery is dead: ${error.message}.` })
  }
}
