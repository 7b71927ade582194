import type { X509Certificate } from 'node:crypto'

interface Element {
  tag: number
  content: Buffer
}

const SEQUENCE = 0x30
const INTEGER = 0x02
/** `[3]` of what is signed of a certificate. RFC 5280, 4.1 */
const EXTENSIONS = 0xa3
/** 2.5.29.19 */
const BASIC_CONSTRAINTS = Buffer.from('551d13', 'hex')

/**
 * How many certificates of issuers may stand between this one and the last of a chain: pathLenConstraint (RFC 5280,
 * 4.2.1.9), which Node does not tell. Infinity where the certificate does not say.
 */
export function pathLength({ raw }: X509Certificate): number {
  const [certificate] = elements(raw)
  const [signed] = elements(certificate?.content)
  const extensions = elements(signed?.content).find(({ tag }) => tag === EXTENSIONS)
  for (const extension of elements(elements(extensions?.content)[0]?.content)) {
    const [id, ...others] = elements(extension.content)
    if (id?.content.equals(BASIC_CONSTRAINTS) !== true) continue
    const constraints = elements(others.at(-1)?.content).find(({ tag }) => tag === SEQUENCE)
    const length = elements(constraints?.content).find(({ tag }) => tag === INTEGER)?.content
    // Two bytes are more than any chain has.
    return length?.length === 1 ? (length[0] as number) : Number.POSITIVE_INFINITY
  }
  return Number.POSITIVE_INFINITY
}

/** The elements of some DER, one after the other. ITU-T X.690, 8.1 and 10.1 */
function elements(der: Buffer = Buffer.alloc(0)): Element[] {
  const found: Element[] = []
  for (let at = 0; at + 1 < der.length; ) {
    const first = der[at + 1] as number
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f
    const start = at + 2 + lengthBytes
    // Certificates are shorter than 2^24 bytes.
    const length = lengthBytes === 0 ? first : der.readUIntBE(at + 2, Math.min(lengthBytes, 3))
    found.push({ tag: der[at] as number, content: der.subarray(start, start + length) })
    at = start + length
  }
  return found
}
