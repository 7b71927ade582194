import { concat, hmac, isHmacOf, toBytes, toHex, usableSecrets } from './webhook-bytes.ts'
import {
  headerOf,
  isObject,
  type RawBody,
  readPayload,
  refuse,
  type Verification,
  type WebhookEvent,
  type WebhookInput,
} from './webhook-delivery.ts'
import { knownTopic } from './webhook-topic.ts'

/** Stripe's own default. Each retry is signed anew, so it breaks none. */
const TOLERANCE_S = 300
/** Room for some two dozen signatures; Stripe sends one per secret that is live. */
const MAX_HEADER_LENGTH = 2_048

export interface StripeInput extends WebhookInput {
  /** Of the endpoint, each with its `whsec_`: two while one is rolled. */
  secrets: string | readonly string[]
  /** Seconds that the signature may be old or early; 300 by default. */
  toleranceS?: number | undefined
}

export interface StripeFacts {
  /** Of the event, the same over all retries: process each once. Empty where the event has none. */
  readonly id: string
  readonly signedAt: Date
}

/**
 * Whether Stripe signed the delivery: `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=<hex>…]`, where v1 is the
 * HMAC-SHA-256 of `t.body` with the whole text of the secret as key. One match is enough; other schemes count for
 * nothing. A signature from the future is refused as well as an old one.
 * Source: https://docs.stripe.com/webhooks#verify-manually
 */
export async function verifyStripe(input: StripeInput): Promise<Verification<WebhookEvent<'stripe', StripeFacts>>> {
  const { body, headers, secrets, toleranceS = TOLERANCE_S, now = new Date() } = input
  const header = headerOf(headers, 'stripe-signature')
  if (header === null) return refuse('missing_header', 'There is no Stripe-Signature header.')
  const signature = parseHeader(header)
  if (signature === null) return refuse('malformed_header', 'Stripe-Signature is not one `t=…,v1=…` value.')
  const keys = usableSecrets(secrets).map(toBytes)
  if (keys.length === 0) return refuse('unusable_secret', 'No secret was given, or only blank ones.')
  const bytes = toBytes(body)
  const message = concat(`${signature.timestamp}.`, bytes)
  if (!(await isHmacOf(message, keys, toHex, signature.v1))) {
    return refuse('signature_mismatch', 'No v1 signature is that of the body under one of the secrets.')
  }
  const signedAt = Number(signature.timestamp)
  const ageS = Math.floor(now.getTime() / 1_000) - signedAt
  if (!(Math.abs(ageS) <= toleranceS)) {
    return refuse('timestamp_out_of_tolerance', `The signature is ${ageS} s old; ${toleranceS} s are allowed.`)
  }
  const payload = readPayload(bytes, input.parse)
  if (!isObject(payload) || typeof payload.type !== 'string') {
    return refuse('malformed_body', 'The body is not an event with a `type`.')
  }
  const { type: name, id } = payload
  return {
    ok: true,
    event: {
      vendor: 'stripe',
      topic: knownTopic('stripe', name),
      name,
      payload,
      id: typeof id === 'string' ? id : '',
      signedAt: new Date(signedAt * 1_000),
    } as unknown as WebhookEvent<'stripe', StripeFacts>,
  }
}

function parseHeader(header: string): { timestamp: string; v1: string[] } | null {
  if (header.length > MAX_HEADER_LENGTH) return null
  // Joined headers have a space after the comma, which gives them away.
  const items = header.split(',').map((item) => /^([a-z][a-z0-9]*)=(\S+)$/.exec(item))
  if (items.includes(null)) return null
  const valuesOf = (scheme: string) => items.flatMap((item) => (item?.[1] === scheme ? [item[2] ?? ''] : []))
  const [timestamp = '', ...others] = valuesOf('t')
  if (others.length > 0 || !/^[1-9]\d{0,11}$/.test(timestamp)) return null
  return { timestamp, v1: valuesOf('v1').filter((value) => /^[0-9a-f]{64}$/.test(value)) }
}

/** The headers with which Stripe would send `body`: for the tests of a receiver. */
export async function signStripe(
  body: RawBody,
  secret: string,
  at: Date = new Date(),
): Promise<Record<string, string>> {
  const t = Math.floor(at.getTime() / 1_000)
  const v1 = toHex(await hmac(toBytes(secret), concat(`${t}.`, toBytes(body))))
  return { 'content-type': 'application/json; charset=utf-8', 'stripe-signature': `t=${t},v1=${v1}` }
}
