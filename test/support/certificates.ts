import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { type Der, name, oid, sequence, time, tlv } from '../client/certificate.ts'

const DAY = 86_400_000

export interface IssuedCertificate {
  pem: string
  der: Buffer
  privateKey: KeyObject
  subject: Der
}

export interface CertificateRequest {
  commonName: string
  /** By default it signs itself. */
  issuer?: IssuedCertificate
  isCa?: boolean
  /** How many issuers may stand below it; any number by default. */
  pathLength?: number
  /** What it is for; anything by default. */
  uses?: (keyof typeof USES)[]
  validFrom?: Date
  validTo?: Date
  /** Where the issuer's certificate lies. */
  issuerUrl?: string
  key?: 'rsa' | 'short rsa' | 'ec'
}

/** Under 1.3.6.1.5.5.7.3 */
const USES = { serverAuth: 1, clientAuth: 2, codeSigning: 3, emailProtection: 4 } as const

const RSA_SHA256 = sequence(oid('2a864886f70d01010b'), tlv(0x05))
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'))

/** An X.509 certificate as a test needs it; from a day ago for a year unless the request says so. */
export function issueCertificate(request: CertificateRequest): IssuedCertificate {
  const { commonName, isCa = false, pathLength, uses, issuerUrl, key = 'rsa' } = request
  const { validFrom = new Date(Date.now() - DAY), validTo = new Date(Date.now() + 365 * DAY) } = request
  const { publicKey, privateKey } =
    key === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: key === 'rsa' ? 2048 : 1024 })
  const subject = sequence(name('55040a', 'Test'), name('550403', commonName))
  const { issuer = { subject, privateKey } } = request
  const algorithm = issuer.privateKey.asymmetricKeyType === 'rsa' ? RSA_SHA256 : ECDSA_SHA256
  const limit = pathLength === undefined ? [] : [tlv(0x02, Buffer.from([pathLength]))]
  const extensions = [
    ...(isCa ? [extension('551d13', sequence(tlv(0x01, Buffer.from([0xff])), ...limit))] : []),
    ...(uses === undefined
      ? []
      : [extension('551d25', sequence(...uses.map((use) => oid(`2b060105050703${hex(USES[use])}`))))]),
    ...(issuerUrl === undefined
      ? []
      : [extension('2b06010505070101', sequence(sequence(oid('2b06010505073002'), tlv(0x86, issuerUrl))))]),
  ]
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    issuer.subject,
    sequence(time(validFrom), time(validTo)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0 ? [] : [tlv(0xa3, sequence(...extensions))]),
  )
  const signature = sign('sha256', tbs, issuer.privateKey)
  const der = sequence(tbs, algorithm, tlv(0x03, Buffer.from([0]), signature))
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return {
    pem: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    der,
    privateKey,
    subject,
  }
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0')

function extension(id: string, value: Der): Der {
  return sequence(oid(id), tlv(0x04, value))
}
