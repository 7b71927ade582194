import { hmac, isHmacOf, toBase64, toBytes, usableSecrets } from './webhook-bytes.ts'
import {
  headerOf,
  isObject,
  type RawBody,
  type RefusalReason,
  readPayload,
  refuse,
  type Verification,
  type WebhookEvent,
  type WebhookInput,
} from './webhook-delivery.ts'
import { knownTopic } from './webhook-topic.ts'

export interface WoocommerceInput extends WebhookInput {
  /** Of the webhook, as the shop shows it. */
  secrets: string | readonly string[]
}

/** From headers, which WooCommerce does not sign. */
export interface WoocommerceFacts {
  /** Home address of the shop. */
  readonly source: string | null
  readonly webhookId: string | null
  /** Two deliveries of one second share it, so it does not tell a repeat. */
  readonly deliveryId: string | null
}

/** `ping`: WooCommerce asks, unsigned, whether anybody is there. Answer 200 and keep nothing. */
export type WoocommerceRefusalReason = RefusalReason | 'ping'

/**
 * Whether WooCommerce signed the delivery: `X-WC-Webhook-Signature` is the base64 of the HMAC-SHA-256 of the body under
 * the secret, in which WordPress has replaced HTML entities first. The signature has no time in it.
 */
export async function verifyWoocommerce(
  input: WoocommerceInput,
): Promise<Verification<WebhookEvent<'woocommerce', WoocommerceFacts>, WoocommerceRefusalReason>> {
  const { body, headers, secrets } = input
  const bytes = toBytes(body)
  const signature = headerOf(headers, 'x-wc-webhook-signature')
  const name = headerOf(headers, 'x-wc-webhook-topic')
  if (signature === null) {
    const isPing = name === null && /^webhook_id=\d{1,20}$/.test(new TextDecoder().decode(bytes.subarray(0, 64)))
    if (isPing) return refuse('ping', 'The unsigned ping before a webhook is activated.')
    return refuse('missing_header', 'There is no X-WC-Webhook-Signature header.')
  }
  if (name === null) return refuse('missing_header', 'There is no X-WC-Webhook-Topic header.')
  if (!/^[A-Za-z0-9+/]{43}=$/.test(signature)) {
    return refuse('malformed_header', 'X-WC-Webhook-Signature is not the base64 of 32 bytes.')
  }
  const keys = usableSecrets(secrets).map((secret) => toBytes(decodeEntities(secret)))
  if (keys.length === 0) return refuse('unusable_secret', 'No secret was given, or only blank ones.')
  if (!(await isHmacOf(bytes, keys, toBase64, [signature]))) {
    return refuse('signature_mismatch', 'The signature is not that of the body under one of the secrets.')
  }
  const payload = readPayload(bytes, input.parse)
  if (!isObject(payload)) return refuse('malformed_body', 'The body is not a JSON object.')
  return {
    ok: true,
    event: {
      vendor: 'woocommerce',
      topic: knownTopic('woocommerce', name),
      name,
      payload,
      source: headerOf(headers, 'x-wc-webhook-source'),
      webhookId: headerOf(headers, 'x-wc-webhook-id'),
      deliveryId: headerOf(headers, 'x-wc-webhook-delivery-id'),
    } as unknown as WebhookEvent<'woocommerce', WoocommerceFacts>,
  }
}

const ENTITY = /&(?:(amp|#0*38|#[xX]0*26)|(lt|#0*60)|(gt|#0*62)|(quot|#0*34|#[xX]0*22)|(?:#0*39|#[xX]0*27));/g

/** WordPress' `wp_specialchars_decode(secret, ENT_QUOTES)`, in one pass. It leaves `&apos;`, `&#x3C;` and `&#x3E;`. */
function decodeEntities(secret: string): string {
  return secret.replace(ENTITY, (_entity, amp, lt, gt, quot) => {
    if (amp !== undefined) return '&'
    if (lt !== undefined) return '<'
    if (gt !== undefined) return '>'
    return quot === undefined ? "'" : '"'
  })
}

/** The signature with which WooCommerce would send `body`: for the tests of a receiver. */
export async function signWoocommerce(body: RawBody, secret: string): Promise<Record<string, string>> {
  const signature = toBase64(await hmac(toBytes(decodeEntities(secret)), toBytes(body)))
  return { 'content-type': 'application/json', 'x-wc-webhook-signature': signature }
}
