import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether `authorization` is `Bearer` and the token. Takes the same time whatever is wrong; false without a token. */
export function isMetricsToken(authorization: string | undefined, token: string | null): boolean {
  if (token === null || authorization === undefined) return false
  const sent = /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? ''
  return timingSafeEqual(sha256(sent), sha256(token))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
