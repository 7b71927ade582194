import { concat, fromBase64, hmac, isHmacOf, toBase64, toBytes, usableSecrets } from './webhook-bytes.ts'
import {
  headerOf,
  type RawBody,
  readPayload,
  refuse,
  type Verification,
  type WebhookInput,
} from './webhook-delivery.ts'

const TOLERANCE_S = 300
/** Room for some three dozen signatures. */
const MAX_HEADER_LENGTH = 2_048

export interface StandardInput extends WebhookInput {
  /** Base64, with or without `whsec_`. */
  secrets: string | readonly string[]
  /** Seconds that the signature may be old or early; 300 by default. */
  toleranceS?: number | undefined
}

export interface StandardEvent {
  /** The same over all retries: process each once. */
  readonly id: string
  readonly signedAt: Date
  readonly payload: unknown
}

/**
 * Whether a delivery by Standard Webhooks is signed: `webhook-signature` (or `svix-signature`) lists `v1,<base64>`,
 * parted by spaces, of the HMAC-SHA-256 of `id.timestamp.body`. One match is enough; other versions count for nothing.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export async function verifyStandard(input: StandardInput): Promise<Verification<StandardEvent>> {
  const { body, headers, secrets, toleranceS = TOLERANCE_S, now = new Date() } = input
  const read = (name: string) => headerOf(headers, `webhook-${name}`) ?? headerOf(headers, `svix-${name}`)
  const [id, timestamp, signatures] = [read('id'), read('timestamp'), read('signature')]
  if (id === null || timestamp === null || signatures === null) {
    return refuse('missing_header', 'webhook-id, webhook-timestamp and webhook-signature are needed.')
  }
  if (id === '' || !/^[1-9]\d{0,11}$/.test(timestamp) || signatures.length > MAX_HEADER_LENGTH) {
    return refuse('malformed_header', 'webhook-id is empty, or webhook-timestamp is not in seconds.')
  }
  const keys = usableSecrets(secrets).flatMap((secret) => readSecret(secret) ?? [])
  if (keys.length === 0) return refuse('unusable_secret', 'No secret was given that is base64 of at least one byte.')
  const bytes = toBytes(body)
  const candidates = signatures.split(' ').flatMap((item) => /^v1,(\S+)$/.exec(item)?.[1] ?? [])
  if (!(await isHmacOf(concat(`${id}.${timestamp}.`, bytes), keys, toBase64, candidates))) {
    return refuse('signature_mismatch', 'No v1 signature is that of the delivery under one of the secrets.')
  }
  const ageS = Math.floor(now.getTime() / 1_000) - Number(timestamp)
  if (!(Math.abs(ageS) <= toleranceS)) {
    return refuse('timestamp_out_of_tolerance', `The signature is ${ageS} s old; ${toleranceS} s are allowed.`)
  }
  const payload = readPayload(bytes, input.parse)
  if (payload === undefined) return refuse('malformed_body', 'The body is not JSON in UTF-8.')
  return { ok: true, event: { id, signedAt: new Date(Number(timestamp) * 1_000), payload } }
}

function readSecret(secret: string): Uint8Array | null {
  const bytes = fromBase64(secret.replace(/^whsec_/, ''))
  return bytes === null || bytes.length === 0 ? null : bytes
}

/** The headers of a delivery of `body`: for the tests of a receiver. Throws TypeError where the secret is not base64. */
export async function signStandard(
  body: RawBody,
  secret: string,
  { id, at = new Date() }: { id: string; at?: Date | undefined },
): Promise<Record<string, string>> {
  const key = readSecret(secret)
  if (key === null) throw new TypeError('the secret is not base64')
  const timestamp = String(Math.floor(at.getTime() / 1_000))
  const signature = toBase64(await hmac(key, concat(`${id}.${timestamp}.`, toBytes(body))))
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  }
}
