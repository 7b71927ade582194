import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Database } from './db/connect.ts'
import type { Tx } from './db/tenant.ts'
import type { KeyRing } from './secrets/keyring.ts'

export type Role = 'viewer' | 'manager' | 'admin'
export type Vendor = 'stripe' | 'shopify'

/** Who is calling, as proven by a security scheme of the contract. */
export type Principal =
  | { kind: 'user'; tenantId: string; userId: string; role: Role; sessionId: string; expiresAt: Date }
  | { kind: 'key'; tenantId: string; keyId: string; scopes: readonly string[] }
  | { kind: 'worker'; tenantId: string }
  /** Whoever may run `skeldir admin`; comes from no security scheme. */
  | { kind: 'operator'; tenantId: string }
  | {
      kind: 'webhook'
      tenantId: string
      endpointId: string
      vendor: Vendor
      mode: 'live' | 'test'
      shopDomain: string | null
    }

/** Something that a credential speaks for, and that can be revoked. */
export type RevocableKind = 'session' | 'member' | 'account' | 'key'

/** What a credential of the subject must not be; of both, whatever is not null holds. */
export interface Revocation {
  /** The only standing that a credential may still claim: a member's role, `active` for the others. */
  standing: string | null
  /** Credentials of sessions opened until then are refused, but for those of the session whose subject is `kept`. */
  notBefore: Date | null
  kept: string | null
}

/** What this process knows of credentials that are valid by themselves and refused all the same. */
export interface Revocations {
  /** By `revocationSubject`. Of the last 20 minutes, which is longer than an access token lives. */
  find(subject: string): Revocation | undefined
  /**
   * Resolves when what is known is at most a second old: at once while the feed is read, otherwise after a read. Throws
   * `service_unavailable` when that fails, so that nothing is accepted on old knowledge. Undefined: there is no wait.
   */
  ensureCurrent(): Promise<void> | undefined
  /** Reads what was committed until now; for the process that revoked, so that its answer is true here at once. */
  catchUp(): Promise<void>
}

/** Credentials that were verified, by SHA-256; bounded, the ones unused for longest go first. */
export interface VerifiedCache<T> {
  get(hash: string): T | undefined
  set(hash: string, value: T): void
  delete(hash: string): void
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
  revocations: Revocations
  /** Access tokens whose signature and claims were good. */
  verifiedTokens: VerifiedCache<VerifiedToken>
  /** API keys that were looked up. */
  verifiedKeys: VerifiedCache<VerifiedKey>
  /** Of API keys that this process has never seen. */
  keyLookUps: KeyLookUps
  keyUses: KeyUses
}

export interface VerifiedKey {
  principal: Extract<Principal, { kind: 'key' }>
  expiresAt: Date | null
  /** When the look-up began, by `performance.now()`. */
  verifiedMs: number
  /** Subject of its revocations. */
  subject: string
}

export interface KeyLookUps {
  /** Looks a key up; undefined counts against the network. Throws `rate_limited` once it has shown too many such keys. */
  run<T>(network: string, lookUp: () => Promise<T | undefined>): Promise<T | undefined>
}

/** Remembers when API keys were last used, and writes it down in its own time. */
export interface KeyUses {
  note(tenantId: string, keyId: string, at: Date): void
}

export interface VerifiedToken {
  principal: Extract<Principal, { kind: 'user' }>
  /** When its session was. */
  openedAt: Date
  notBefore: Date
  /** Subjects of its revocations. */
  session: string
  member: string
  account: string
}

/** One request or job whose tenant is not known (yet). */
export interface RequestContext extends AppContext {
  correlationId: string
  /** Of the network, in canonical form: who sent the request, as far as proxies of our own say. Null for jobs. Personal data. */
  clientAddress: string | null
  /** As the request says; absent in jobs and commands. Personal data. */
  userAgent?: string | undefined
}

/** One unit of work for one tenant; HTTP and worker both build it, and nobody below can tell which did. */
export interface TenantContext extends RequestContext {
  tenantId: string
  principal: Principal
  /** Runs in every transaction of this unit of work, last of all; what it throws rolls back. See `http/idempotency.ts`. */
  beforeCommit?: (tx: Tx) => Promise<void>
}
