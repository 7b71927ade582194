import type { IncomingHttpHeaders } from 'node:http'
import type { Vendor } from '../../context.ts'
import type { JsonObject } from '../lossless-json.ts'

export interface DeliveryInput {
  vendor: Vendor
  /** Verified, as the bytes arrived. */
  rawBody: Buffer
  headers: IncomingHttpHeaders
  endpoint: {
    endpointId: string
    /** The shop that the endpoint is bound to; null when it is bound to none. */
    shopDomain: string | null
  }
  /** Keyed hash of a visitor id, in hex. */
  identityOf: (visitorId: string) => string
  /** Keyed hash of a click id: that of a touch with the same one. */
  hashClickId: (name: string, value: string) => Buffer
}

export interface Delivery {
  /** The delivery within its endpoint, the same over its retries: at most 128 of A-Z a-z 0-9 _ - */
  externalId: string
  /** At most 100 characters. */
  topic: string
  /** A vendor's test mode: never money. Where the vendor marks nothing, false: the endpoint decides. */
  isTest: boolean
  /** False: a topic that carries no revenue, to be acknowledged and counted. */
  handled: boolean
  /**
   * What may be stored: `body` holds the allow-listed parts of the body in their places, `headers` those headers that the
   * field map reads, `shop` the shop in keys of orders, `attribution` how the buyer came. Without personal data.
   */
  payload: JsonObject
}
