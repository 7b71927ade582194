import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

export type Der = Buffer<ArrayBuffer>

export function tlv(tag: number, ...parts: (Buffer | string)[]): Der {
  const content = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
  const length =
    content.length < 128
      ? [content.length]
      : content.length < 256
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

export const sequence = (...parts: Buffer[]) => tlv(0x30, ...parts)
export const oid = (hex: string) => tlv(0x06, Buffer.from(hex, 'hex'))
export const name = (oidHex: string, text: string) => tlv(0x31, sequence(oid(oidHex), tlv(0x0c, text)))
/** UTCTime until 2049, GeneralizedTime after, as RFC 5280 wants it. */
export function time(date: Date): Der {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return date.getUTCFullYear() < 2050 ? tlv(0x17, digits.slice(2)) : tlv(0x18, digits)
}

export interface TestCertificate {
  pem: string
  publicKeyPem: string
  privateKey: KeyObject
}

export interface CertificateOptions {
  commonName?: string
  notBefore?: Date
  notAfter?: Date
  /** The oldest version says nothing of its number. */
  version?: 1 | 3
  key?: 'rsa' | 'ed25519'
}

/** A certificate that signs itself: what PayPal's would be, from somebody else. */
export function makeCertificate(options: CertificateOptions = {}): TestCertificate {
  const { commonName = 'messageverificationcerts.paypal.com', version = 3, key = 'rsa' } = options
  const { notBefore = new Date('2026-01-01T00:00:00Z'), notAfter = new Date('2052-01-01T00:00:00Z') } = options
  const { publicKey, privateKey } =
    key === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519')
  // sha256WithRSAEncryption, or Ed25519
  const algorithm = key === 'rsa' ? sequence(oid('2a864886f70d01010b'), tlv(0x05)) : sequence(oid('2b6570'))
  const issuer = sequence(name('550406', 'US'), name('55040a', 'Test'), name('550403', commonName))
  const tbs = sequence(
    ...(version === 3 ? [tlv(0xa0, tlv(0x02, Buffer.from([2])))] : []),
    tlv(0x02, Buffer.from([7])),
    algorithm,
    issuer,
    sequence(time(notBefore), time(notAfter)),
    issuer,
    publicKey.export({ type: 'spki', format: 'der' }),
  )
  const signature = sign(key === 'rsa' ? 'sha256' : null, tbs, privateKey)
  const der = sequence(tbs, algorithm, tlv(0x03, Buffer.from([0]), signature))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return {
    pem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    privateKey,
  }
}
