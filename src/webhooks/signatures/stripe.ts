import { isHmacOf } from './hmac.ts'
import type { Verifier } from './verifier.ts'

/** Stripe's own default. An older signature is a replay; one from the future, which Stripe's library takes, is refused too. */
const TOLERANCE_S = 300
/** Room for some two dozen signatures; Stripe sends one per secret that is live, so two while one is rolled. */
const MAX_HEADER_LENGTH = 2048

const TIMESTAMP = /^[1-9]\d{0,11}$/
const SIGNATURE = /^[0-9a-f]{64}$/
const ITEM = /^([a-z][a-z0-9]*)=(\S+)$/

/**
 * `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…][,v0=<hex>]`, where v1 is HMAC-SHA-256 over `t.body` with the
 * whole text of the secret (`whsec_…`) as key. Several v1 appear while a secret is being rolled, and one match is
 * enough; other schemes count for nothing. Source: https://docs.stripe.com/webhooks#verify-manually
 */
export const verifyStripe = (({ rawBody, headers, secrets, now }) => {
  const { timestamp, signatures } = parseSignatureHeader(headers['stripe-signature'])
  const isSigned = isHmacOf([timestamp, '.', rawBody], secrets, 'hex', signatures)
  const ageS = Math.floor(now.getTime() / 1000) - Number(timestamp)
  return isSigned && Math.abs(ageS) <= TOLERANCE_S
}) satisfies Verifier

/** `signatures` is empty when the header is not one well-formed value; `timestamp` then is 0, so that the work is the same. */
function parseSignatureHeader(header: string | string[] | undefined): { timestamp: string; signatures: string[] } {
  const refused = { timestamp: '0', signatures: [] }
  if (typeof header !== 'string' || header.length > MAX_HEADER_LENGTH) return refused
  const items = header.split(',').map((item) => ITEM.exec(item))
  // Node joins repeated headers with ', ': the space, or the second t, gives them away.
  if (items.includes(null)) return refused
  const valuesOf = (scheme: string) => items.flatMap((item) => (item?.[1] === scheme ? [item[2] ?? ''] : []))
  const [timestamp, ...others] = valuesOf('t')
  if (timestamp === undefined || others.length > 0 || !TIMESTAMP.test(timestamp)) return refused
  return { timestamp, signatures: valuesOf('v1').filter((value) => SIGNATURE.test(value)) }
}
