import type { KeyObject } from 'node:crypto'
import type { Logger } from 'pino'
import type { Config } from './config.ts'
import type { Database } from './db/connect.ts'
import type { Tx } from './db/tenant.ts'
import type { KeyRing } from './secrets/keyring.ts'

export type Role = 'viewer' | 'manager' | 'admin'
export type Vendor = 'shopify' | 'stripe' | 'paypal' | 'woocommerce'

/** Who is calling, as proven by a security scheme of the contract. */
export type Principal =
  | { kind: 'user'; tenantId: string; userId: string; role: Role; sessionId: string; expiresAt: Date }
  | { kind: 'key'; tenantId: string; keyId: string; scopes: readonly string[] }
  | { kind: 'worker'; tenantId: string }
  /** Whoever may run `skeldir admin`; comes from no security scheme. */
  | { kind: 'operator'; tenantId: string }
  /** Whoever holds the metrics token; of no tenant. */
  | { kind: 'scraper'; tenantId: string }
  | {
      kind: 'webhook'
      tenantId: string
      endpointId: string
      vendor: Vendor
      mode: 'live' | 'test'
      shopDomain: string | null
    }

/** Something that a credential speaks for, and that can be revoked. */
export type RevocableKind = 'session' | 'member' | 'account' | 'key' | 'webhook_endpoint'

/** What a credential of the subject must not be; of both, whatever is not null holds. */
export interface Revocation {
  /** The only standing that a credential may still claim: a member's role, an endpoint's version, `active` for most others. */
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

/** The endpoint that a delivery came to. */
export interface CertificateAsker {
  endpointId: string
  mode: 'live' | 'test'
}

/** The certificates that PayPal signs deliveries with. */
export interface PaypalCertificates {
  /**
   * The keys that a signature may be checked with whose delivery names the certificate at `url`: trusted at `now`, and
   * bound to PayPal's environment for the mode (test: its sandbox). Empty when there is none. For null, which is no
   * endpoint, nothing is fetched. Throws `service_unavailable` when the certificate cannot be fetched at the moment.
   */
  find(url: string | undefined, asker: CertificateAsker | null, now: Date): Promise<readonly KeyObject[]>
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
    /** `app_retention`, which removes and redacts: workers and `skeldir admin` only. */
    retention?: Database
    /**
     * As `main`, kept apart for probes and figures: they are answered while requests or jobs hold every connection. `main`
     * itself in the admin commands, which answer none.
     */
    probe: Database
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
  /** Webhook endpoints that were looked up. */
  verifiedEndpoints: VerifiedCache<VerifiedEndpoint>
  deliveryTimes: DeliveryTimes
  deliveries: DeliveryStore
  /** Of a worker that counts: what came of the refresh of a view. */
  onRefreshed?: (view: string, outcome: 'success' | 'skipped' | 'failure', durationMs: number) => void
  paypalCertificates: PaypalCertificates
  /** Absent where no traces are written, which is the default. */
  tracing?: Tracing
}

/** Makes a span of each request and each piece of work. See `tracing/tracing.ts`. */
export interface Tracing {
  startRequest(head: RequestHead): Trace<AnsweredRequest>
  startWork(taken: TakenWork): Trace<{ error?: unknown }>
}

export interface RequestHead {
  correlationId: string
  method: string
  /** As the caller sent it. */
  traceparent: unknown
}

export interface AnsweredRequest {
  /** Undefined for files and unknown paths. */
  operationId: string | undefined
  status: number
}

/** Jobs that a worker runs as one. */
export interface TakenWork {
  task: string
  queue: string
  correlationId: string
  /** By the clock: nobody queued it. */
  isScheduled: boolean
  work: readonly [TakenJobOfWork, ...TakenJobOfWork[]]
}

interface TakenJobOfWork {
  jobId: string
  /** Of the attempt, from 1 on. */
  number: number
  correlationId?: string | undefined
}

export interface QueuedJob {
  name: string
  queue: string
}

/** One request or piece of work that is being traced. */
export interface Trace<Outcome> {
  queued(job: QueuedJob): void
  /** Once. What never ends is never told of. */
  end(outcome: Outcome): void
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

/** A webhook endpoint as it was looked up, with its secrets in clear. */
export interface VerifiedEndpoint {
  tenantId: string
  endpointId: string
  mode: 'live' | 'test'
  shopDomain: string | null
  secrets: readonly { secret: string; notAfter: Date | null }[]
  /** Keyed hash of a visitor id, in hex. */
  identityOf: (visitorId: string) => string
  /** Keyed hash of a click id. */
  hashClickId: (name: string, value: string) => Buffer
  version: number
  /** When the look-up began, by `performance.now()`. */
  verifiedMs: number
  /** Subject of its revocations. */
  subject: string
}

/** Remembers when endpoints took their last delivery, and writes it down in its own time. */
export interface DeliveryTimes {
  note(tenantId: string, endpointId: string, at: Date): void
}

/** A signed delivery that was read and stripped. */
export interface NewDelivery {
  tenantId: string
  vendor: Vendor
  /** The vendor's own id. */
  externalId: string
  endpointId: string
  topic: string
  bodySha256: Buffer
  /** What is kept of the body. */
  payload: object
  isTest: boolean
  /** Whether it says anything that is entered. */
  isHandled: boolean
  correlationId: string
  /** Bytes of the body. */
  size: number
}

/** Stores deliveries with their jobs; several that come at once share a transaction, whosever they are. */
export interface DeliveryStore {
  /**
   * Resolves after the commit. `ignored`: stored, and nothing to enter. `dead`: its id was stored before with another body.
   * Throws `service_unavailable` when it had to wait too long, and the database's error when it holds what cannot be stored.
   */
  store(delivery: NewDelivery): Promise<{ result: 'accepted' | 'ignored' | 'duplicate' | 'dead'; receiptId: string }>
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
  /** Of this request or job; absent where no traces are written. */
  trace?: Pick<Trace<never>, 'queued'> | undefined
  /** Of the server; absent in jobs and commands, and where nothing is counted. */
  permits?: Permits | undefined
  /** Of the server; absent where there is a place for everything. */
  admission?: Admission | undefined
  /** Of the server; absent in jobs and commands. */
  requestFigures?: (() => RequestFigures) | undefined
}

/** The requests that a server answered in the last minute, probes apart; durations until the answer was written. */
export interface RequestFigures {
  perMinute: number
  /** Share of the answers with a status from 500 on; null without requests. */
  errorRatio: number | null
  durationP50Ms: number | null
  durationP99Ms: number | null
}

/** How much of what is to be stored one process takes on at a time. */
export interface Admission {
  /**
   * Takes a place for a request whose body has `bytes`; the function that is returned gives it back. Throws
   * `service_unavailable` when there is none.
   */
  enter(bytes: number): () => void
}

/** For operations that find out by themselves whose they are; the server counts all others. */
export interface Permits {
  /** Takes one permit of the tenant's quota. Null where it has one, or else seconds until it does, from 1 to 3,600. */
  take(ctx: RequestContext, tenantId: string, policy: 'collect'): PermitAnswer | Promise<PermitAnswer>
}

export interface PermitAnswer {
  retryAfterS: number | null
}

/** One unit of work for one tenant; HTTP and worker both build it, and nobody below can tell which did. */
export interface TenantContext extends RequestContext {
  tenantId: string
  principal: Principal
  /** Runs in every transaction of this unit of work, last of all; what it throws rolls back. See `http/idempotency.ts`. */
  beforeCommit?: (tx: Tx) => Promise<void>
}
