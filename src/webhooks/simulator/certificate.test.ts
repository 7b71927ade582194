import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keepCertificate, makeCertificate } from './certificate.ts'
import { serveCertificate } from './certificate-server.ts'

describe('a certificate', () => {
  const now = new Date('2026-11-21T12:00:00Z')
  const { pem, privateKey, name } = makeCertificate(now)
  const certificate = new X509Certificate(pem)

  test('signs itself, with the key that signs deliveries', () => {
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.checkPrivateKey(privateKey)).toBe(true)
    expect(certificate.checkIssued(certificate)).toBe(true)
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(2048)
  })

  test('is called as that of PayPal', () => {
    expect(certificate.subject).toContain('CN=messageverificationcerts.sandbox.paypal.com')
    expect(certificate.checkHost('messageverificationcerts.sandbox.paypal.com')).toBeDefined()
    expect(name).toMatch(/^CERT-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/)
  })

  test('is valid from the day before, for a year', () => {
    expect(certificate.validFromDate.toISOString()).toBe('2026-11-20T12:00:00.000Z')
    expect(certificate.validToDate.toISOString()).toBe('2027-11-21T12:00:00.000Z')
  })
})

test('no two are alike, and each is well-formed', () => {
  // The serial number is random: a leading zero or a set top bit changes its encoding.
  const serials = Array.from({ length: 6 }, () => new X509Certificate(makeCertificate().pem).serialNumber)
  expect(new Set(serials).size).toBe(serials.length)
})

test('is served at its own address and nowhere else', async ({ onTestFinished }) => {
  const server = await serveCertificate(0)
  onTestFinished(server.close)
  const answer = await fetch(server.url)
  expect(answer.status).toBe(200)
  expect(await answer.text()).toBe(server.pem)
  expect(new URL(server.url).hostname).toBe('127.0.0.1')
  expect((await fetch(server.url.replace(/.$/, 'z'))).status).toBe(404)
})

describe('a certificate that is kept', () => {
  test('is made once, for its owner alone, and renewed before it runs out', ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'paypal.pem')
    const made = keepCertificate(file)
    const kept = keepCertificate(file)
    expect(kept).toMatchObject({ pem: made.pem, name: made.name })
    expect(new X509Certificate(kept.pem).checkPrivateKey(kept.privateKey)).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const renewed = keepCertificate(file, new Date(Date.now() + 340 * 86_400_000))
    expect(renewed.name).not.toBe(made.name)
  })

  test('is not written over what it is not', ({ onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'notes.txt')
    writeFileSync(file, 'my notes')
    expect(() => keepCertificate(file)).toThrow(`${file} does not hold a certificate and its key`)
    expect(readFileSync(file, 'utf8')).toBe('my notes')
  })
})
