const PATH = /^\/v1\/notifications\/certs\/CERT-[0-9A-Fa-f-]{1,100}$/
const MAX_LENGTH = 512

/**
 * The address of a certificate as it was sent, if it is one that may be fetched: https, a host of `hosts`, PayPal's
 * path, and nothing else, letter by letter. Whoever sends a delivery chooses this text, so that what a parser would
 * mend (a port, `..`, another case, a trailing dot, escapes) is refused, not mended.
 */
export function readCertificateUrl(text: string | undefined, hosts: readonly string[]): URL | null {
  if (text === undefined || text.length > MAX_LENGTH) return null
  const host = hosts.find((one) => text.startsWith(`https://${one}/`))
  if (host === undefined || !PATH.test(text.slice(`https://${host}`.length))) return null
  return new URL(text)
}
