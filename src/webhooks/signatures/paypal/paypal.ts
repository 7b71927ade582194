import { type KeyObject, verify } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { crc32 } from 'node:zlib'
import type { Verifier } from '../verifier.ts'
import { DECOY_KEY } from './trust.ts'

/** PayPal names no limit; it tries for three days and may keep the first time. */
const TOLERANCE_MS = 4 * 86_400_000
/** A signature from the future: PayPal's clock and ours need not agree. */
const SKEW_MS = 3_600_000
const ALGORITHM = 'SHA256withRSA'
/** What PayPal's simulator signs with, under its real certificate, for anybody who asks. */
const SIMULATOR_WEBHOOK_ID = 'WEBHOOK_ID'

/** Without `|`, which separates the parts of what is signed. */
const TRANSMISSION_ID = /^[A-Za-z0-9-]{1,128}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/
/** Of an RSA key with 2048 to 8192 bits. */
const SIGNATURE = /^[A-Za-z0-9+/]{340,1368}={0,2}$/

interface Transmission {
  id: string
  time: string
  signature: Buffer
  certificateUrl: string
}

/** Signed with another key than any that is tried. */
const NOTHING: Transmission = { id: '-', time: '-', signature: Buffer.alloc(256), certificateUrl: '' }

/**
 * `PAYPAL-TRANSMISSION-SIG` is base64 of RSASSA-PKCS1-v1_5 with SHA-256 over `<transmission id>|<time as sent>|<webhook
 * id>|<CRC-32 of the raw body, unsigned decimal>`, with the key of the certificate at `PAYPAL-CERT-URL`. `secrets` are
 * the ids of the webhooks; the one of PayPal's simulator verifies nothing.
 * Source: https://developer.paypal.com/api/rest/webhooks/rest/#link-eventheadervalidation
 */
export const verifyPaypal = (async ({ rawBody, headers, secrets, now, endpoint }, { paypalCertificates }) => {
  const sent = readTransmission(headers, now)
  const { id, time, signature, certificateUrl } = sent ?? NOTHING
  const keys = sent === null ? [] : await paypalCertificates.find(certificateUrl, endpoint, now)
  const crc = crc32(rawBody)
  let isMatch = false
  for (const key of keys.length === 0 ? [DECOY_KEY] : keys) {
    for (const webhookId of secrets.length === 0 ? [''] : secrets) {
      const isUsable = webhookId.trim() !== '' && webhookId !== SIMULATOR_WEBHOOK_ID && key !== DECOY_KEY
      const isSigned = isSignedWith(key, `${id}|${time}|${webhookId}|${crc}`, signature)
      isMatch = (isSigned && isUsable) || isMatch
    }
  }
  return isMatch
}) satisfies Verifier

function isSignedWith(key: KeyObject, message: string, signature: Buffer): boolean {
  return verify('RSA-SHA256', Buffer.from(message), key, signature)
}

/** Null when a header is missing, there twice (Node joins them with `, `), not of its form, or the time is out of bounds. */
function readTransmission(headers: IncomingHttpHeaders, now: Date): Transmission | null {
  const textOf = (name: string) => {
    const value = headers[name]
    return typeof value === 'string' ? value : ''
  }
  const id = textOf('paypal-transmission-id')
  const time = textOf('paypal-transmission-time')
  const text = textOf('paypal-transmission-sig')
  // Compared, never chosen by.
  if (textOf('paypal-auth-algo') !== ALGORITHM) return null
  const certificateUrl = textOf('paypal-cert-url')
  // Endpoints in test mode take an operator's certificate for any address, but not for none.
  if (certificateUrl === '') return null
  if (!TRANSMISSION_ID.test(id) || !TIME.test(time) || !SIGNATURE.test(text)) return null
  const ageMs = now.getTime() - Date.parse(time)
  if (!(ageMs <= TOLERANCE_MS && ageMs >= -SKEW_MS)) return null
  const signature = Buffer.from(text, 'base64')
  // Of the spellings that decode to the same bytes only one is PayPal's.
  if (signature.toString('base64') !== text) return null
  return { id, time, signature, certificateUrl }
}
