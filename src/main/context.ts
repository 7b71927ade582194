import { pino } from 'pino'
import type { Config } from '../config.ts'
import type { AppContext } from '../context.ts'
import { connect } from '../db/connect.ts'
import { deriveKeyRing } from '../secrets/keyring.ts'

export interface ProcessContext extends AppContext {
  /** Closes the pools. */
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
    redact: ['*.authorization', '*.password', '*.secret', '*.access_token', '*.api_key', 'req.headers'],
  })
  const main = connect({ url: config.databaseUrls[role], applicationName: `skeldir ${name}`, log })
  const ingest = connect({ url: config.databaseUrls.app_ingest, applicationName: `skeldir ${name} ingest`, log })
  return {
    config,
    log,
    clock: () => new Date(),
    db: { main, ingest },
    keys: deriveKeyRing(config.masterKeys),
    async close() {
      await Promise.all([main.close(), ingest.close()])
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
