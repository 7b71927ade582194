import { randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type Environment, loadConfig } from '../../src/config.ts'
import { bootstrapDatabase, toUrl } from '../../src/db/bootstrap.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createContext } from '../../src/main/context.ts'
import { setRateLimit } from '../../src/tenants/limits/service.ts'
import { createApiKey, createTenant } from '../../src/tenants/service.ts'
import { createEndpoint } from '../../src/webhooks/endpoints/service.ts'
import { makeCertificate } from '../../src/webhooks/simulator/certificate.ts'
import { certificateUrl } from '../../src/webhooks/simulator/certificate-server.ts'
import type { SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { type Door, inventSecret, VENDORS } from './vendors.ts'

const DATABASE = 'skeldir_load'
/** So many requests a minute that none is refused: the most that a tenant can be given. */
const PER_MINUTE = 10_000_000

export interface LoadTenant {
  tenantId: string
  apiKey: string
  doors: Readonly<Record<SimulatedVendor, Door>>
}

/** A Postgres of its own that survives a crash, migrated, with tenants; nothing runs on it yet. */
export interface LoadWorld {
  tenants: readonly LoadTenant[]
  /** For `skeldir serve` and `skeldir worker`. */
  env: Environment
  /** As the superuser, whom row level security does not bind. */
  query: <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>
  postgres: () => EmbeddedPostgres
  /** Runs a statement in a transaction of its own, which lasts until the function that is returned is called. */
  hold: (text: string) => Promise<() => Promise<void>>
  /** Ends Postgres at once, as a crash does. Resolves when it is gone. */
  killPostgres: () => Promise<void>
  /** Starts it again on the same data and port. Resolves when it is ready. */
  restartPostgres: () => Promise<void>
  /** Ends Postgres at once, as a crash does, and starts it again on the same data and port. Resolves when it is ready. */
  crashPostgres: () => Promise<void>
  stop: () => Promise<void>
}

export interface WorldOptions {
  tenants: number
  say: (line: string) => void
}

export async function startWorld({ tenants: count, say }: WorldOptions): Promise<LoadWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-load-'))
  // Postgres refuses root, and its own user has to pass.
  chmodSync(folder, 0o711)
  let server: EmbeddedPostgres | undefined
  const pools: pg.Pool[] = []
  const stop = async () => {
    await Promise.all(pools.map((pool) => pool.end()))
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
    if (server !== undefined) rmSync(server.dataDir, { recursive: true, force: true })
  }
  try {
    say('starting Postgres')
    const dataDir = join(folder, 'data')
    server = await startEmbeddedPostgres({ dataDir, settings: 'durable', log: say })
    const { port, adminUrl } = server
    const password = randomBytes(16).toString('hex')
    const bootstrap = { adminUrl, database: DATABASE, migratorPassword: password, runtimePassword: password }
    await migrate({ databaseUrl: (await bootstrapDatabase(bootstrap)).migrationDatabaseUrl })
    const certificate = makeCertificate()
    const certificates = join(folder, 'paypal.pem')
    writeFileSync(certificates, certificate.pem)
    const env = {
      DATABASE_URL: toUrl(adminUrl, DATABASE, 'app_user', password),
      SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
      SKELDIR_PAYPAL_TEST_CERTIFICATES: certificates,
      SKELDIR_MOCK_URL: 'none',
    }
    const paypal = { privateKey: certificate.privateKey, url: certificateUrl(0, certificate) }
    const tenants = await provision(env, count, paypal)
    const admin = new URL(adminUrl)
    admin.pathname = `/${DATABASE}`
    const pool = new pg.Pool({ connectionString: admin.href, max: 2, application_name: 'skeldir load' })
    pool.on('error', () => {})
    pools.push(pool)
    const killPostgres = async () => {
      const { pid, exited } = server as EmbeddedPostgres
      process.kill(pid, 'SIGQUIT')
      await exited
    }
    const restartPostgres = async () => {
      server = await startEmbeddedPostgres({ dataDir, settings: 'durable', port })
    }
    return {
      tenants,
      env,
      query: async (text, values) => (await pool.query(text, values && [...values])).rows,
      postgres: () => server as EmbeddedPostgres,
      async hold(text) {
        const client = await pool.connect()
        await client.query('begin')
        await client.query(text)
        return async () => {
          await client.query('rollback')
          client.release()
        }
      },
      killPostgres,
      restartPostgres,
      async crashPostgres() {
        await killPostgres()
        await restartPostgres()
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function provision(env: Environment, count: number, paypal: NonNullable<Door['signing']['certificate']>) {
  const config = loadConfig({ ...env, LOG_LEVEL: 'silent' })
  const operator = createContext(config, 'app_rw', 'load')
  const api = createContext(config, 'app_user', 'load')
  const tenants: LoadTenant[] = []
  try {
    for (let index = 1; index <= count; index += 1) {
      const tenantSlug = `load-${index}`
      const shop = { name: `Load ${index}`, reportingCurrency: 'USD', timeZone: 'UTC' }
      const { tenantId } = await createTenant(operator, { slug: tenantSlug, ...shop })
      const { apiKey } = await createApiKey(operator, { tenantSlug, name: 'Load', scopes: ['events:write'] })
      for (const policy of ['default', 'ingest'])
        await setRateLimit(operator, { tenantSlug, policy, perMinute: PER_MINUTE })
      const doors: [SimulatedVendor, Door][] = []
      for (const vendor of VENDORS) {
        const secret = inventSecret(vendor)
        const principal = { kind: 'operator', tenantId } as const
        const ctx = { ...api, correlationId: randomUUID(), clientAddress: null, tenantId, principal }
        // A certificate of our own proves PayPal's deliveries in test mode only: they are stored, and never money.
        const mode = vendor === 'paypal' ? 'test' : 'live'
        const endpoint = await createEndpoint(ctx, { vendor, name: vendor, secret, mode, shopDomain: null })
        const { endpointId, endpointKey } = endpoint
        const certificate = vendor === 'paypal' ? paypal : null
        const signing = { scheme: 'vendor', secret, certificate, tamper: null, ageS: 0 } as const
        doors.push([
          vendor,
          { vendor, tenantId, endpointId, path: `/api/webhooks/${vendor}/in/${endpointKey}`, signing },
        ])
      }
      tenants.push({ tenantId, apiKey, doors: Object.fromEntries(doors) as LoadTenant['doors'] })
    }
    return tenants
  } finally {
    await Promise.all([operator.close(), api.close()])
  }
}
