import type { KeyObject, X509Certificate } from 'node:crypto'
import type { Logger } from 'pino'
import { createVerifiedCache } from '../../../auth/verified-cache.ts'
import type { CertificateAsker, PaypalCertificates } from '../../../context.ts'
import { ProblemError } from '../../../problem/problem.ts'
import { createMinuteBudget } from '../../minute-budget.ts'
import { readCertificateUrl } from './certificate-url.ts'
import { findSigningKey, isForMessages, issuerUrl, readCertificates, type SigningKey, toSigningKey } from './chain.ts'
import type { Download } from './download.ts'
import type { CertificateTrust } from './trust.ts'

/** Milliseconds for which a certificate is not asked for again; a new one has a new address. */
const KEPT_MS = 24 * 3_600_000
/** The same for an address that holds none that is trusted, and for one that does not answer. */
const REFUSED_MS = 60_000
const UNREACHABLE_MS = 5_000
/** Of addresses remembered. PayPal uses a handful; only whoever makes some up needs more. */
const MAX_KNOWN = 100
/** For one certificate and its issuers. */
const TIMEOUT_MS = 5_000
/**
 * Of one endpoint: whoever knows its address can name certificates that do not exist. PayPal is not to feel it, nor are the
 * other endpoints.
 */
const MAX_FETCHES_PER_MINUTE = 30

type Finding = { key: SigningKey } | { refused: true } | { failed: Error }

/**
 * Fetches, checks and remembers the certificates that PayPal signs with. Those who ask for one at the same time share
 * one fetch. Good ones and others are remembered apart, so that made-up addresses push nothing out.
 */
export function createPaypalCertificates({
  trust,
  download,
  log,
}: {
  trust: CertificateTrust
  download: Download
  log: Logger
}): PaypalCertificates {
  const good = createVerifiedCache<{ key: SigningKey; untilMs: number }>(MAX_KNOWN)
  const bad = createVerifiedCache<{ finding: Finding; untilMs: number }>(MAX_KNOWN)
  const budget = createMinuteBudget({ perMinute: MAX_FETCHES_PER_MINUTE, maxKeys: 10_000 })
  const underWay = new Map<string, Promise<Finding>>()
  const testKeys = trust.testCertificates.filter(isForMessages).map(toSigningKey)
  const allHosts = [...trust.hosts.live, ...trust.hosts.test]
  let roots: readonly X509Certificate[] | undefined

  async function find(url: string | undefined, asker: CertificateAsker | null): Promise<readonly SigningKey[]> {
    const address = readCertificateUrl(url, asker === null ? allHosts : trust.hosts[asker.mode])
    if (address === null) return asker?.mode === 'test' ? testKeys : []
    const finding = recall(address.href) ?? (asker === null ? null : await fetchOnce(address, asker.endpointId))
    if (finding === null) return []
    if ('failed' in finding) {
      // What lies at an address never changes, and its dates are looked at each time.
      const old = good.get(address.href)
      if (old !== undefined) return [old.key]
      const detail = 'The certificate of the delivery cannot be fetched at the moment.'
      throw new ProblemError('service_unavailable', detail, { cause: finding.failed })
    }
    return 'key' in finding ? [finding.key] : []
  }

  function recall(href: string): Finding | undefined {
    const nowMs = performance.now()
    const kept = good.get(href)
    if (kept !== undefined && nowMs < kept.untilMs) return { key: kept.key }
    const other = bad.get(href)
    return other !== undefined && nowMs < other.untilMs ? other.finding : undefined
  }

  function fetchOnce(address: URL, endpointId: string): Promise<Finding> {
    const running = underWay.get(address.href)
    if (running !== undefined) return running
    if (budget.take(endpointId) > 0)
      return Promise.resolve({ failed: new Error('too many certificates were asked for') })
    const fetching = fetch(address).then((finding) => {
      underWay.delete(address.href)
      remember(address.href, finding)
      return finding
    })
    underWay.set(address.href, fetching)
    return fetching
  }

  function remember(href: string, finding: Finding): void {
    const nowMs = performance.now()
    if ('key' in finding) good.set(href, { key: finding.key, untilMs: nowMs + KEPT_MS })
    else bad.set(href, { finding, untilMs: nowMs + ('failed' in finding ? UNREACHABLE_MS : REFUSED_MS) })
  }

  async function fetch(address: URL): Promise<Finding> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    try {
      const { status, body } = await download(address, signal)
      if (status >= 500 || status === 429) throw new Error(`the answer was ${status}`)
      roots ??= trust.roots()
      const served = status === 200 ? readCertificates(body) : []
      const key = await findSigningKey(served, roots, (certificate) => fetchIssuer(certificate, signal))
      if (key === null) log.warn({ status }, 'a certificate of PayPal was refused')
      return key === null ? { refused: true } : { key }
    } catch (error) {
      log.warn({ error: (error as Error).message }, 'a certificate of PayPal could not be fetched')
      return { failed: error as Error }
    }
  }

  async function fetchIssuer(certificate: X509Certificate, signal: AbortSignal): Promise<X509Certificate | null> {
    const url = issuerUrl(certificate, trust.issuerHosts)
    if (url === null) return null
    const { status, body } = await download(url, signal)
    if (status !== 200) throw new Error(`the issuer's certificate was answered ${status}`)
    return readCertificates(body)[0] ?? null
  }

  return {
    async find(url, asker, now) {
      const keys = await find(url, asker)
      return keys.filter((key) => isInDate(key, now)).map((key): KeyObject => key.publicKey)
    },
  }
}

function isInDate({ validFrom, validTo }: SigningKey, now: Date): boolean {
  return validFrom <= now && now <= validTo
}
