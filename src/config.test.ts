import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './config.ts'

const KEY = Buffer.alloc(32, 7).toString('base64')
const MINIMUM = {
  DATABASE_URL: 'postgres://app_user:p%40ss@db.test:5433/skel?sslmode=require',
  SKELDIR_MASTER_KEY: KEY,
}

function faultsOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

test('one URL and one key are enough; the rest has defaults', () => {
  const config = loadConfig(MINIMUM)
  expect(config).toEqual({
    databaseUrls: {
      app_user: MINIMUM.DATABASE_URL,
      app_ingest: 'postgres://app_ingest:p%40ss@db.test:5433/skel?sslmode=require',
      app_worker: 'postgres://app_worker:p%40ss@db.test:5433/skel?sslmode=require',
      app_rw: 'postgres://app_rw:p%40ss@db.test:5433/skel?sslmode=require',
      app_retention: 'postgres://app_retention:p%40ss@db.test:5433/skel?sslmode=require',
    },
    masterKeys: [Buffer.alloc(32, 7)],
    host: '127.0.0.1',
    port: 8000,
    publicUrl: 'http://127.0.0.1:8000',
    mockGatewayUrl: 'http://localhost:4000',
    logLevel: 'info',
    accessTokenSeconds: 900,
    tokenRealm: { issuer: 'skeldir', audience: 'skeldir-api' },
    trustedProxies: [],
    ingest: { maxWaiting: 1_000, maxWaitMs: 2_000 },
    probes: { port: null, freshMs: 1_000 },
    tracing: { url: null },
    worker: { maxJobs: null, maxMemoryBytes: null },
    metrics: { token: null, folder: null, exporter: { host: '127.0.0.1', port: 9_108 } },
    shutdown: { delayMs: 0, graceMs: 8_000 },
    paypalTestCertificates: null,
  })
  expect(Object.isFrozen(config)).toBe(true)
})

test('every variable is heard; an empty one counts as unset', () => {
  const config = loadConfig({
    ...MINIMUM,
    INGEST_DATABASE_URL: 'postgresql://ingest:1@other/skel',
    WORKER_DATABASE_URL: '',
    ADMIN_DATABASE_URL: 'postgres://rw:2@other/skel',
    SKELDIR_MASTER_KEY: ` ${Buffer.alloc(32, 8).toString('base64')} , ${KEY}`,
    HOST: '::1',
    PORT: '0',
    LOG_LEVEL: 'warn',
  })
  expect(config.databaseUrls.app_ingest).toBe('postgresql://ingest:1@other/skel')
  expect(config.databaseUrls.app_worker).toBe('postgres://app_worker:p%40ss@db.test:5433/skel?sslmode=require')
  expect(config.databaseUrls.app_rw).toBe('postgres://rw:2@other/skel')
  expect(config.masterKeys).toEqual([Buffer.alloc(32, 8), Buffer.alloc(32, 7)])
  expect(config).toMatchObject({ port: 0, publicUrl: 'http://[::1]:0', logLevel: 'warn' })
  expect(loadConfig({ ...MINIMUM, SKELDIR_PUBLIC_URL: 'https://api.test/' }).publicUrl).toBe('https://api.test')
  expect(loadConfig({ ...MINIMUM, SKELDIR_MOCK_URL: 'http://mocks.test:4000/x' }).mockGatewayUrl).toBe(
    'http://mocks.test:4000',
  )
  expect(loadConfig({ ...MINIMUM, SKELDIR_MOCK_URL: 'none' }).mockGatewayUrl).toBe(null)
})

test('all faults come at once, each naming its variable', () => {
  const faults = faultsOf({
    DATABASE_URL: 'mysql://a:b@c/d',
    INGEST_DATABASE_URL: 'nonsense',
    SKELDIR_MASTER_KEY: 'c2hvcnQ=',
    PORT: '80.5',
    SKELDIR_PUBLIC_URL: 'ftp://files.test',
    LOG_LEVEL: 'loud',
  })
  expect([...faults].sort()).toEqual([
    'DATABASE_URL is not a postgres:// URL',
    'INGEST_DATABASE_URL is not a postgres:// URL',
    'LOG_LEVEL is "loud": one of trace, debug, info, warn, error, fatal, silent is meant',
    'PORT is "80.5": a whole number from 0 to 65535 is meant',
    'SKELDIR_MASTER_KEY: each key is the base64 of 32 bytes',
    'SKELDIR_PUBLIC_URL is not a http:// URL',
  ])
  expect(faultsOf({})).toEqual([
    'DATABASE_URL is not set',
    'SKELDIR_MASTER_KEY is not set (make one with: openssl rand -base64 32)',
  ])
})

test.each(['-1', '65536', '1e9', ' ', 'abc', '0x1G'])('PORT %j is a fault', (PORT) => {
  expect(faultsOf({ ...MINIMUM, PORT })).toHaveLength(1)
})

test.each([
  ['too short', Buffer.alloc(31).toString('base64')],
  ['too long', Buffer.alloc(33).toString('base64')],
  ['hex', Buffer.alloc(32).toString('hex')],
  ['one of two', `${KEY},`],
  ['something else in it', `${KEY.slice(0, 20)}*${KEY.slice(20)}`],
])('a master key that is %s is a fault', (_, SKELDIR_MASTER_KEY) => {
  expect(faultsOf({ ...MINIMUM, SKELDIR_MASTER_KEY })).toEqual([
    'SKELDIR_MASTER_KEY: each key is the base64 of 32 bytes',
  ])
})

test('a URL whose parts cannot be decoded is a fault like any other', () => {
  expect(faultsOf({ ...MINIMUM, DATABASE_URL: 'postgres://app_user:100%real@db.test/skel' })).toEqual([
    'DATABASE_URL is not a postgres:// URL',
  ])
})

test('no message repeats a secret', () => {
  const secrets = ['hunter2', 's3cret-key']
  const error = (() => {
    try {
      loadConfig({
        DATABASE_URL: 'postgre://app_user:hunter2@db.test/skel',
        INGEST_DATABASE_URL: 'app_ingest:hunter2@db.test',
        WORKER_DATABASE_URL: 'postgres://app:hunter2%@db.test/skel',
        SKELDIR_MASTER_KEY: 's3cret-key',
      })
    } catch (thrown) {
      return thrown as ConfigError
    }
    throw new Error('no fault was found')
  })()
  expect(error).toBeInstanceOf(ConfigError)
  expect(error.faults).toHaveLength(4)
  for (const secret of secrets) expect(`${error.message} ${error.stack} ${error.faults.join()}`).not.toContain(secret)
})

test('proxies are trusted by address and by network', () => {
  const read = (text: string) => loadConfig({ ...MINIMUM, SKELDIR_TRUSTED_PROXIES: text }).trustedProxies
  expect(read('10.0.0.0/8, 192.0.2.1 ,fd00::/8,::1')).toEqual(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1'])
  expect(read('none')).toEqual([])
  expect(read('')).toEqual([])
})

test.each([
  '10.0.0.0/33',
  '10.0.0.0/0',
  '::/0',
  '10.0.0.0/8/8',
  '10.0.0.0/',
  '10.0.0/8',
  'proxy.example',
  'fe80::1%eth0',
  '::ffff:10.0.0.0/104',
  '10.0.0.1,',
  '*',
])('%s names no proxy', (text) => {
  const [fault, ...others] = faultsOf({ ...MINIMUM, SKELDIR_TRUSTED_PROXIES: text })
  expect(fault).toContain('SKELDIR_TRUSTED_PROXIES')
  expect(others).toEqual([])
})

test('who may read metrics: a token that is long enough, and from elsewhere only with one', () => {
  const faults = (env: Record<string, string>) => faultsOf({ ...MINIMUM, ...env })
  const token = 'a-token-of-this-test'
  expect(faults({ SKELDIR_METRICS_TOKEN: token, SKELDIR_EXPORTER_HOST: '0.0.0.0' })).toEqual([])
  expect(faults({ SKELDIR_EXPORTER_HOST: '::1' })).toEqual([])
  expect(faults({ SKELDIR_METRICS_TOKEN: 'secret-short' })).toEqual([
    'SKELDIR_METRICS_TOKEN is not 16 to 255 visible ASCII characters',
  ])
  expect(faults({ SKELDIR_EXPORTER_HOST: '10.0.0.1' })).toEqual([expect.stringContaining('SKELDIR_METRICS_TOKEN')])
  expect(faults({ SKELDIR_METRICS_FOLDER: 'relative' })).toEqual(['SKELDIR_METRICS_FOLDER is not an absolute path'])
})

test.each([
  ['http://collector:4318', 'http://collector:4318/v1/traces'],
  ['https://user:pass@collector.test/otlp/', 'https://user:pass@collector.test/otlp/v1/traces'],
  ['http://collector:4318/v1/traces', 'http://collector:4318/v1/traces'],
  ['none', null],
  ['', null],
])('traces go to the path of the collector: %j', (value, url) => {
  expect(loadConfig({ ...MINIMUM, SKELDIR_OTLP_URL: value }).tracing).toEqual({ url })
})

test('a collector that is no http URL is a fault, whose value is not repeated', () => {
  expect(faultsOf({ ...MINIMUM, SKELDIR_OTLP_URL: 'grpc://user:pass@collector:4317' })).toEqual([
    'SKELDIR_OTLP_URL is not a http:// URL',
  ])
})
