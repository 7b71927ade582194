import type { KeyObject } from 'node:crypto'
import type { Delivery } from './delivery.ts'
import { HEX, randomOf, uuid } from './random.ts'
import { signPaypal, signShopify, signStandard, signStripe, signWoocommerce } from './signature.ts'
import { PING } from './woocommerce/simulator.ts'

export const TAMPERINGS = ['body', 'signature', 'header'] as const
/**
 * What is changed after signing. `header`: another time (Stripe), transmission id (PayPal) or id (Standard Webhooks);
 * Shopify and WooCommerce sign no header, so the one with the signature is left out.
 */
export type Tampering = (typeof TAMPERINGS)[number]

export interface Signing {
  scheme: 'vendor' | 'standard-webhooks'
  /** The endpoint's secret; for PayPal, which has none, the id of the webhook. */
  secret: string
  /** PayPal only. */
  certificate: { privateKey: KeyObject; url: string } | null
  tamper: Tampering | null
  /** How long ago it was signed, in seconds. */
  ageS: number
}

export interface SignedRequest {
  headers: Record<string, string>
  body: Buffer
}

/** Seconds after which a signature is refused; null where the vendor signs no time, so that it holds for ever. */
const TOLERANCE_S = { stripe: 300, 'standard-webhooks': 300, paypal: 4 * 86_400, shopify: null, woocommerce: null }
/** What `--old` means without a number. */
const OLD_S = { stripe: 600, 'standard-webhooks': 600, paypal: 5 * 86_400, shopify: 86_400, woocommerce: 86_400 }

type Dialect = keyof typeof TOLERANCE_S

function dialectOf({ vendor }: Pick<Delivery, 'vendor'>, { scheme }: Pick<Signing, 'scheme'>): Dialect {
  return scheme === 'vendor' ? vendor : scheme
}

export function defaultAge(delivery: Pick<Delivery, 'vendor'>, signing: Pick<Signing, 'scheme'>): number {
  return OLD_S[dialectOf(delivery, signing)]
}

/** Whether a receiver that checks signatures must refuse it. */
export function isForged(
  delivery: Pick<Delivery, 'vendor' | 'topic'>,
  signing: Pick<Signing, 'scheme' | 'tamper' | 'ageS'>,
): boolean {
  if (!isSigned(delivery)) return false
  const tolerance = TOLERANCE_S[dialectOf(delivery, signing)]
  return signing.tamper !== null || (tolerance !== null && signing.ageS > tolerance)
}

/** WooCommerce's ping is the one body that no vendor signs. */
export function isSigned({ topic }: Pick<Delivery, 'topic'>): boolean {
  return topic !== PING
}

/** The request of one attempt. What the vendor keeps over retries stays; what it makes anew, such as the time, is new. */
export function toRequest(delivery: Delivery, signing: Signing, now: Date): SignedRequest {
  if (!isSigned(delivery)) return { headers: delivery.headers, body: delivery.body }
  const signedAt = new Date(now.getTime() - signing.ageS * 1000)
  const signature = SIGNERS[dialectOf(delivery, signing)](delivery, signing, signedAt)
  const headers = { ...delivery.headers, ...signature }
  if (signing.tamper !== 'body') return { headers, body: delivery.body }
  return { headers, body: changeDigit(delivery.body) }
}

type Signer = (delivery: Delivery, signing: Signing, at: Date) => Record<string, string>

const SIGNERS: Record<Dialect, Signer> = {
  stripe(delivery, { secret, tamper }, at) {
    const timestampS = toSeconds(at)
    const signature = signStripe(delivery.body, [secret], timestampS)
    if (tamper === 'signature') return { 'Stripe-Signature': changeCharacter(signature, signature.indexOf('v1=') + 3) }
    if (tamper === 'header') return { 'Stripe-Signature': signature.replace(`t=${timestampS}`, `t=${timestampS - 1}`) }
    return { 'Stripe-Signature': signature }
  },
  shopify({ body }, { secret, tamper, ageS }, at) {
    return {
      // Not signed: a receiver may look at it, and must not rely on it.
      ...(ageS > 0 ? { 'X-Shopify-Triggered-At': at.toISOString() } : {}),
      ...base64Header('X-Shopify-Hmac-Sha256', signShopify(body, secret), tamper),
    }
  },
  woocommerce({ body }, { secret, tamper }) {
    return base64Header('X-WC-Webhook-Signature', signWoocommerce(body, secret), tamper)
  },
  paypal(delivery, { secret, certificate, tamper }, at) {
    if (certificate === null) throw new TypeError('PayPal signs with a certificate')
    const random = randomOf(`skeldir webhooks ${delivery.seed} paypal transmission ${delivery.topic}`)
    const transmissionId = uuid(random)
    const time = at.toISOString().replace(/\.\d+Z$/, 'Z')
    const signature = signPaypal(delivery.body, { transmissionId, time, webhookId: secret }, certificate.privateKey)
    return {
      'PAYPAL-AUTH-ALGO': 'SHA256withRSA',
      'PAYPAL-AUTH-VERSION': 'v2',
      'PAYPAL-CERT-URL': certificate.url,
      'PAYPAL-TRANSMISSION-ID': tamper === 'header' ? changeCharacter(transmissionId, 0) : transmissionId,
      'PAYPAL-TRANSMISSION-SIG': tamper === 'signature' ? changeCharacter(signature, 0) : signature,
      'PAYPAL-TRANSMISSION-TIME': time,
      'CORRELATION-ID': random.text(13, HEX),
    }
  },
  'standard-webhooks'({ seed, vendor, topic, body }, { secret, tamper }, at) {
    const id = `msg_${randomOf(`skeldir webhooks ${seed} ${vendor} message ${topic}`).text(24, HEX)}`
    const timestampS = toSeconds(at)
    const signature = signStandard(body, secret, id, timestampS)
    return {
      'webhook-id': tamper === 'header' ? `${id}0` : id,
      'webhook-timestamp': String(timestampS),
      'webhook-signature': tamper === 'signature' ? changeCharacter(signature, 3) : signature,
    }
  },
}

function base64Header(name: string, signature: string, tamper: Tampering | null): Record<string, string> {
  if (tamper === 'header') return {}
  return { [name]: tamper === 'signature' ? changeCharacter(signature, 0) : signature }
}

function toSeconds(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}

/** Another hexadecimal digit in one place: valid in each encoding, and never the same bytes. */
function changeCharacter(text: string, index: number): string {
  return text.slice(0, index) + (text[index] === 'a' ? 'b' : 'a') + text.slice(index + 1)
}

/** The last digit of the body is another one: still JSON, and the same length. */
function changeDigit(body: Buffer): Buffer {
  const changed = Buffer.from(body)
  const index = changed.findLastIndex((byte) => byte >= 0x30 && byte <= 0x39)
  const digit = changed[index]
  if (digit === undefined) throw new TypeError('a body without a digit')
  changed[index] = digit === 0x39 ? 0x38 : digit + 1
  return changed
}
