import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { paypalTrust } from '../../src/main/context.ts'
import { PAYPAL_TRUST } from '../../src/webhooks/signatures/paypal/trust.ts'
import { keepCertificate } from '../../src/webhooks/simulator/certificate.ts'

test("an operator's file adds certificates for endpoints in test mode, and changes nothing else", ({
  onTestFinished,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'paypal-trust-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  expect(paypalTrust({ paypalTestCertificates: null })).toBe(PAYPAL_TRUST)
  expect(PAYPAL_TRUST.testCertificates).toEqual([])

  // With its key in the same file, as the simulator keeps it.
  const file = join(folder, 'paypal.pem')
  const { pem } = keepCertificate(file)
  const { testCertificates, ...rest } = paypalTrust({ paypalTestCertificates: file })
  expect(testCertificates.map(String)).toEqual([pem])
  expect({ ...rest, testCertificates: [] }).toEqual(PAYPAL_TRUST)

  const empty = join(folder, 'empty.pem')
  writeFileSync(empty, '')
  for (const wrong of [empty, join(folder, 'missing.pem')]) {
    expect(() => paypalTrust({ paypalTestCertificates: wrong })).toThrow(`SKELDIR_PAYPAL_TEST_CERTIFICATES: `)
  }
})
