// Signs deliveries the way the vendors do. Independent of the platform's own verification, which it puts to the test.

import { createHmac } from 'node:crypto'

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
