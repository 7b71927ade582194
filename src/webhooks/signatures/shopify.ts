import { base64Candidates, isHmacOf } from './hmac.ts'
import type { Verifier } from './verifier.ts'

/**
 * `X-Shopify-Hmac-Sha256` = base64 of HMAC-SHA-256 over the raw body with the app's client secret. It signs no time
 * and no header: a delivery verifies for ever, so only its id guards against a replay, and topic and shop are checked
 * against the signed body as far as it tells them. After a rotation the old secret may sign for an hour.
 * Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
 */
export const verifyShopify = (({ rawBody, headers, secrets }) =>
  isHmacOf([rawBody], secrets, 'base64', base64Candidates(headers['x-shopify-hmac-sha256']))) satisfies Verifier
