// A self-signed certificate for a made-up PayPal. DER by hand: Node makes keys and signatures, but no certificates.

import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'

export interface Certificate {
  privateKey: KeyObject
  /** PEM, as PayPal serves it. */
  pem: string
  /** `CERT-<hex>-<hex>-<hex>`, the last part of its address. */
  name: string
}

const DAY_MS = 86_400_000
/** Of the real one; a receiver checks it before it trusts the chain. */
const COMMON_NAME = 'messageverificationcerts.sandbox.paypal.com'

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  sha256WithRsa: '1.2.840.113549.1.1.11',
  subjectAltName: '2.5.29.17',
} as const

/** Valid from a day before `now` to a year after. RSA with 2048 bits, which takes some 100 ms to find. */
export function makeCertificate(now = new Date()): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const name = sequence(
    set(sequence(oid(OID.organization), text('Skeldir webhook simulator'))),
    set(sequence(oid(OID.commonName), text(COMMON_NAME))),
  )
  const algorithm = sequence(oid(OID.sha256WithRsa), element(0x05))
  const toBeSigned = sequence(
    // Version 3, as it has an extension.
    element(0xa0, integer(Buffer.from([2]))),
    integer(randomBytes(16)),
    algorithm,
    name,
    sequence(utcTime(new Date(now.getTime() - DAY_MS)), utcTime(new Date(now.getTime() + 365 * DAY_MS))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    element(0xa3, sequence(sequence(oid(OID.subjectAltName), octets(sequence(element(0x82, ascii(COMMON_NAME))))))),
  )
  const signature = sign('RSA-SHA256', toBeSigned, privateKey)
  const der = sequence(toBeSigned, algorithm, element(0x03, Buffer.from([0]), signature))
  const lines = der.toString('base64').replace(/.{1,64}/g, '$&\n')
  return { privateKey, pem: `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`, name: nameOf(der) }
}

function nameOf(der: Buffer): string {
  const hex = createHash('sha256').update(der).digest('hex')
  return `CERT-${hex.slice(0, 8)}-${hex.slice(8, 16)}-${hex.slice(16, 24)}`
}

/** A certificate that is kept is renewed when it has less than this to go. */
const RENEW_MS = 30 * DAY_MS

/**
 * The certificate of a file, with its key in the same PEM; made when there is none, or it runs out. Readable by its owner
 * alone: whoever has the key can sign for endpoints that trust the file. Throws when the file holds something else.
 */
export function keepCertificate(file: string, now = new Date()): Certificate {
  const text = readIfThere(file)
  const kept = text === null ? null : parseKept(file, text)
  if (kept !== null && kept.validTo.getTime() - now.getTime() > RENEW_MS) return kept.certificate
  const certificate = makeCertificate(now)
  const key = certificate.privateKey.export({ type: 'pkcs8', format: 'pem' })
  writeFileSync(file, `${key}${certificate.pem}`, { mode: 0o600 })
  return certificate
}

function parseKept(file: string, text: string): { certificate: Certificate; validTo: Date } {
  try {
    const { raw, validToDate } = new X509Certificate(text)
    const pem = text.slice(text.indexOf('-----BEGIN CERTIFICATE-----'))
    return { certificate: { privateKey: createPrivateKey(text), pem, name: nameOf(raw) }, validTo: validToDate }
  } catch (cause) {
    throw new Error(`${file} does not hold a certificate and its key`, { cause })
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Tag, length and content. Source: ITU-T X.690, 8.1 and 10.1 */
function element(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const length = Buffer.from(content.length.toString(16).padStart(content.length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

function sequence(...parts: Buffer[]): Buffer {
  return element(0x30, ...parts)
}

function set(...parts: Buffer[]): Buffer {
  return element(0x31, ...parts)
}

/** A positive integer, big-endian: without needless zeros in front, but with one before a set top bit. X.690, 8.3 */
function integer(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const digits = start === -1 ? Buffer.from([0]) : bytes.subarray(start)
  return element(0x02, (digits[0] as number) & 0x80 ? Buffer.concat([Buffer.from([0]), digits]) : digits)
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** Seven bits a byte, the top bit set on all but the last. X.690, 8.19 */
function base128(value: number): number[] {
  const bytes = [value & 0x7f]
  for (let left = value >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80)
  return bytes
}

function octets(content: Buffer): Buffer {
  return element(0x04, content)
}

function text(value: string): Buffer {
  return element(0x0c, Buffer.from(value))
}

function ascii(value: string): Buffer {
  return Buffer.from(value, 'latin1')
}

/** `YYMMDDhhmmssZ`, which X.509 wants up to 2049. */
function utcTime(time: Date): Buffer {
  return element(0x17, ascii(`${time.toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`))
}
