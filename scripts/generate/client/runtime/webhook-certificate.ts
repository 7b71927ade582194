import { fromBase64 } from './webhook-bytes.ts'

export interface Certificate {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array
  readonly notBefore: Date
  readonly notAfter: Date
  /** Of the subject; null where it has none. */
  readonly commonName: string | null
}

/** The DER bytes of the first block of this label; null where there is none. */
export function readPem(pem: string, label: 'CERTIFICATE' | 'PUBLIC KEY'): Uint8Array | null {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem)
  return block === null ? null : fromBase64((block[1] ?? '').replaceAll(/\s/g, ''))
}

interface Element {
  tag: number
  /** Where the element begins, its header included. */
  from: number
  content: number
  end: number
}

/**
 * What a signature check needs of an X.509 certificate (RFC 5280, section 4.1), which WebCrypto cannot read. Its own
 * signature is not checked. Null where the bytes are no certificate.
 */
export function readCertificate(der: Uint8Array): Certificate | null {
  try {
    const [tbs] = childrenOf(der, elementAt(der, 0))
    if (tbs === undefined) return null
    const all = childrenOf(der, tbs)
    // The version comes first where it is not the oldest.
    const fields = all[0]?.tag === 0xa0 ? all.slice(1) : all
    const [, , , validity, subject, publicKey] = fields
    if (validity === undefined || subject === undefined || publicKey === undefined) return null
    const [notBefore, notAfter] = childrenOf(der, validity).map((element) => timeOf(der, element))
    if (notBefore === undefined || notAfter === undefined) return null
    const commonName = commonNameOf(der, subject)
    return { publicKey: der.slice(publicKey.from, publicKey.end), notBefore, notAfter, commonName }
  } catch {
    return null
  }
}

/** Throws RangeError where the bytes end before the element does. */
function elementAt(der: Uint8Array, from: number): Element {
  const byte = (at: number): number => {
    const value = der[at]
    if (value === undefined) throw new RangeError('the bytes end too early')
    return value
  }
  const first = byte(from + 1)
  let length = first
  let content = from + 2
  if (first >= 0x80) {
    const size = first & 0x7f
    if (size === 0 || size > 3) throw new RangeError('the length is indefinite or too large')
    length = 0
    for (let index = 0; index < size; index += 1) length = length * 256 + byte(content + index)
    content += size
  }
  const end = content + length
  if (end > der.length) throw new RangeError('the bytes end too early')
  return { tag: byte(from), from, content, end }
}

function childrenOf(der: Uint8Array, { content, end }: Element): Element[] {
  const children: Element[] = []
  for (let at = content; at < end; ) {
    const child = elementAt(der, at)
    if (child.end > end) throw new RangeError('an element is larger than the one around it')
    children.push(child)
    at = child.end
  }
  return children
}

/** UTCTime (tag 23) has two digits of the year, from 1950 to 2049; GeneralizedTime (24) has four. */
function timeOf(der: Uint8Array, { tag, content, end }: Element): Date {
  const text = new TextDecoder().decode(der.subarray(content, end))
  const century = tag === 23 ? (Number(text.slice(0, 2)) < 50 ? '20' : '19') : ''
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text) ?? []
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if ((tag !== 23 && tag !== 24) || Number.isNaN(time.getTime())) throw new RangeError('not a time')
  return time
}

/** OID 2.5.4.3 */
const COMMON_NAME = '550403'

function commonNameOf(der: Uint8Array, subject: Element): string | null {
  for (const set of childrenOf(der, subject)) {
    for (const attribute of childrenOf(der, set)) {
      const [type, value] = childrenOf(der, attribute)
      if (type === undefined || value === undefined) continue
      const oid = [...der.subarray(type.content, type.end)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
      if (oid === COMMON_NAME) return new TextDecoder().decode(der.subarray(value.content, value.end))
    }
  }
  return null
}
