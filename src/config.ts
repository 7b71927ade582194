import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import type { RuntimeRole } from './db/bootstrap.ts'
import { toUrl } from './db/bootstrap.ts'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface Config {
  /** One URL per runtime role: the same server, another login. */
  databaseUrls: Record<'app_rw' | 'app_user' | 'app_worker' | 'app_ingest' | 'app_retention', string>
  /** 32 bytes each, newest first. */
  masterKeys: readonly Buffer[]
  host: string
  port: number
  /** Where callers reach the API, without a trailing slash: the base of delivery URLs. */
  publicUrl: string
  /** Where the documentation sends what a reader tries, without a trailing slash; null where there are no mocks. */
  mockGatewayUrl: string | null
  logLevel: LogLevel
  /** Access tokens live this long; at most 900. */
  accessTokenSeconds: number
  /** `iss` and `aud` of access tokens: one of another deployment is refused, even if the two share a master key. */
  tokenRealm: { issuer: string; audience: string }
  /** Networks in CIDR form, or single addresses, whose word about the client's address is taken. */
  trustedProxies: readonly string[]
  /** What one process takes on at once of what is to be stored; whatever is beyond it is answered 503. */
  ingest: {
    /** Requests that have no answer yet. */
    maxWaiting: number
    /** Milliseconds until a delivery is written. */
    maxWaitMs: number
  }
  probes: {
    /** Where probes are answered until the very end of the process; null: by the API only, with everything else. */
    port: number | null
    /** Milliseconds that a measurement is good for, whoever asks. */
    freshMs: number
  }
  metrics: Readonly<MetricsConfig>
  tracing: {
    /** Where spans are sent, by OTLP over HTTP; null: none are made. */
    url: string | null
  }
  /** What happens between the order to stop and the end of a process. */
  shutdown: {
    /** Milliseconds that an API process still takes requests, not ready any more, so that balancers see it in time. */
    delayMs: number
    /** Milliseconds that requests and jobs may then take to finish. */
    graceMs: number
  }
  /** When a worker process ends by itself, for a fresh one to begin. */
  worker: {
    /** Jobs; null: however many. */
    maxJobs: number | null
    /** Bytes of resident memory; null: however much. */
    maxMemoryBytes: number | null
  }
  /** PEM file with certificates that PayPal endpoints in test mode take beside PayPal's own; null where there is none. */
  paypalTestCertificates: string | null
}

export interface MetricsConfig {
  /** Whoever holds it may read metrics; null: nobody may read those of the API. */
  token: string | null
  /** Where workers of this host write their figures for the exporter; null: they write none. */
  folder: string | null
  /** Where the exporter listens. */
  exporter: { host: string; port: number }
}

/** Lists every fault of the configuration at once. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(
      `the configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n  ${faults.join('\n  ')}`,
    )
    this.faults = faults
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

const MEGABYTE = 1_000_000

const LOG_LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** One environment variable of the platform. */
export interface Setting {
  meaning: string
  /** `whole`: the value is never shown. `password`: a URL, shown without its password. */
  secret?: 'whole' | 'password'
  /** The value in effect, as the variable would be written; undefined where there is none. */
  effective: (config: Readonly<Config>, env: Environment) => string | undefined
}

/** Every variable that is read, and nothing else is; `skeldir --help` and `skeldir config` print them. */
export const settings = {
  DATABASE_URL: {
    meaning: 'postgres:// URL as app_user (default: the embedded Postgres that `npm start` runs)',
    secret: 'password',
    effective: ({ databaseUrls }) => databaseUrls.app_user || undefined,
  },
  INGEST_DATABASE_URL: {
    meaning: 'as app_ingest (default: DATABASE_URL with that user)',
    secret: 'password',
    effective: ({ databaseUrls }) => databaseUrls.app_ingest || undefined,
  },
  WORKER_DATABASE_URL: {
    meaning: 'as app_worker (default: DATABASE_URL with that user)',
    secret: 'password',
    effective: ({ databaseUrls }) => databaseUrls.app_worker || undefined,
  },
  ADMIN_DATABASE_URL: {
    meaning: 'as app_rw, for `skeldir admin` (default: DATABASE_URL with that user)',
    secret: 'password',
    effective: ({ databaseUrls }) => databaseUrls.app_rw || undefined,
  },
  RETENTION_DATABASE_URL: {
    meaning: 'as app_retention, for workers and `skeldir admin` (default: DATABASE_URL with that user)',
    secret: 'password',
    effective: ({ databaseUrls }) => databaseUrls.app_retention || undefined,
  },
  MIGRATION_DATABASE_URL: {
    meaning: 'as skeldir_migrator, for `skeldir migrate`',
    secret: 'password',
    effective: (_config, env) => env.MIGRATION_DATABASE_URL || undefined,
  },
  BOOTSTRAP_DATABASE_URL: {
    meaning: "as a superuser, for `skeldir bootstrap-db` alone: an argument would be in everybody's list of processes",
    secret: 'password',
    effective: (_config, env) => env.BOOTSTRAP_DATABASE_URL || undefined,
  },
  SKELDIR_MASTER_KEY: {
    meaning: 'base64 of 32 random bytes; several, newest first, separated by commas, while a key is rotated',
    secret: 'whole',
    effective: ({ masterKeys }) => (masterKeys.length === 0 ? undefined : `${masterKeys.length}`),
  },
  HOST: { meaning: 'address to listen on (default 127.0.0.1)', effective: ({ host }) => host },
  PORT: { meaning: 'port to listen on (default 8000)', effective: ({ port }) => String(port) },
  SKELDIR_PUBLIC_URL: {
    meaning: 'where callers reach the API (default http://HOST:PORT)',
    effective: ({ publicUrl }) => publicUrl,
  },
  SKELDIR_MOCK_URL: {
    meaning:
      'gateway of the mocks, which the API reference tries requests against (default http://localhost:4000; `none`)',
    effective: ({ mockGatewayUrl }) => mockGatewayUrl ?? 'none',
  },
  SKELDIR_TRUSTED_PROXIES: {
    meaning:
      'addresses and networks (10.0.0.0/8, ::1, …), separated by commas, whose Forwarded or X-Forwarded-For names the client (default none)',
    effective: ({ trustedProxies }) => trustedProxies.join(',') || 'none',
  },
  SKELDIR_TOKEN_ISSUER: {
    meaning: '`iss` of access tokens: 1 to 255 visible characters (default skeldir)',
    effective: ({ tokenRealm }) => tokenRealm.issuer,
  },
  SKELDIR_TOKEN_AUDIENCE: {
    meaning: '`aud` of access tokens: 1 to 255 visible characters (default skeldir-api)',
    effective: ({ tokenRealm }) => tokenRealm.audience,
  },
  SKELDIR_INGEST_MAX_WAITING: {
    meaning:
      'deliveries and events that may wait in one process; beyond, answers are 503 (default 1000, from 1 to 10000)',
    effective: ({ ingest }) => String(ingest.maxWaiting),
  },
  SKELDIR_INGEST_MAX_WAIT_MS: {
    meaning:
      'milliseconds that a delivery may wait to be written before it is answered 503 (default 2000, from 100 to 60000)',
    effective: ({ ingest }) => String(ingest.maxWaitMs),
  },
  SKELDIR_PROBE_PORT: {
    meaning:
      'port on which a process answers its probes until its end: /health/live and ready, `serve` also worker (default none; 0: any free one)',
    effective: ({ probes }) => (probes.port === null ? 'none' : String(probes.port)),
  },
  SKELDIR_PROBE_FRESH_MS: {
    meaning: 'milliseconds that the measurement of a probe is good for, whoever asks (default 1000, from 0 to 10000)',
    effective: ({ probes }) => String(probes.freshMs),
  },
  SKELDIR_SHUTDOWN_MS: {
    meaning:
      'milliseconds in which requests and jobs may finish once a process is told to stop (default 8000, from 100 to 600000)',
    effective: ({ shutdown }) => String(shutdown.graceMs),
  },
  SKELDIR_SHUTDOWN_DELAY_MS: {
    meaning:
      'milliseconds that `serve` before that still takes requests while it is not ready, so that balancers leave it (default 0, to 60000)',
    effective: ({ shutdown }) => String(shutdown.delayMs),
  },
  SKELDIR_WORKER_MAX_JOBS: {
    meaning:
      'jobs after which `worker` finishes what it has and ends, to be started again (default none, to 1000000000)',
    effective: ({ worker }) => String(worker.maxJobs ?? 'none'),
  },
  SKELDIR_WORKER_MAX_MEMORY_MB: {
    meaning: 'megabytes of resident memory beyond which `worker` does the same (default none, from 128 to 1048576)',
    effective: ({ worker }) => (worker.maxMemoryBytes === null ? 'none' : String(worker.maxMemoryBytes / MEGABYTE)),
  },
  SKELDIR_METRICS_TOKEN: {
    meaning:
      'what Prometheus shows to read /metrics: 16 to 255 visible ASCII characters (default none: nobody reads it)',
    secret: 'whole',
    effective: ({ metrics }) => metrics.token ?? undefined,
  },
  SKELDIR_METRICS_FOLDER: {
    meaning: 'absolute path where workers write their figures and `exporter` reads them (default none: none are kept)',
    effective: ({ metrics }) => metrics.folder ?? 'none',
  },
  SKELDIR_EXPORTER_HOST: {
    meaning: 'address that `exporter` listens on; other than of this host only with a token (default 127.0.0.1)',
    effective: ({ metrics }) => metrics.exporter.host,
  },
  SKELDIR_EXPORTER_PORT: {
    meaning: 'port that `exporter` listens on (default 9108; 0: any free one)',
    effective: ({ metrics }) => String(metrics.exporter.port),
  },
  SKELDIR_OTLP_URL: {
    meaning:
      'OpenTelemetry collector that `serve` and `worker` send traces to, by OTLP over HTTP: http://collector:4318 (default none: none are made)',
    secret: 'password',
    effective: ({ tracing }) => tracing.url ?? undefined,
  },
  SKELDIR_PAYPAL_TEST_CERTIFICATES: {
    meaning:
      "PEM file with certificates, of a simulator say, that PayPal endpoints in test mode take beside PayPal's (default none)",
    effective: ({ paypalTestCertificates }) => paypalTestCertificates ?? 'none',
  },
  LOG_LEVEL: {
    meaning: 'trace, debug, info, warn, error, fatal or silent (default info)',
    effective: ({ logLevel }) => logLevel,
  },
} as const satisfies Record<string, Setting>

/** Read by what stands around the processes: the supervisor, the tests, CI. */
const OTHER_VARIABLES: readonly string[] = [
  'SKELDIR_HOME',
  'SKELDIR_SUPERVISED',
  'SKELDIR_LAUNCHER',
  'SKELDIR_REFERENCE_DATA',
  'SKELDIR_CHROMIUM',
]

/** Reads the environment once. Throws ConfigError with all faults. */
export function loadConfig(env: Environment): Readonly<Config> {
  const { config, faults } = readSettings(env)
  if (faults.length > 0) throw new ConfigError(faults)
  return config
}

/** The same without throwing: what could be read, and every fault. What has a fault is empty or its default. */
export function readSettings(env: Environment): { config: Readonly<Config>; faults: readonly string[] } {
  const faults: string[] = []
  const databaseUrl = readUrl(env, 'DATABASE_URL', ['postgres:', 'postgresql:'], faults)
  if (databaseUrl === undefined && !env.DATABASE_URL) faults.push('DATABASE_URL is not set')
  const roleUrl = (name: string, role: RuntimeRole): string => {
    const own = readUrl(env, name, ['postgres:', 'postgresql:'], faults)
    return own?.href ?? (databaseUrl === undefined ? '' : asRole(databaseUrl, role))
  }
  const host = env.HOST || '127.0.0.1'
  const port = readInteger(env, 'PORT', 8000, 0, 65_535, faults)
  const publicUrl = readUrl(env, 'SKELDIR_PUBLIC_URL', ['http:', 'https:'], faults)
  const mockUrl = env.SKELDIR_MOCK_URL === 'none' ? null : readUrl(env, 'SKELDIR_MOCK_URL', ['http:', 'https:'], faults)
  const logLevel = env.LOG_LEVEL || 'info'
  if (!LOG_LEVELS.includes(logLevel))
    faults.push(`LOG_LEVEL is ${JSON.stringify(logLevel)}: one of ${LOG_LEVELS.join(', ')} is meant`)
  const config: Config = {
    databaseUrls: {
      app_user: databaseUrl?.href ?? '',
      app_ingest: roleUrl('INGEST_DATABASE_URL', 'app_ingest'),
      app_worker: roleUrl('WORKER_DATABASE_URL', 'app_worker'),
      app_rw: roleUrl('ADMIN_DATABASE_URL', 'app_rw'),
      app_retention: roleUrl('RETENTION_DATABASE_URL', 'app_retention'),
    },
    masterKeys: readMasterKeys(env, faults),
    host,
    port,
    publicUrl: publicUrl?.href.replace(/\/$/, '') ?? `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    mockGatewayUrl: mockUrl === null ? null : (mockUrl?.origin ?? 'http://localhost:4000'),
    logLevel: logLevel as LogLevel,
    accessTokenSeconds: 900,
    tokenRealm: {
      issuer: readName(env, 'SKELDIR_TOKEN_ISSUER', 'skeldir', faults),
      audience: readName(env, 'SKELDIR_TOKEN_AUDIENCE', 'skeldir-api', faults),
    },
    trustedProxies: readNetworks(env, 'SKELDIR_TRUSTED_PROXIES', faults),
    ingest: {
      maxWaiting: readInteger(env, 'SKELDIR_INGEST_MAX_WAITING', 1_000, 1, 10_000, faults),
      maxWaitMs: readInteger(env, 'SKELDIR_INGEST_MAX_WAIT_MS', 2_000, 100, 60_000, faults),
    },
    probes: {
      port:
        !env.SKELDIR_PROBE_PORT || env.SKELDIR_PROBE_PORT === 'none'
          ? null
          : readInteger(env, 'SKELDIR_PROBE_PORT', 0, 0, 65_535, faults),
      freshMs: readInteger(env, 'SKELDIR_PROBE_FRESH_MS', 1_000, 0, 10_000, faults),
    },
    metrics: readMetrics(env, faults),
    tracing: { url: readCollector(env, faults) },
    shutdown: {
      delayMs: readInteger(env, 'SKELDIR_SHUTDOWN_DELAY_MS', 0, 0, 60_000, faults),
      graceMs: readInteger(env, 'SKELDIR_SHUTDOWN_MS', 8_000, 100, 600_000, faults),
    },
    worker: {
      maxJobs: readLimit(env, 'SKELDIR_WORKER_MAX_JOBS', { min: 1, max: 1_000_000_000 }, faults),
      maxMemoryBytes: readLimit(
        env,
        'SKELDIR_WORKER_MAX_MEMORY_MB',
        { min: 128, max: 1_048_576, unit: MEGABYTE },
        faults,
      ),
    },
    paypalTestCertificates: readFileName(env.SKELDIR_PAYPAL_TEST_CERTIFICATES),
  }
  return { config: Object.freeze(config), faults }
}

/** Of the exporter alone, which needs neither the database nor a key. Throws ConfigError with all faults. */
export function loadMetricsConfig(env: Environment): Readonly<MetricsConfig> {
  const faults: string[] = []
  const metrics = readMetrics(env, faults)
  if (faults.length > 0) throw new ConfigError(faults)
  return metrics
}

function readMetrics(env: Environment, faults: string[]): MetricsConfig {
  const token = env.SKELDIR_METRICS_TOKEN || null
  // It is not repeated.
  if (token !== null && !/^[\x21-\x7e]{16,255}$/.test(token))
    faults.push('SKELDIR_METRICS_TOKEN is not 16 to 255 visible ASCII characters')
  const folder = readFileName(env.SKELDIR_METRICS_FOLDER)
  if (folder !== null && !isAbsolute(folder)) faults.push('SKELDIR_METRICS_FOLDER is not an absolute path')
  const host = env.SKELDIR_EXPORTER_HOST || '127.0.0.1'
  if (token === null && !/^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(host))
    faults.push('SKELDIR_EXPORTER_HOST: others than this host read metrics only with a SKELDIR_METRICS_TOKEN')
  return {
    token,
    folder,
    exporter: { host, port: readInteger(env, 'SKELDIR_EXPORTER_PORT', 9_108, 0, 65_535, faults) },
  }
}

/** Variables that look like ours and are read by nobody: a mistyped name would silently be its default. */
export function findUnknownVariables(env: Environment): string[] {
  const known = new Set([...Object.keys(settings), ...OTHER_VARIABLES])
  return Object.keys(env)
    .filter((name) => name.startsWith('SKELDIR_') && !known.has(name))
    .sort()
}

function asRole(url: URL, role: RuntimeRole): string {
  return toUrl(url.href, decodeURIComponent(url.pathname.slice(1)), role, decodeURIComponent(url.password))
}

function readUrl(env: Environment, name: string, protocols: string[], faults: string[]): URL | undefined {
  const text = env[name]
  if (!text) return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && protocols.includes(url.protocol) && canDecode(url)) return url
  // The value may hold a password: it is not repeated.
  faults.push(`${name} is not a ${protocols[0]}// URL`)
  return undefined
}

/** Of the collector, or of the path where it takes traces. */
function readCollector(env: Environment, faults: string[]): string | null {
  if (env.SKELDIR_OTLP_URL === 'none') return null
  const url = readUrl(env, 'SKELDIR_OTLP_URL', ['http:', 'https:'], faults)
  if (url === undefined) return null
  if (!url.pathname.endsWith('/v1/traces')) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`
  return url.href
}

/** A bare % in a password makes a URL that can be parsed but not read. */
function canDecode({ username, password, pathname }: URL): boolean {
  try {
    decodeURIComponent(`${username}${password}${pathname}`)
    return true
  } catch {
    return false
  }
}

function readInteger(
  env: Environment,
  name: string,
  byDefault: number,
  min: number,
  max: number,
  faults: string[],
): number {
  const text = env[name]
  if (!text) return byDefault
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  faults.push(`${name} is ${JSON.stringify(text)}: a whole number from ${min} to ${max} is meant`)
  return byDefault
}

/** A number of units, or none. */
function readLimit(
  env: Environment,
  name: string,
  { min, max, unit = 1 }: { min: number; max: number; unit?: number },
  faults: string[],
): number | null {
  if (!env[name] || env[name] === 'none') return null
  return readInteger(env, name, min, min, max, faults) * unit
}

function readName(env: Environment, name: string, byDefault: string, faults: string[]): string {
  const text = env[name]
  if (!text) return byDefault
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) faults.push(`${name} is not 1 to 255 visible ASCII characters`)
  return text
}

function readNetworks(env: Environment, name: string, faults: string[]): string[] {
  const text = env[name]
  if (!text || text === 'none') return []
  const networks = text.split(',').map((part) => part.trim())
  for (const network of networks) {
    if (!isNetwork(network))
      faults.push(`${name}: ${JSON.stringify(network)} is neither an address nor a network such as 10.0.0.0/8`)
  }
  return networks
}

function readFileName(text: string | undefined): string | null {
  return !text || text === 'none' ? null : text
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  // An IPv4 address that is written as IPv6 would leave open whose bits the prefix counts.
  const family = /%|^::ffff:/i.test(address) ? 0 : isIP(address)
  if (family === 0 || rest.length > 0) return false
  // A prefix of 0 would trust everybody's word.
  return prefix === undefined || (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
}

function readMasterKeys(env: Environment, faults: string[]): Buffer[] {
  const text = env.SKELDIR_MASTER_KEY
  if (!text) {
    faults.push('SKELDIR_MASTER_KEY is not set (make one with: openssl rand -base64 32)')
    return []
  }
  const parts = text.split(',').map((part) => part.trim())
  // Buffer.from skips whatever is not base64: a mistyped key would silently be another one.
  if (!parts.every((part) => /^[A-Za-z0-9+/]{43}=?$/.test(part)))
    faults.push('SKELDIR_MASTER_KEY: each key is the base64 of 32 bytes')
  return parts.map((part) => Buffer.from(part, 'base64'))
}
