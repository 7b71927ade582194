import { sign, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { readCertificate, readPem } from '../../generated/client/webhook-certificate.js'
import { isPaypalCertificateUrl, type PaypalInput, verifyPaypal } from '../../generated/client/webhooks.js'
import { referenceData } from '../support/reference-data.ts'
import { makeCertificate, type TestCertificate } from './certificate.ts'

const NOW = new Date('2026-11-20T10:00:00Z')
const WEBHOOK_ID = '8PT597110X687430LKGECATA'
const CERTIFICATE_URL = 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270'
const body = '{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","resource":{"id":"Zoë"}}'
const paypal = makeCertificate()

interface Signing {
  webhookId?: string
  time?: string
  key?: TestCertificate
  signed?: string
}

function headersOf({
  webhookId = WEBHOOK_ID,
  time = '2026-11-20T09:59:00Z',
  key = paypal,
  signed = body,
}: Signing = {}) {
  const id = '103e3700-8b0c-11e6-8695-6b62a8a99ac4'
  const message = `${id}|${time}|${webhookId}|${crc32(signed)}`
  return {
    'PAYPAL-TRANSMISSION-ID': id,
    'PAYPAL-TRANSMISSION-TIME': time,
    'PAYPAL-TRANSMISSION-SIG': sign('sha256', Buffer.from(message), key.privateKey).toString('base64'),
    'PAYPAL-CERT-URL': CERTIFICATE_URL,
    'PAYPAL-AUTH-ALGO': 'SHA256withRSA',
  }
}

const verify = (options: Partial<PaypalInput> = {}) =>
  verifyPaypal({ body, headers: headersOf(), webhookIds: WEBHOOK_ID, certificate: paypal.pem, now: NOW, ...options })
const reasonOf = async (options: Partial<PaypalInput>) => {
  const verified = await verify(options)
  return verified.ok ? null : verified.reason
}

test('what PayPal signs is taken, by certificate and by bare key, and told by its topic', async () => {
  const event = {
    vendor: 'paypal',
    topic: 'PAYMENT.CAPTURE.COMPLETED',
    name: 'PAYMENT.CAPTURE.COMPLETED',
    payload: JSON.parse(body),
    id: 'WH-1',
    webhookId: WEBHOOK_ID,
    transmissionId: '103e3700-8b0c-11e6-8695-6b62a8a99ac4',
    transmittedAt: new Date('2026-11-20T09:59:00Z'),
  }
  expect(await verify()).toEqual({ ok: true, event })
  expect(await verify({ certificate: paypal.publicKeyPem })).toEqual({ ok: true, event })
  expect(await verify({ webhookIds: ['OTHER', WEBHOOK_ID], body: Buffer.from(body) })).toEqual({ ok: true, event })
})

test('a topic that is not described is told by its name', async () => {
  const other = '{"id":"WH-2","event_type":"BILLING.PLAN.CREATED","resource":{}}'
  expect(await verify({ body: other, headers: headersOf({ signed: other }) })).toMatchObject({
    ok: true,
    event: { topic: null, name: 'BILLING.PLAN.CREATED' },
  })
})

test.each<[string, Partial<PaypalInput>, string]>([
  ['another body', { body: `${body} ` }, 'signature_mismatch'],
  ['another webhook', { webhookIds: 'OTHER' }, 'signature_mismatch'],
  ['the key of somebody else', { certificate: makeCertificate().pem }, 'signature_mismatch'],
  [
    'another time',
    { headers: { ...headersOf(), 'PAYPAL-TRANSMISSION-TIME': '2026-11-20T09:59:01Z' } },
    'signature_mismatch',
  ],
  ['another id', { headers: { ...headersOf(), 'PAYPAL-TRANSMISSION-ID': 'x' } }, 'signature_mismatch'],
  [
    "the simulator's webhook id",
    { webhookIds: 'WEBHOOK_ID', headers: headersOf({ webhookId: 'WEBHOOK_ID' }) },
    'unusable_webhook_id',
  ],
  ["the simulator's webhook id beside another", { webhookIds: [WEBHOOK_ID, 'WEBHOOK_ID'] }, 'unusable_webhook_id'],
  ['a blank webhook id', { webhookIds: ' ' }, 'unusable_webhook_id'],
  ['no webhook id', { webhookIds: [] }, 'unusable_webhook_id'],
  ['another algorithm', { headers: { ...headersOf(), 'PAYPAL-AUTH-ALGO': 'SHA1withRSA' } }, 'unsupported_algorithm'],
  [
    'a signature that is no base64',
    { headers: { ...headersOf(), 'PAYPAL-TRANSMISSION-SIG': 'x' } },
    'malformed_header',
  ],
  [
    'a time that is none',
    { headers: { ...headersOf(), 'PAYPAL-TRANSMISSION-TIME': '2026-19-12T00:00:00Z' } },
    'malformed_header',
  ],
  ['an id that holds a bar', { headers: { ...headersOf(), 'PAYPAL-TRANSMISSION-ID': 'a|b' } }, 'malformed_header'],
  ['four days and a second', { now: new Date('2026-11-24T09:59:01Z') }, 'timestamp_out_of_tolerance'],
  ['an age that the caller does not want', { maxAgeS: 59 }, 'timestamp_out_of_tolerance'],
  [
    'a certificate that ran out',
    { certificate: makeCertificate({ notAfter: new Date('2026-11-20T09:59:59Z') }).pem },
    'unusable_certificate',
  ],
  [
    'a certificate of tomorrow',
    { certificate: makeCertificate({ notBefore: new Date('2026-11-21T00:00:00Z') }).pem },
    'unusable_certificate',
  ],
  [
    'a certificate of another name',
    { certificate: makeCertificate({ commonName: 'www.paypal.com' }).pem },
    'unusable_certificate',
  ],
  [
    'a certificate of a name that only looks so',
    { certificate: makeCertificate({ commonName: 'messageverificationcerts.evilpaypal.com' }).pem },
    'unusable_certificate',
  ],
  [
    'a certificate without an RSA key',
    { certificate: makeCertificate({ key: 'ed25519' }).pem },
    'unusable_certificate',
  ],
  ['text that is no certificate', { certificate: '<html>' }, 'unusable_certificate'],
  [
    'a certificate that is cut off',
    { certificate: paypal.pem.replace(/(MII[\s\S]{200})[\s\S]*(\n-----END)/, '$1$2') },
    'unusable_certificate',
  ],
])('%s is refused', async (_name, options, reason) => {
  expect(await reasonOf(options)).toBe(reason)
})

test.each(Object.keys(headersOf()).filter((name) => name !== 'PAYPAL-CERT-URL'))('without %s', async (name) => {
  const headers = Object.fromEntries(Object.entries(headersOf()).filter(([other]) => other !== name))
  expect(await reasonOf({ headers })).toBe('missing_header')
})

test.each([
  ['four days', { now: new Date('2026-11-24T09:59:00Z') }],
  ['sandbox name', { certificate: makeCertificate({ commonName: 'messageverificationcerts.sandbox.paypal.com' }) }],
])('%s is fine', async (_name, options) => {
  const { certificate = paypal, ...rest } = options as { certificate?: TestCertificate; now?: Date }
  expect(await reasonOf({ certificate: certificate.pem, headers: headersOf({ key: certificate }), ...rest })).toBeNull()
})

test('a signed body that is no event', async () => {
  for (const signed of ['{', '[]', '{"id":"WH-1"}']) {
    expect(await reasonOf({ body: signed, headers: headersOf({ signed }) })).toBe('malformed_body')
  }
})

describe('the address of the certificate', () => {
  test('is given to the caller once it is one of PayPal', async () => {
    const certificate = vi.fn(async () => paypal.pem)
    expect(await reasonOf({ certificate })).toBeNull()
    expect(certificate.mock.calls).toEqual([[CERTIFICATE_URL]])
    expect(await reasonOf({ certificate, environment: 'sandbox' })).toBe('untrusted_certificate_url')
    const elsewhere = {
      ...headersOf(),
      'PAYPAL-CERT-URL': 'https://api.paypal.com.evil.test/v1/notifications/certs/CERT-1',
    }
    expect(await reasonOf({ certificate, headers: elsewhere })).toBe('untrusted_certificate_url')
    expect(certificate).toHaveBeenCalledTimes(1)
    const { 'PAYPAL-CERT-URL': _url, ...without } = headersOf()
    expect(await reasonOf({ certificate, headers: without })).toBe('missing_header')
  })

  test.each([
    ['https://api.paypal.com/v1/notifications/certs/CERT-360caa42', 'live', true],
    ['https://api-m.paypal.com/v1/notifications/certs/CERT-360caa42', 'live', true],
    ['https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42', 'sandbox', true],
    ['https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42', 'live', false],
    ['http://api.paypal.com/v1/notifications/certs/CERT-360caa42', 'live', false],
    ['https://api.paypal.com:444/v1/notifications/certs/CERT-360caa42', 'live', false],
    ['https://user@api.paypal.com/v1/notifications/certs/CERT-360caa42', 'live', false],
    ['https://api.paypal.com@evil.test/v1/notifications/certs/CERT-360caa42', 'live', false],
    ['https://evilapi.paypal.com/v1/notifications/certs/CERT-360caa42', 'live', false],
    ['https://api.paypal.com/v1/notifications/certs/CERT-360caa42?a=b', 'live', false],
    ['https://api.paypal.com/v1/notifications/certs/CERT-360caa42#a', 'live', false],
    ['https://api.paypal.com/v1/notifications/certs/../CERT-360caa42', 'live', false],
    ['https://api.paypal.com/v1/notifications/certs/CERT-../../x', 'live', false],
    ['https://api.paypal.com/v1/notifications/certs/CERT-1\n', 'live', false],
    ['', 'live', false],
  ] as const)('%j (%s): %s', (url, environment, isTrusted) => {
    expect(isPaypalCertificateUrl(url, environment)).toBe(isTrusted)
  })
})

test.each([
  ['version 3', makeCertificate()],
  ['version 1, without its number', makeCertificate({ version: 1 })],
  ['years with two digits', makeCertificate({ notAfter: new Date('2049-12-31T23:59:59Z') })],
])("a certificate is read as Node's own reader does: %s", (_name, { pem }) => {
  const expected = new X509Certificate(pem)
  const read = readCertificate(readPem(pem, 'CERTIFICATE') ?? new Uint8Array())
  expect(read).toEqual({
    publicKey: new Uint8Array(expected.publicKey.export({ type: 'spki', format: 'der' })),
    notBefore: new Date(expected.validFrom),
    notAfter: new Date(expected.validTo),
    commonName: 'messageverificationcerts.paypal.com',
  })
})

test('bytes that are no certificate are none, wherever they break off', () => {
  const der = readPem(paypal.pem, 'CERTIFICATE') ?? new Uint8Array()
  for (let length = 0; length < der.length; length += 1) expect(readCertificate(der.subarray(0, length))).toBeNull()
  expect(readCertificate(new Uint8Array([0x30, 0x80, 0, 0]))).toBeNull()
  expect(readCertificate(new Uint8Array([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]))).toBeNull()
})

/** One line of `fixtures/webhooks/index.json`. */
interface Recording {
  file: string
  topic: string
  headers?: string
  /** Of the webhook that PayPal signed for. */
  webhookId?: string
}

const folder = join(referenceData() ?? '', 'fixtures/webhooks')
const read = (file: string): Buffer => readFileSync(join(folder, file))

function signedRecordings(): Required<Recording>[] {
  if (referenceData() === null) return []
  const all: Recording[] = JSON.parse(read('index.json').toString())
  return all.filter(({ file, webhookId }) => file.startsWith('paypal/signed.') && webhookId) as Required<Recording>[]
}

describe.skipIf(referenceData() === null)(
  'deliveries that PayPal signed, by certificates that have run out since',
  () => {
    test('are there', () => {
      expect(signedRecordings().length).toBeGreaterThanOrEqual(2)
    })

    test.each(signedRecordings())('$file', async ({ file, headers: headersFile, topic, webhookId }) => {
      const recorded = read(file)
      const headers: Record<string, string> = JSON.parse(read(headersFile).toString())
      const check = (bytes: Uint8Array, options: Partial<PaypalInput> = {}) =>
        verifyPaypal({
          body: bytes,
          headers,
          webhookIds: webhookId,
          environment: 'sandbox',
          certificate: (url) => read(`paypal/certs/${url.slice(url.lastIndexOf('/') + 1)}.pem`).toString(),
          now: new Date(headers['paypal-transmission-time'] ?? ''),
          ...options,
        })
      expect(await check(recorded)).toMatchObject({ ok: true, event: { topic, webhookId } })
      expect(await check(Buffer.concat([recorded, Buffer.from(' ')]))).toMatchObject({ reason: 'signature_mismatch' })
      expect(await check(recorded, { webhookIds: 'another' })).toMatchObject({ reason: 'signature_mismatch' })
      expect(await check(recorded, { now: NOW })).toMatchObject({ reason: 'unusable_certificate' })
    })
  },
)
