/** Which server the console talks to. */
export interface ApiChoice {
  /** `scheme://host[:port]` */
  origin: string
  /** Whether it is the server that the page came from. */
  isOwn: boolean
  /**
   * A link names a server that is neither the page's own nor on this machine. Nothing may be sent there before the reader
   * agrees: whoever made the link would get the password.
   */
  needsConsent: boolean
  /** What the link named, where it cannot be used. */
  refused: string | null
}

/** The page's policy (CSP) lets it speak plain http to these names only. */
const LOOPBACK = new Set(['localhost', '127.0.0.1'])

/** The origin that `text` names; null unless it is https, or http on this machine, and nothing but an origin. */
export function parseApiOrigin(text: string): string | null {
  const url = URL.parse(text.trim())
  if (url === null || url.username !== '' || url.password !== '') return null
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return null
  if (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname))) return url.origin
  return null
}

/**
 * @param search of the page's address; its `api` wins
 * @param stored what was chosen before, with the reader's consent where that was needed
 * @param own origin of the page
 */
export function chooseApi(search: string, stored: string | null, own: string): ApiChoice {
  const named = new URLSearchParams(search).get('api')
  const agreed = stored === null ? null : parseApiOrigin(stored)
  if (named === null)
    return { origin: agreed ?? own, isOwn: (agreed ?? own) === own, needsConsent: false, refused: null }
  const origin = named === own ? own : parseApiOrigin(named)
  if (origin === null) return { origin: own, isOwn: true, needsConsent: false, refused: named }
  const isOwn = origin === own
  const needsConsent = !isOwn && origin !== agreed && !LOOPBACK.has(new URL(origin).hostname)
  return { origin, isOwn, needsConsent, refused: null }
}
