import type { IncomingHttpHeaders } from 'node:http'
import type { AppContext, CertificateAsker } from '../../context.ts'

export interface SignedDelivery {
  /** As the bytes arrived. */
  rawBody: Buffer
  headers: IncomingHttpHeaders
  /** The live ones of an endpoint; for PayPal ids of webhooks. */
  secrets: readonly string[]
  now: Date
  /** Null for one that does not exist: the work is the same, but nothing is fetched for it. */
  endpoint: CertificateAsker | null
}

/**
 * Whether one of `secrets` signed these bytes, and recently enough where the vendor signs a time. Does one check per
 * secret whatever is wrong, and compares in constant time. No secrets, or a blank one, verify nothing. Throws
 * `service_unavailable` when that cannot be known at the moment, which can be with PayPal only.
 */
export type Verifier = (
  delivery: SignedDelivery,
  ctx: Pick<AppContext, 'paypalCertificates'>,
) => boolean | Promise<boolean>
