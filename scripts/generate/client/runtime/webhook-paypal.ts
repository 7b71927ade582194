import { fromBase64, toBytes } from './webhook-bytes.ts'
import { readCertificate, readPem } from './webhook-certificate.ts'
import {
  headerOf,
  isObject,
  type Refusal,
  type RefusalReason,
  readPayload,
  refuse,
  type Verification,
  type WebhookEvent,
  type WebhookInput,
} from './webhook-delivery.ts'
import { knownTopic } from './webhook-topic.ts'

const ALGORITHM = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
/** PayPal's name for it. Compared, never used to choose. */
const ALGORITHM_NAME = 'SHA256withRSA'
/** PayPal names no limit and retries for three days, perhaps with the first time stamp. */
const MAX_AGE_S = 4 * 24 * 3_600
/** With this id PayPal's simulator signs for anybody who asks. */
const SIMULATOR_ID = 'WEBHOOK_ID'
const HOSTS = {
  live: ['api.paypal.com', 'api-m.paypal.com'],
  sandbox: ['api.sandbox.paypal.com', 'api-m.sandbox.paypal.com'],
}

export interface PaypalInput extends WebhookInput {
  /** Of the webhook, as PayPal shows it; it is not in the request. Several where one address serves several. */
  webhookIds: string | readonly string[]
  /**
   * The certificate of `PAYPAL-CERT-URL` in PEM (or its public key), or how to get it. A function is called with that
   * address once it is known to be one of PayPal's own. Fetch it without following redirects, and keep it by address.
   */
  certificate: string | ((url: string) => string | Promise<string>)
  /** `live` by default. */
  environment?: 'live' | 'sandbox' | undefined
  /** Seconds that the delivery may be old; four days by default. */
  maxAgeS?: number | undefined
}

export interface PaypalFacts {
  /** Of the event, the same over all retries: process each once per webhook. Empty where the event has none. */
  readonly id: string
  readonly webhookId: string
  readonly transmissionId: string
  readonly transmittedAt: Date
}

export type PaypalRefusalReason =
  | RefusalReason
  | 'unusable_webhook_id'
  | 'unsupported_algorithm'
  | 'untrusted_certificate_url'
  | 'unusable_certificate'

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>

interface Transmission {
  id: string
  time: string
  at: Date
  signature: Uint8Array
}

/**
 * Whether PayPal signed the delivery: `PAYPAL-TRANSMISSION-SIG` is the RSA signature (PKCS #1 v1.5, SHA-256) of
 * `id|time|webhook id|CRC-32 of the body`. Of the certificate the dates and the name are checked; that it is PayPal's
 * follows from where it was fetched. The literal webhook id `WEBHOOK_ID` is refused.
 */
export async function verifyPaypal(
  input: PaypalInput,
): Promise<Verification<WebhookEvent<'paypal', PaypalFacts>, PaypalRefusalReason>> {
  const { body, now = new Date(), maxAgeS = MAX_AGE_S } = input
  const ids = typeof input.webhookIds === 'string' ? [input.webhookIds] : input.webhookIds
  if (ids.length === 0 || ids.some((id) => id.trim() === '' || id === SIMULATOR_ID)) {
    return refuse('unusable_webhook_id', `A webhook id is blank, or ${SIMULATOR_ID}.`)
  }
  const transmission = readTransmission(input)
  if ('reason' in transmission) return transmission
  const key = await readKey(input, now)
  if ('reason' in key) return key
  const bytes = toBytes(body)
  const webhookId = await findSigned(key, transmission, ids, crc32(bytes))
  if (webhookId === undefined) return refuse('signature_mismatch', 'The signature is not that of the delivery.')
  const ageS = Math.abs(now.getTime() - transmission.at.getTime()) / 1_000
  if (!(ageS <= maxAgeS)) {
    return refuse('timestamp_out_of_tolerance', `The delivery is ${Math.floor(ageS)} s old; ${maxAgeS} s are allowed.`)
  }
  const payload = readPayload(bytes, input.parse)
  if (!isObject(payload) || typeof payload.event_type !== 'string') {
    return refuse('malformed_body', 'The body is not an event with an `event_type`.')
  }
  const { event_type: name, id } = payload
  return {
    ok: true,
    event: {
      vendor: 'paypal',
      topic: knownTopic('paypal', name),
      name,
      payload,
      id: typeof id === 'string' ? id : '',
      webhookId,
      transmissionId: transmission.id,
      transmittedAt: transmission.at,
    } as unknown as WebhookEvent<'paypal', PaypalFacts>,
  }
}

function readTransmission({ headers }: PaypalInput): Transmission | Refusal<PaypalRefusalReason> {
  const names = ['paypal-transmission-id', 'paypal-transmission-time', 'paypal-transmission-sig', 'paypal-auth-algo']
  const values = names.map((name) => headerOf(headers, name))
  const missing = names.filter((_name, index) => values[index] === null)
  if (missing.length > 0) return refuse('missing_header', `Missing: ${missing.join(', ')}.`)
  const [id, time, signature, algorithm] = values as [string, string, string, string]
  if (algorithm !== ALGORITHM_NAME) return refuse('unsupported_algorithm', `PAYPAL-AUTH-ALGO is not ${ALGORITHM_NAME}.`)
  const at = new Date(time)
  const decoded = fromBase64(signature)
  // A bar in one of them would move the border between the signed parts.
  if (
    decoded === null ||
    !/^\d{4}-\d\d-\d\dT[^|]{1,40}$/.test(time) ||
    Number.isNaN(at.getTime()) ||
    id.includes('|')
  ) {
    return refuse('malformed_header', 'The signature is not base64, or the time is none.')
  }
  return { id, time, at, signature: decoded }
}

async function readKey(
  { headers, certificate, environment = 'live' }: PaypalInput,
  now: Date,
): Promise<Key | Refusal<PaypalRefusalReason>> {
  let pem = certificate
  if (typeof pem === 'function') {
    const url = headerOf(headers, 'paypal-cert-url')
    if (url === null) return refuse('missing_header', 'There is no PAYPAL-CERT-URL header.')
    if (!isPaypalCertificateUrl(url, environment)) {
      return refuse('untrusted_certificate_url', `PAYPAL-CERT-URL is not a certificate of PayPal (${environment}).`)
    }
    pem = await pem(url)
  }
  const spki = readPem(pem, 'PUBLIC KEY') ?? readSignerKey(pem, now)
  if (!(spki instanceof Uint8Array)) return spki
  try {
    return await crypto.subtle.importKey('spki', spki as Uint8Array<ArrayBuffer>, ALGORITHM, false, ['verify'])
  } catch {
    return refuse('unusable_certificate', 'The certificate holds no RSA key.')
  }
}

function readSignerKey(pem: string, now: Date): Uint8Array | Refusal<PaypalRefusalReason> {
  const der = readPem(pem, 'CERTIFICATE')
  const certificate = der === null ? null : readCertificate(der)
  if (certificate === null) return refuse('unusable_certificate', 'The text holds no certificate in PEM.')
  const { notBefore, notAfter, commonName, publicKey } = certificate
  if (now < notBefore || now > notAfter) {
    return refuse(
      'unusable_certificate',
      `The certificate holds from ${notBefore.toISOString()} to ${notAfter.toISOString()}.`,
    )
  }
  if (!/^messageverificationcerts\.(?:[a-z0-9-]+\.)*paypal\.com$/.test(commonName ?? '')) {
    return refuse('unusable_certificate', 'The certificate is not one for messages of PayPal.')
  }
  return publicKey
}

/**
 * Whether a certificate may be fetched from there. The address comes with the request, so anything else would let the
 * sender choose the key, or let it reach into the receiver's network.
 */
export function isPaypalCertificateUrl(url: string, environment: 'live' | 'sandbox' = 'live'): boolean {
  const [, host = ''] = /^https:\/\/([a-z.-]+)\/v1\/notifications\/certs\/CERT-[0-9A-Fa-f-]{1,100}$/.exec(url) ?? []
  return HOSTS[environment].includes(host)
}

async function findSigned(
  key: Key,
  { id, time, signature }: Transmission,
  webhookIds: readonly string[],
  crc: number,
): Promise<string | undefined> {
  for (const webhookId of webhookIds) {
    const message = toBytes(`${id}|${time}|${webhookId}|${crc}`) as Uint8Array<ArrayBuffer>
    const signed = signature as Uint8Array<ArrayBuffer>
    if (await crypto.subtle.verify(ALGORITHM.name, key, signed, message)) return webhookId
  }
  return undefined
}

/** CRC-32 of IEEE 802.3, as zlib's: unsigned. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
