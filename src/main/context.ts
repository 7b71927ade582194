import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import { createRevocations } from '../auth/revocations.ts'
import { createVerifiedCache } from '../auth/verified-cache.ts'
import { type Config, ConfigError } from '../config.ts'
import type { AppContext } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import { connect } from '../db/connect.ts'
import { listen } from '../db/listen.ts'
import { createLog } from '../log.ts'
import { deriveKeyRing } from '../secrets/keyring.ts'
import { createKeyUses } from '../tenants/api-keys/last-used.ts'
import { createKeyLookUps } from '../tenants/api-keys/unknown-keys.ts'
import { createDeliveryTimes } from '../webhooks/endpoints/delivery-times.ts'
import { createDeliveryStore } from '../webhooks/ingest/delivery-store.ts'
import { createPaypalCertificates } from '../webhooks/signatures/paypal/certificates.ts'
import { readCertificates } from '../webhooks/signatures/paypal/chain.ts'
import { download } from '../webhooks/signatures/paypal/download.ts'
import { type CertificateTrust, PAYPAL_TRUST } from '../webhooks/signatures/paypal/trust.ts'

/** Endpoints that a process remembers, some kilobytes each; a delivery to another one costs a look-up. */
const MAX_ENDPOINTS = 2_000

export interface ProcessContext extends AppContext {
  /** For whoever takes requests: follows what is revoked, and writes when keys were used. */
  startAuthentication(): void
  /** Stops what was started, and closes the pools. */
  close(): Promise<void>
}

/** What the API, the worker and the admin commands run on; they differ in the role of their main pool. */
export function createContext(
  config: Config,
  role: 'app_user' | 'app_worker' | 'app_rw',
  name: string,
): ProcessContext {
  const log = createLog({ name, level: config.logLevel })
  const main = connect({ url: config.databaseUrls[role], applicationName: `skeldir ${name}`, log })
  const ingest = connect({ url: config.databaseUrls.app_ingest, applicationName: `skeldir ${name} ingest`, log })
  // A batch of removals may take longer than a request; the API has no such pool.
  const retention =
    role === 'app_user'
      ? undefined
      : connect({
          url: config.databaseUrls.app_retention,
          applicationName: `skeldir ${name} retention`,
          max: 2,
          statementTimeoutMs: 60_000,
          log,
        })
  // Whatever the requests or jobs of this process do with their connections, it can still say that it lives.
  const probe =
    role === 'app_rw'
      ? main
      : connect({
          url: config.databaseUrls[role],
          applicationName: `skeldir ${name} probe`,
          max: 2,
          // What takes longer is of no use to whoever asked, and the next one waits for the connection.
          statementTimeoutMs: 2_000,
          log,
        })
  const { start, stop, ...authentication } = createAuthentication(config, { name, lookup: main.lookup, log })
  return {
    config,
    log,
    clock: () => new Date(),
    db: { main, ingest, probe, ...(retention !== undefined && { retention }) },
    keys: deriveKeyRing(config.masterKeys),
    paypalCertificates: createPaypalCertificates({ trust: paypalTrust(config), download, log }),
    deliveries: createDeliveryStore(ingest, config.ingest),
    ...authentication,
    startAuthentication: start,
    async close() {
      await stop()
      await Promise.all([...new Set([main, ingest, retention, probe])].map((pool) => pool?.close()))
    },
  }
}

/** PayPal's own, and what an operator names for endpoints in test mode. Throws ConfigError. */
export function paypalTrust({
  paypalTestCertificates: file,
}: Pick<Config, 'paypalTestCertificates'>): CertificateTrust {
  if (file === null) return PAYPAL_TRUST
  const testCertificates = readCertificates(readNamedFile('SKELDIR_PAYPAL_TEST_CERTIFICATES', file))
  if (testCertificates.length > 0) return { ...PAYPAL_TRUST, testCertificates }
  throw new ConfigError([`SKELDIR_PAYPAL_TEST_CERTIFICATES: there is no certificate in ${file}`])
}

function readNamedFile(name: string, file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new ConfigError([`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`])
  }
}

type Authentication = Pick<
  AppContext,
  'revocations' | 'verifiedTokens' | 'verifiedKeys' | 'keyLookUps' | 'keyUses' | 'verifiedEndpoints' | 'deliveryTimes'
>

/** What a process remembers of credentials. `lookup` is app_user's, or nothing is authenticated. */
export function createAuthentication(
  config: Config,
  { name, lookup, log }: { name: string; lookup: Lookup; log: Logger },
): Authentication & { start(): void; stop(): Promise<void> } {
  const url = config.databaseUrls.app_user
  const applicationName = `skeldir ${name} revocations`
  const revocations = createRevocations({
    listen: (onSignal) => listen({ url, applicationName, channel: 'skeldir_revocations', log, onSignal }),
    lookup,
    log,
  })
  const keyUses = createKeyUses({ lookup, log })
  const deliveryTimes = createDeliveryTimes({ lookup, log })
  return {
    revocations,
    verifiedTokens: createVerifiedCache(),
    verifiedKeys: createVerifiedCache(),
    keyLookUps: createKeyLookUps(),
    keyUses,
    verifiedEndpoints: createVerifiedCache(MAX_ENDPOINTS),
    deliveryTimes,
    start() {
      revocations.start()
      keyUses.start()
      deliveryTimes.start()
    },
    async stop() {
      await Promise.all([revocations.stop(), keyUses.stop(), deliveryTimes.stop()])
    },
  }
}
