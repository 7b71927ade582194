import { type Logger, pino } from 'pino'
import { createRevocations } from '../auth/revocations.ts'
import { createVerifiedCache } from '../auth/verified-cache.ts'
import type { Config } from '../config.ts'
import type { AppContext } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import { connect } from '../db/connect.ts'
import { listen } from '../db/listen.ts'
import { deriveKeyRing } from '../secrets/keyring.ts'
import { createKeyUses } from '../tenants/api-keys/last-used.ts'
import { createKeyLookUps } from '../tenants/api-keys/unknown-keys.ts'

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
  const log = pino({
    name,
    level: config.logLevel,
    serializers: { err: describeError },
    // Nothing of a request or a job is logged but what a line names; these are the last line against a slip.
    redact: [
      '*.authorization',
      '*.password',
      '*.secret',
      '*.access_token',
      '*.refresh_token',
      '*.api_key',
      'req.headers',
    ],
  })
  const main = connect({ url: config.databaseUrls[role], applicationName: `skeldir ${name}`, log })
  const ingest = connect({ url: config.databaseUrls.app_ingest, applicationName: `skeldir ${name} ingest`, log })
  const { start, stop, ...authentication } = createAuthentication(config, { name, lookup: main.lookup, log })
  return {
    config,
    log,
    clock: () => new Date(),
    db: { main, ingest },
    keys: deriveKeyRing(config.masterKeys),
    ...authentication,
    startAuthentication: start,
    async close() {
      await stop()
      await Promise.all([main.close(), ingest.close()])
    },
  }
}

type Authentication = Pick<AppContext, 'revocations' | 'verifiedTokens' | 'verifiedKeys' | 'keyLookUps' | 'keyUses'>

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
  return {
    revocations,
    verifiedTokens: createVerifiedCache(),
    verifiedKeys: createVerifiedCache(),
    keyLookUps: createKeyLookUps(),
    keyUses,
    start() {
      revocations.start()
      keyUses.start()
    },
    async stop() {
      await Promise.all([revocations.stop(), keyUses.stop()])
    },
  }
}

/** Named fields only: errors of pg carry the whole client, with the name and the secret key of its session. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const { name, message, stack, cause } = error
  const { code } = error as { code?: unknown }
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    stack,
    ...(cause !== undefined && { cause: describeError(cause) }),
  }
}
