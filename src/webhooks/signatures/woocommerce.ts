import { base64Candidates, isHmacOf } from './hmac.ts'
import type { Verifier } from './verifier.ts'

/**
 * `X-WC-Webhook-Signature` = base64 of HMAC-SHA-256 over the raw body, keyed with what WordPress makes of the secret. It
 * signs no time and no header, like Shopify's. A site may choose another hash by a filter; only SHA-256 is taken.
 * Source: WC_Webhook::generate_signature,
 * https://github.com/woocommerce/woocommerce/blob/trunk/plugins/woocommerce/includes/class-wc-webhook.php
 */
export const verifyWoocommerce = (({ rawBody, headers, secrets }) =>
  isHmacOf(
    [rawBody],
    secrets.map(decodeEntities),
    'base64',
    base64Candidates(headers['x-wc-webhook-signature']),
  )) satisfies Verifier

/** In the order of `CHARACTERS`. */
const ANY_ENTITY =
  /(&amp;|&#0*38;|&#[xX]0*26;)|(&lt;|&#0*60;)|(&gt;|&#0*62;)|(&quot;|&#0*34;|&#[xX]0*22;)|(&#0*39;|&#[xX]0*27;)/g
const CHARACTERS = ['&', '<', '>', '"', "'"] as const

/**
 * `wp_specialchars_decode(secret, ENT_QUOTES)`: one pass, so `&amp;lt;` becomes `&lt;`. Names are case-sensitive, and
 * `&apos;`, `&#x3c;` and `&#x3e;` stay as they are.
 * Source: https://developer.wordpress.org/reference/functions/wp_specialchars_decode/
 */
export function decodeEntities(secret: string): string {
  return secret.replace(ANY_ENTITY, (_, ...groups: (string | undefined)[]) => {
    const index = groups.slice(0, CHARACTERS.length).findIndex((group) => group !== undefined)
    return CHARACTERS[index] as string
  })
}
