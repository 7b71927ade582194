import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { readCertificateUrl } from '../../src/webhooks/signatures/paypal/certificate-url.ts'
import { createPaypalCertificates } from '../../src/webhooks/signatures/paypal/certificates.ts'
import { verifyPaypal } from '../../src/webhooks/signatures/paypal/paypal.ts'
import { DECOY_KEY, PAYPAL_TRUST } from '../../src/webhooks/signatures/paypal/trust.ts'
import { signPaypal } from '../../src/webhooks/simulator/signature.ts'
import { issueCertificate } from '../support/certificates.ts'
import { DAY, HOUR, MINUTE } from '../support/given.ts'
import { referenceData } from '../support/reference-data.ts'

const WEBHOOK_ID = '8PT597110X687430L'
const OTHER_ID = '0EH40505U7160970P'
const CERT_URL = 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270'
const TRANSMISSION_ID = '69cd13f0-d67a-11e5-baa3-778b53f4ae55'
const NOW = new Date('2026-11-21T12:00:00Z')
const BODY = Buffer.from('{"id":"WH-1","event_type":"PAYMENT.SALE.COMPLETED","resource":{}}')

const { privateKey, pem } = issueCertificate({ commonName: 'messageverificationcerts.paypal.com' })
const key = new X509Certificate(pem).publicKey

function headersFor(
  change: Record<string, string | string[] | undefined> = {},
  { body = BODY, time = '2026-11-21T11:59:58Z', webhookId = WEBHOOK_ID } = {},
): IncomingHttpHeaders {
  return {
    'paypal-transmission-id': TRANSMISSION_ID,
    'paypal-transmission-time': time,
    'paypal-transmission-sig': signPaypal(body, { transmissionId: TRANSMISSION_ID, time, webhookId }, privateKey),
    'paypal-cert-url': CERT_URL,
    'paypal-auth-algo': 'SHA256withRSA',
    'paypal-auth-version': 'v2',
    ...change,
  }
}

const askerOf = (mode: 'live' | 'test') => ({ endpointId: `endpoint-${mode}`, mode })

function verify(
  headers: IncomingHttpHeaders,
  { rawBody = BODY, secrets = [WEBHOOK_ID], now = NOW, keys = [key] as readonly KeyObject[] } = {},
): Promise<boolean> {
  const paypalCertificates = { find: async (url?: string) => (url === CERT_URL ? keys : []) }
  return verifyPaypal({ rawBody, headers, secrets, now, endpoint: askerOf('live') }, { paypalCertificates })
}

const good = headersFor()
const signature = good['paypal-transmission-sig'] as string

test('a good signature', async () => {
  expect(await verify(good)).toBe(true)
})

test.each<[string, Record<string, string | string[] | undefined>]>([
  ...Object.keys(good)
    .filter((name) => name !== 'paypal-auth-version')
    .flatMap((name): [string, Record<string, string | string[] | undefined>][] => [
      [`no ${name}`, { [name]: undefined }],
      [`an empty ${name}`, { [name]: '' }],
      [`${name} twice, as Node joins it`, { [name]: `${good[name]}, ${good[name]}` }],
      [`${name} as an array`, { [name]: [good[name] as string] }],
      [`a unicode ${name}`, { [name]: `${String(good[name]).slice(0, -1)}\u{ff10}` }],
      [`a space before ${name}`, { [name]: ` ${good[name]}` }],
    ]),
  ['a truncated signature', { 'paypal-transmission-sig': signature.slice(0, -4) }],
  ['a lengthened signature', { 'paypal-transmission-sig': `${signature.slice(0, -2)}AA==` }],
  ['a signature without its padding', { 'paypal-transmission-sig': signature.replace(/=+$/, '') }],
  ['a signature in another case', { 'paypal-transmission-sig': signature.toLowerCase() }],
  ['a signature in hex', { 'paypal-transmission-sig': Buffer.from(signature, 'base64').toString('hex') }],
  ['a megabyte of signature', { 'paypal-transmission-sig': 'A'.repeat(1 << 20) }],
  ['another algorithm', { 'paypal-auth-algo': 'SHA1withRSA' }],
  ['the algorithm in another case', { 'paypal-auth-algo': 'sha256withrsa' }],
  ['an algorithm that signs nothing', { 'paypal-auth-algo': 'none' }],
  ['another transmission', { 'paypal-transmission-id': TRANSMISSION_ID.replace('6', '7') }],
  ['a transmission with a separator', { 'paypal-transmission-id': `${TRANSMISSION_ID}|x` }],
  ['another time', { 'paypal-transmission-time': '2026-11-21T11:59:59Z' }],
  ['the same time in another spelling', { 'paypal-transmission-time': '2026-11-21T11:59:58.000Z' }],
  ['a time that is none', { 'paypal-transmission-time': '2026-13-21T11:59:58Z' }],
  ['another certificate', { 'paypal-cert-url': CERT_URL.replace('1d93', '1d94') }],
])('refused: %s', async (_, change) => {
  expect(await verify({ ...good, ...change })).toBe(false)
})

test('without an address nothing is signed, though a test endpoint takes a certificate for any', async () => {
  const paypalCertificates = { find: async () => [key] }
  const isSigned = (headers: IncomingHttpHeaders) =>
    verifyPaypal(
      { rawBody: BODY, headers, secrets: [WEBHOOK_ID], now: NOW, endpoint: askerOf('test') },
      { paypalCertificates },
    )
  expect(await isSigned(headersFor({ 'paypal-cert-url': 'https://simulator.example/cert' }))).toBe(true)
  expect(await isSigned(headersFor({ 'paypal-cert-url': undefined }))).toBe(false)
})

test.each<[string, number, boolean]>([
  ['four days old, the limit', 4 * DAY, true],
  ['a second more', 4 * DAY + 1_000, false],
  ['an hour ahead, the limit', -HOUR, true],
  ['a second more', -HOUR - 1_000, false],
  ['sent three days ago, and again now', 3 * DAY, true],
])('signed %s', async (_, ageMs, expected) => {
  const time = new Date(NOW.getTime() - ageMs).toISOString()
  expect(await verify(headersFor({}, { time }))).toBe(expected)
})

test('a time with an offset is signed as it stands', async () => {
  const time = '2026-11-21T04:59:58-07:00'
  expect(await verify(headersFor({}, { time }))).toBe(true)
  expect(await verify({ ...headersFor({}, { time }), 'paypal-transmission-time': '2026-11-21T11:59:58Z' })).toBe(false)
})

test.each<[string, string[], boolean]>([
  ['each of several webhooks is tried', [OTHER_ID, WEBHOOK_ID], true],
  ['whichever comes first', [WEBHOOK_ID, OTHER_ID], true],
  ['another one alone is not it', [OTHER_ID], false],
  ['none', [], false],
  ['a blank one', [' '], false],
])('secrets: %s', async (_, secrets, expected) => {
  expect(await verify(good, { secrets })).toBe(expected)
})

test.each(['WEBHOOK_ID', '', ' '])(
  'what is signed for the webhook %j is refused, though it is configured',
  async (webhookId) => {
    const headers = headersFor({}, { webhookId })
    expect(await verify(headers, { secrets: [webhookId] })).toBe(false)
    expect(await verify(headers, { secrets: [] })).toBe(false)
    expect(await verify(headers, { secrets: [webhookId, WEBHOOK_ID] })).toBe(false)
  },
)

test('each of several keys is tried; without one, and with the decoy alone, nothing is signed', async () => {
  const other = new X509Certificate(issueCertificate({ commonName: 'messageverificationcerts.paypal.com' }).pem)
    .publicKey
  expect(await verify(good, { keys: [other, key] })).toBe(true)
  expect(await verify(good, { keys: [other] })).toBe(false)
  expect(await verify(good, { keys: [] })).toBe(false)
  expect(await verify(good, { keys: [DECOY_KEY] })).toBe(false)
})

test('one flipped bit in any byte of the body or the signature, or a byte less, is refused', async () => {
  const accepted: string[] = []
  for (let index = 0; index < BODY.length; index += 1) {
    const rawBody = Buffer.from(BODY)
    rawBody[index] = (rawBody[index] ?? 0) ^ (1 << (index % 8))
    if (await verify(good, { rawBody })) accepted.push(`body ${index}`)
  }
  const text = Buffer.from(signature)
  for (let bit = 0; bit < text.length * 8; bit += 1) {
    const flipped = Buffer.from(text)
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (await verify({ ...good, 'paypal-transmission-sig': flipped.toString('latin1') })) accepted.push(`bit ${bit}`)
  }
  for (const rawBody of [BODY.subarray(0, -1), Buffer.concat([BODY, Buffer.from('\n')]), Buffer.alloc(0)]) {
    if (await verify(good, { rawBody })) accepted.push(`${rawBody.length} bytes`)
  }
  expect(accepted).toEqual([])
})

test('the CRC of a body is unsigned, whatever its top bit', async () => {
  for (let i = 0; i < 16; i++) {
    const body = Buffer.from(`{"n":${i}}`)
    expect(await verify(headersFor({}, { body }), { rawBody: body })).toBe(true)
  }
})

interface Recording {
  file: string
  sha256: string
  headers: string
  webhookId: string
  cert: string
}

const folder = join(referenceData() ?? '', 'fixtures', 'webhooks')

describe.skipIf(referenceData() === null)("PayPal's recorded deliveries", () => {
  const recordings: Recording[] =
    referenceData() === null
      ? []
      : JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')).filter(({ webhookId }: Recording) => webhookId)

  test('are there', () => {
    expect(recordings.length).toBeGreaterThanOrEqual(2)
  })

  test.each(recordings)('$file verifies on its day, with the archived certificate', async (recording) => {
    const rawBody = readFileSync(join(folder, recording.file))
    expect(createHash('sha256').update(rawBody).digest('hex')).toBe(recording.sha256)
    const headers: Record<string, string> = JSON.parse(readFileSync(join(folder, recording.headers), 'utf8'))
    const url = headers['paypal-cert-url']
    expect(readCertificateUrl(url, PAYPAL_TRUST.hosts.test)?.href).toBe(url)
    expect(readCertificateUrl(url, PAYPAL_TRUST.hosts.live)).toBe(null)

    // The issuer of the archived certificate is not archived: here it is trusted by itself.
    const archived = new X509Certificate(
      readFileSync(join(folder, 'paypal', 'certs', recording.cert.split('/').at(-1) ?? '')),
    )
    const trust = { ...PAYPAL_TRUST, hosts: { live: [], test: [] }, testCertificates: [archived] }
    const download = () => Promise.reject(new Error('nothing is to be fetched'))
    const paypalCertificates = createPaypalCertificates({ trust, download, log: pino({ level: 'silent' }) })
    const check = (change: object) =>
      verifyPaypal(
        { rawBody, headers, secrets: [recording.webhookId], now: sentAt, endpoint: askerOf('test'), ...change },
        { paypalCertificates },
      )
    const sentAt = new Date(headers['paypal-transmission-time'] ?? '')
    expect(await check({})).toBe(true)
    expect(await check({ now: new Date(sentAt.getTime() + 4 * DAY) })).toBe(true)
    expect(await check({ now: new Date(sentAt.getTime() + 4 * DAY + MINUTE) })).toBe(false)
    expect(await check({ secrets: [WEBHOOK_ID] })).toBe(false)
    expect(await check({ endpoint: askerOf('live') })).toBe(false)
    expect(await check({ rawBody: Buffer.from(JSON.stringify(JSON.parse(rawBody.toString()), null, 1)) })).toBe(false)
  })
})
