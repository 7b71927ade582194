import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Database } from './db/connect.ts'
import type { KeyRing } from './secrets/keyring.ts'

export type Role = 'viewer' | 'manager' | 'admin'
export type Vendor = 'stripe' | 'shopify'

/** Who is calling, as proven by a security scheme of the contract. */
export type Principal =
  | { kind: 'user'; tenantId: string; userId: string; role: Role; expiresAt: Date }
  | { kind: 'key'; tenantId: string; keyId: string; scopes: readonly string[] }
  | { kind: 'worker'; tenantId: string }
  | {
      kind: 'webhook'
      tenantId: string
      endpointId: string
      vendor: Vendor
      mode: 'live' | 'test'
      shopDomain: string | null
    }

/** The process: what lives as long as it does. Built once in `main`; tests build their own. */
export interface AppContext {
  config: Config
  log: Logger
  clock: () => Date
  /** One pool per database role; each is a different login. */
  db: {
    /** `app_user` in the API, `app_worker` in the worker. */
    main: Database
    /** `app_ingest`: the only role that writes events, dead events and the ledger. */
    ingest: Database
  }
  keys: KeyRing
}

/** One request or job whose tenant is not known (yet). */
export interface RequestContext extends AppContext {
  correlationId: string
}

/** One unit of work for one tenant; HTTP and worker both build it, and nobody below can tell which did. */
export interface TenantContext extends RequestContext {
  tenantId: string
  principal: Principal
}
