import type { KeyObject, X509Certificate } from 'node:crypto'
import { X509Certificate as Certificate } from 'node:crypto'
import { pathLength } from './path-length.ts'

/** A key that PayPal signs with, and when every certificate from it to its root is in date. */
export interface SigningKey {
  publicKey: KeyObject
  validFrom: Date
  validTo: Date
}

/** Leaf, up to two intermediates, and the next one to a root. */
const MAX_LENGTH = 5
const MIN_RSA_BITS = 2048
/** The rule of PayPal's SDK for Java. Seen: messageverificationcerts.paypal.com, messageverificationcerts.sandbox.paypal.com. */
const COMMON_NAME = /^CN=messageverificationcerts(?:\.[a-z0-9-]{1,63})*\.paypal\.com$/

const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/** The certificates of a PEM file, or the one of a DER file; empty for anything else. */
export function readCertificates(bytes: Buffer): X509Certificate[] {
  const texts = bytes.toString('latin1').match(PEM)
  try {
    return (texts ?? [bytes]).slice(0, MAX_LENGTH).map((one) => new Certificate(one))
  } catch {
    return []
  }
}

/** Whether the certificate is of the kind that PayPal signs with: by its name and its key, not by who issued it. */
export function isForMessages({ subject, publicKey }: X509Certificate): boolean {
  const names = subject.split('\n').filter((line) => line.startsWith('CN='))
  const { asymmetricKeyType, asymmetricKeyDetails } = publicKey
  if (asymmetricKeyType !== 'rsa' || (asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) return false
  return names.length === 1 && COMMON_NAME.test(names[0] as string)
}

/** The key of a certificate that is trusted by itself. */
export function toSigningKey({ publicKey, validFromDate, validToDate }: X509Certificate): SigningKey {
  return { publicKey, validFrom: validFromDate, validTo: validToDate }
}

/**
 * The key of the first certificate of `served`, if a chain leads from it to one of `roots`; null otherwise. `fetchIssuer`
 * is asked where `served` does not hold the next one. Each certificate must be for what proves a name, and the first one
 * no issuer itself. Name constraints and revocation are not looked at: the certificate came from PayPal's own address.
 */
export async function findSigningKey(
  served: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  fetchIssuer: (certificate: X509Certificate) => Promise<X509Certificate | null>,
): Promise<SigningKey | null> {
  const [leaf] = served
  if (leaf === undefined || !isForMessages(leaf) || leaf.ca || !isForServers(leaf)) return null
  const path = [leaf]
  for (let last = leaf; path.length <= MAX_LENGTH; path.push(last)) {
    const isIssuer = (one: X509Certificate) => isIssuedBy(last, one) && pathLength(one) >= path.length - 1
    const root = roots.find(isIssuer)
    if (root !== undefined) return narrowest([...path, root])
    const next = served.find((one) => !path.includes(one) && isIssuer(one)) ?? (await fetchIssuer(last))
    if (next === null || !isForServers(next) || !isIssuer(next)) return null
    last = next
  }
  return null
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  // The name, the key's identifier and the usages; then the signature itself.
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

/** serverAuth and anyExtendedKeyUsage (RFC 5280, 4.2.1.12): for other uses an issuer need not have proven the name. */
const SERVER_USES: readonly string[] = ['1.3.6.1.5.5.7.3.1', '2.5.29.37.0']

/** Without the extension a certificate is for everything. */
function isForServers({ keyUsage }: { keyUsage?: string[] }): boolean {
  return keyUsage === undefined || keyUsage.some((use) => SERVER_USES.includes(use))
}

function narrowest(path: readonly X509Certificate[]): SigningKey {
  const [leaf] = path as [X509Certificate]
  return {
    publicKey: leaf.publicKey,
    validFrom: new Date(Math.max(...path.map(({ validFromDate }) => validFromDate.getTime()))),
    validTo: new Date(Math.min(...path.map(({ validToDate }) => validToDate.getTime()))),
  }
}

const CA_ISSUERS = 'CA Issuers - URI:'

/** Where the issuer's certificate lies, as the certificate says (RFC 5280, 4.2.2.1), if on one of `hosts`. */
export function issuerUrl({ infoAccess }: X509Certificate, hosts: readonly string[]): URL | null {
  const text = infoAccess
    ?.split('\n')
    .find((line) => line.startsWith(CA_ISSUERS))
    ?.slice(CA_ISSUERS.length)
  const url = text === undefined ? null : URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || !hosts.includes(url.host)) return null
  return url.username === '' && url.password === '' && /^\/[A-Za-z0-9._-]{1,100}$/.test(url.pathname + url.search)
    ? url
    : null
}
