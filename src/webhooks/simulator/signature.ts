// Signs deliveries the way the vendors do. Independent of the platform's own verification, which it puts to the test.

import { createHmac, type KeyObject, sign } from 'node:crypto'
import { crc32 } from 'node:zlib'

/**
 * `Stripe-Signature` of a body: v1 is the hex HMAC-SHA256 of `<timestamp>.<body>`, keyed with the whole secret, `whsec_`
 * included. While a secret is being rolled a delivery carries one v1 for each.
 * Source: https://docs.stripe.com/webhooks#verify-manually
 */
export function signStripe(body: Buffer, secrets: readonly string[], timestampS: number): string {
  const signatures = secrets.map((secret) => {
    return `v1=${createHmac('sha256', secret).update(`${timestampS}.`).update(body).digest('hex')}`
  })
  // v0 is the deliberately false scheme that Stripe adds in test mode; a verifier has to ignore it.
  return [`t=${timestampS}`, ...signatures, `v0=${'0'.repeat(64)}`].join(',')
}

/**
 * `X-Shopify-Hmac-Sha256` of a body.
 * Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook-to-ensure-its-coming-from-shopify
 */
export function signShopify(body: Buffer, secret: string): string {
  return createHmac('sha256', secret).update(body).digest('base64')
}

/**
 * `X-WC-Webhook-Signature` of a body. Source: WC_Webhook::generate_signature,
 * https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/class-wc-webhook.php
 */
export function signWoocommerce(body: Buffer, secret: string): string {
  return createHmac('sha256', decodeEntities(secret)).update(body).digest('base64')
}

const ENTITY =
  /(&amp;|&#0*38;|&#[xX]0*26;)|(&lt;|&#0*60;)|(&gt;|&#0*62;)|(&quot;|&#0*34;|&#[xX]0*22;)|(?:&#0*39;|&#[xX]0*27;)/g

/**
 * What WordPress makes of a secret before it signs: `wp_specialchars_decode(secret, ENT_QUOTES)`. One pass, so
 * `&amp;lt;` becomes `&lt;`; `&apos;`, `&#x3c;` and `&#x3e;` stay as they are.
 * Source: https://developer.wordpress.org/reference/functions/wp_specialchars_decode/
 */
export function decodeEntities(secret: string): string {
  return secret.replace(ENTITY, (_, ampersand, less, greater, quote) =>
    ampersand ? '&' : less ? '<' : greater ? '>' : quote ? '"' : "'",
  )
}

/**
 * `PAYPAL-TRANSMISSION-SIG`: RSASSA-PKCS1-v1_5 with SHA-256 over `<transmission id>|<time as sent>|<webhook id>|<crc>`,
 * the CRC-32 of the body as an unsigned decimal.
 * Source: https://developer.paypal.com/api/rest/webhooks/rest/#link-eventheadervalidation
 */
export function signPaypal(
  body: Buffer,
  { transmissionId, time, webhookId }: { transmissionId: string; time: string; webhookId: string },
  privateKey: KeyObject,
): string {
  const message = `${transmissionId}|${time}|${webhookId}|${crc32(body)}`
  return sign('RSA-SHA256', Buffer.from(message), privateKey).toString('base64')
}

/**
 * `webhook-signature` of Standard Webhooks, one of version 1: HMAC-SHA256 over `<id>.<timestamp>.<body>`, keyed with the
 * decoded base64 that follows `whsec_`. Source: https://github.com/standard-webhooks/standard-webhooks
 */
export function signStandard(body: Buffer, secret: string, id: string, timestampS: number): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestampS}.`).update(body).digest('base64')}`
}
