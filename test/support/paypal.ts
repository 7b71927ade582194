import { type KeyObject, X509Certificate } from 'node:crypto'
import type { Logger } from 'pino'
import type { PaypalCertificates } from '../../src/context.ts'
import { createPaypalCertificates } from '../../src/webhooks/signatures/paypal/certificates.ts'
import { PAYPAL_TRUST } from '../../src/webhooks/signatures/paypal/trust.ts'
import { type IssuedCertificate, issueCertificate } from './certificates.ts'

/** By host: what PayPal would serve there. */
const CERTIFICATE_URLS = {
  live: 'https://api.paypal.com/v1/notifications/certs/CERT-0a1b2c3d-4e5f6071-8293a4b5',
  test: 'https://api.sandbox.paypal.com/v1/notifications/certs/CERT-5b4a3928-1706f5e4-d3c2b1a0',
}

/** Where PayPal does not answer. */
export const UNREACHABLE_URL = 'https://api.paypal.com/v1/notifications/certs/CERT-00000000-00000000-00000000'

/** Where PayPal answers nothing until it is let. */
export const HANGING_URL = 'https://api.paypal.com/v1/notifications/certs/CERT-11111111-11111111-11111111'

interface Hierarchy {
  root: IssuedCertificate
  live: IssuedCertificate
  test: IssuedCertificate
}

let made: Hierarchy | undefined
/** Made once, when somebody asks: keys are slow to find. */
function hierarchy(): Hierarchy {
  if (made !== undefined) return made
  const root = issueCertificate({ commonName: 'Test Root', isCa: true })
  made = {
    root,
    live: issueCertificate({ commonName: 'messageverificationcerts.paypal.com', issuer: root }),
    test: issueCertificate({ commonName: 'messageverificationcerts.sandbox.paypal.com', issuer: root }),
  }
  return made
}

export interface SimulatedPaypal {
  certificates: PaypalCertificates
  /** Addresses that were fetched, in order. */
  downloads: string[]
  /** Ends the wait of whoever asks for `HANGING_URL`, with a failure. */
  letGo: () => void
}

/** PayPal's own hosts and rules, with a root of the test, and nothing that leaves the process. */
export function simulatePaypal(log: Logger): SimulatedPaypal {
  const downloads: string[] = []
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
  const certificates = createPaypalCertificates({
    trust: { ...PAYPAL_TRUST, roots: () => [new X509Certificate(hierarchy().root.pem)] },
    download: async ({ href }) => {
      downloads.push(href)
      if (href === HANGING_URL) await held
      if (href === CERTIFICATE_URLS.live) return { status: 200, body: Buffer.from(hierarchy().live.pem) }
      if (href === CERTIFICATE_URLS.test) return { status: 200, body: Buffer.from(hierarchy().test.pem) }
      return { status: href === UNREACHABLE_URL || href === HANGING_URL ? 500 : 404, body: Buffer.alloc(0) }
    },
    log,
  })
  return { certificates, downloads, letGo }
}

/** What PayPal signs with, and where it says that the certificate lies. */
export function paypalCertificate(mode: 'live' | 'test' = 'live'): { privateKey: KeyObject; url: string } {
  return { privateKey: hierarchy()[mode].privateKey, url: CERTIFICATE_URLS[mode] }
}
