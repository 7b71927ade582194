import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Whether one of `candidates` is the HMAC-SHA-256 of the joined `message` under one of `secrets`. Each candidate has
 * the length and the alphabet of `encoding` already. The encoded texts are compared, not the bytes behind them: of a
 * base64 text four spellings decode to the same bytes, and only one is what the vendor sends.
 *
 * Every secret is tried whatever came before, and without any a blank one is, so that neither a bad header nor an
 * endpoint without secrets answers sooner. A blank secret never matches.
 */
export function isHmacOf(
  message: readonly (string | Buffer)[],
  secrets: readonly string[],
  encoding: 'hex' | 'base64',
  candidates: readonly string[],
): boolean {
  let isMatch = false
  for (const secret of secrets.length === 0 ? [''] : secrets) {
    const hmac = createHmac('sha256', secret)
    for (const part of message) hmac.update(part)
    const expected = Buffer.from(hmac.digest(encoding), 'latin1')
    const isUsable = secret.trim() !== ''
    for (const candidate of candidates) {
      const isEqual = timingSafeEqual(expected, Buffer.from(candidate, 'latin1'))
      isMatch = (isEqual && isUsable) || isMatch
    }
  }
  return isMatch
}

/** 32 bytes in base64, padded. */
const BASE64_OF_SHA256 = /^[A-Za-z0-9+/]{43}=$/

/** The value of a header that holds one HMAC in base64; nothing where it does not. Node joins repeated headers with ', '. */
export function base64Candidates(header: string | string[] | undefined): string[] {
  return typeof header === 'string' && BASE64_OF_SHA256.test(header) ? [header] : []
}
