import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { aim, type Door, inventDelivery, inventSecret } from '../../scripts/load/vendors.ts'
import { loadConfig } from '../../src/config.ts'
import { bootstrapDatabase, toUrl } from '../../src/db/bootstrap.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createContext } from '../../src/main/context.ts'
import { createTenant } from '../../src/tenants/service.ts'
import { createEndpoint } from '../../src/webhooks/endpoints/service.ts'
import { startApart } from '../support/apart.ts'
import { until } from '../support/platform.ts'
import { root } from './files.ts'

const DATABASE = 'skeldir'
const DELIVERIES = 8

/** What an operator keeps beside the database. */
export interface Secrets {
  masterKey: string
  password: string
}

/** A shop with deliveries, whose vendor would send them again. */
export interface Shop {
  secrets: Secrets
  door: Door
}

export type Clean = (work: () => Promise<void>) => void

/** Prepares a cluster, and lets real processes take deliveries and enter them in the ledger. They are gone when this resolves. */
export async function fillCluster(adminUrl: string): Promise<Shop> {
  const secrets: Secrets = {
    masterKey: randomBytes(32).toString('base64'),
    password: randomBytes(16).toString('hex'),
  }
  await prepareRoles(adminUrl, secrets)
  await migrate({ databaseUrl: toUrl(adminUrl, DATABASE, 'skeldir_migrator', secrets.password) })
  const config = loadConfig({ ...toEnv(adminUrl, secrets), LOG_LEVEL: 'silent' })
  const [operator, api] = [createContext(config, 'app_rw', 'test'), createContext(config, 'app_user', 'test')]
  try {
    const { tenantId } = await createTenant(operator, {
      slug: 'northwind',
      name: 'Northwind',
      reportingCurrency: 'USD',
      timeZone: 'UTC',
    })
    const scope = {
      correlationId: randomUUID(),
      clientAddress: null,
      tenantId,
      principal: { kind: 'operator', tenantId },
    }
    const secret = inventSecret('stripe')
    const { endpointId, endpointKey } = await createEndpoint({ ...api, ...scope } as never, {
      vendor: 'stripe',
      name: 'Shop',
      secret,
      mode: 'live',
      shopDomain: null,
    })
    const signing = { scheme: 'vendor', secret, certificate: null, tamper: null, ageS: 0 } as const
    const path = `/api/webhooks/stripe/in/${endpointKey}`
    const shop: Shop = { secrets, door: { vendor: 'stripe', tenantId, endpointId, path, signing } }
    await withProcesses(adminUrl, shop, (url) => deliver(adminUrl, url, shop, 0, DELIVERIES))
    return shop
  } finally {
    await Promise.all([operator.close(), api.close()])
  }
}

/** Roles with their passwords, and the empty database: what a dump does not hold. */
export async function prepareRoles(adminUrl: string, { password }: Secrets): Promise<void> {
  await bootstrapDatabase({ adminUrl, database: DATABASE, migratorPassword: password, runtimePassword: password })
}

/**
 * That a restored database is one to go on with: the same processes are ready on it, what is sealed opens, what was
 * delivered before counts once, and what is new is entered.
 */
export async function goOn(adminUrl: string, shop: Shop): Promise<{ before: number; again: number; after: number }> {
  const count = async () => Number((await ask(adminUrl, 'select count(*) from ledger_entries'))[0]?.count)
  const before = await count()
  return withProcesses(adminUrl, shop, async (url) => {
    await deliver(adminUrl, url, shop, 0, DELIVERIES)
    const again = await count()
    await deliver(adminUrl, url, shop, DELIVERIES, DELIVERIES + 3)
    return { before, again, after: await count() }
  })
}

/** The lines of fingerprint.sql. */
export async function readFingerprint(adminUrl: string): Promise<Record<string, string>> {
  const rows = await ask(adminUrl, readFileSync(join(root, 'scripts/deploy/fingerprint.sql'), 'utf8'))
  return Object.fromEntries(rows.map(({ name, count, encode }) => [name, `${count} ${encode}`]))
}

async function withProcesses<T>(adminUrl: string, { secrets }: Shop, work: (url: string) => Promise<T>): Promise<T> {
  const env = { ...toEnv(adminUrl, secrets), PORT: '0' }
  const [api, worker] = await Promise.all([
    startApart(['src/cli/main.ts', 'serve'], /listening on (http:\S+)/, { env }),
    startApart(['src/cli/main.ts', 'worker'], /takes jobs/, { env }),
  ])
  try {
    await until(
      () => fetch(`${api.told}/health/ready`),
      ({ status }) => status === 200,
    )
    return await work(api.told)
  } finally {
    await Promise.all([api.stop(), worker.stop()])
  }
}

/** Every second one of the vendor's deliveries is money; resolves when the worker has entered them. */
async function deliver(adminUrl: string, url: string, { door }: Shop, from: number, to: number): Promise<void> {
  for (let seed = from; seed < to; seed += 1) {
    const { headers, body } = aim(inventDelivery(seed * 4, 'stripe'), door).sign(new Date())
    const answer = await fetch(`${url}${door.path}`, { method: 'POST', headers, body: new Uint8Array(body) })
    if (answer.status !== 200) throw new Error(`a delivery was answered ${answer.status}: ${await answer.text()}`)
  }
  await until(
    () =>
      ask(adminUrl, "select count(*) from pgboss.job where name in ('webhook', 'attribution') and state < 'completed'"),
    ([row]) => row?.count === '0',
  )
}

function toEnv(adminUrl: string, { masterKey, password }: Secrets) {
  return { DATABASE_URL: toUrl(adminUrl, DATABASE, 'app_user', password), SKELDIR_MASTER_KEY: masterKey }
}

/** The rows of the last statement, as the superuser. */
async function ask(adminUrl: string, text: string): Promise<Record<string, string>[]> {
  const url = new URL(adminUrl)
  url.pathname = `/${DATABASE}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[]
    return [result].flat().at(-1)?.rows ?? []
  } finally {
    await client.end()
  }
}
