import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { connect, type Database } from '../../src/db/connect.ts'
import { inTenant, TransactionLost, type Tx } from '../../src/db/tenant.ts'
import { toProblemError } from '../../src/http/problem.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { connectAs, givenTenantRows, type OnTestFinished, type TenantIds } from '../support/rows.ts'

async function openDatabase(onTestFinished: OnTestFinished, { max = 1 }: { max?: number } = {}) {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const open = (role: 'app_user' | 'app_ingest') => {
    const url = database.urlOf(role)
    const db = connect({ url, applicationName: `test ${role}`, log: pino({ level: 'silent' }), max })
    onTestFinished(db.close)
    return db
  }
  return { database, db: open('app_user'), ingest: open('app_ingest') }
}

async function givenTenants(
  database: TestDatabase,
  count: number,
  onTestFinished: OnTestFinished,
): Promise<TenantIds[]> {
  const admin = await connectAs(database, 'admin', onTestFinished)
  const tenants: TenantIds[] = []
  for (let made = 0; made < count; made += 1) tenants.push(await givenTenantRows(admin))
  return tenants
}

const scopeOf = (tenantId: string) => ({ tenantId, correlationId: randomUUID() })

interface Settings {
  tenant: string
  correlation: string
  context: string
}

async function settings(tx: Tx): Promise<Settings> {
  const { rows } = await sql<Settings>`
    select coalesce(current_setting('app.current_tenant_id', true), '') as tenant,
           coalesce(current_setting('app.correlation_id', true), '') as correlation,
           coalesce(current_setting('app.execution_context', true), '') as context`.execute(tx)
  return rows[0] as Settings
}

const NOTHING = { tenant: '', correlation: '', context: '' }
const settingsOutside = (db: Database) => settings(db.lookup as unknown as Tx)

async function backend(db: Database): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db.lookup)
  return (rows[0] as { pid: number }).pid
}

const fail = (tx: Tx) => sql`select 1 / 0`.execute(tx)

test('the context is there inside the transaction and gone after commit, rollback and error, on one connection', async ({
  onTestFinished,
}) => {
  const { db } = await openDatabase(onTestFinished)
  const scope = scopeOf(randomUUID())
  const pid = await backend(db)

  expect(await inTenant(db, scope, settings)).toEqual({
    tenant: scope.tenantId,
    correlation: scope.correlationId,
    context: 'request',
  })
  expect(await settingsOutside(db)).toEqual(NOTHING)

  expect(await inTenant(db, scope, settings, { executionContext: 'worker' })).toMatchObject({ context: 'worker' })
  expect(await settingsOutside(db)).toEqual(NOTHING)

  await expect(
    inTenant(db, scope, async () => {
      throw new Error('ours')
    }),
  ).rejects.toThrow('ours')
  expect(await settingsOutside(db)).toEqual(NOTHING)

  await expect(inTenant(db, scope, fail)).rejects.toMatchObject({ code: '22012' })
  expect(await settingsOutside(db)).toEqual(NOTHING)

  await expect(
    inTenant(db, scope, () => {
      throw new Error('before the first statement')
    }),
  ).rejects.toThrow('before the first statement')
  expect(await settingsOutside(db)).toEqual(NOTHING)
  expect(await backend(db)).toBe(pid)
})

test('writes are kept when the work resolves, and none of them when it throws', async ({ onTestFinished }) => {
  const { database, db } = await openDatabase(onTestFinished)
  const [tenant] = (await givenTenants(database, 1, onTestFinished)) as [TenantIds]
  const count = (tx: Tx) =>
    sql<{ n: bigint }>`select count(*) as n from webhook_endpoints`.execute(tx).then(({ rows }) => rows[0]?.n)
  const insert = (tx: Tx) =>
    sql`insert into webhook_endpoints (tenant_id, vendor, name, endpoint_key)
        values (${tenant.tenantId}, 'stripe', 'new', ${'k'.repeat(43)})`.execute(tx)
  await expect(
    inTenant(db, scopeOf(tenant.tenantId), async (tx) => {
      await insert(tx)
      expect(await count(tx)).toBe(2n)
      throw new Error('no')
    }),
  ).rejects.toThrow('no')
  expect(await inTenant(db, scopeOf(tenant.tenantId), count)).toBe(1n)
  await inTenant(db, scopeOf(tenant.tenantId), insert)
  expect(await inTenant(db, scopeOf(tenant.tenantId), count)).toBe(2n)
})

test('an error that was swallowed on the way does not look like a commit', async ({ onTestFinished }) => {
  const { db } = await openDatabase(onTestFinished)
  const swallowed = inTenant(db, scopeOf(randomUUID()), async (tx) => {
    await fail(tx).catch(() => {})
    return 'done'
  })
  await expect(swallowed).rejects.toThrow(TransactionLost)
  expect(await settingsOutside(db)).toEqual(NOTHING)
})

test('COMMIT travels with one read, which sees its tenant alone', async ({ onTestFinished }) => {
  const { database, db } = await openDatabase(onTestFinished)
  const [, tenant] = (await givenTenants(database, 2, onTestFinished)) as [TenantIds, TenantIds]
  await backend(db)
  const events: string[] = []
  db.pool.once('acquire', (client) => {
    const ask = client.query.bind(client) as (config: unknown) => Promise<unknown>
    client.query = (async (config: string | { text: string }) => {
      const [verb] = (typeof config === 'string' ? config : config.text).split(' ')
      events.push(`${verb} sent`)
      const answer = await ask(config)
      events.push(`${verb} answered`)
      return answer
    }) as never
  })
  const read = (tx: Tx) => sql<{ id: string }>`select tenant_id as id from tenants`.execute(tx)
  const { rows } = await inTenant(db, scopeOf(tenant.tenantId), read, { isOneRead: true })
  expect(rows).toEqual([{ id: tenant.tenantId }])
  const verbs = ['begin', 'select', 'select', 'commit']
  expect(events).toEqual([...verbs.map((verb) => `${verb} sent`), ...verbs.map((verb) => `${verb} answered`)])
  expect(await settingsOutside(db)).toEqual(NOTHING)
})

test('one read neither writes nor is followed by another, and a failure of it leaves the connection as it was', async ({
  onTestFinished,
}) => {
  const { database, db } = await openDatabase(onTestFinished)
  const [tenant] = (await givenTenants(database, 1, onTestFinished)) as [TenantIds]
  const pid = await backend(db)
  const readOnce = (work: (tx: Tx) => Promise<unknown>) =>
    inTenant(db, scopeOf(tenant.tenantId), work, { isOneRead: true })
  const write = (tx: Tx) => sql`update webhook_endpoints set name = 'other'`.execute(tx)
  await expect(readOnce(write)).rejects.toMatchObject({ code: '25006' })
  await expect(readOnce((tx) => settings(tx).then(() => settings(tx)))).rejects.toThrow('the transaction has ended')
  await expect(readOnce(fail)).rejects.toMatchObject({ code: '22012' })
  await expect(readOnce((tx) => fail(tx).catch(() => {}))).rejects.toThrow(TransactionLost)
  expect(await readOnce(async () => 'nothing read')).toBe('nothing read')
  expect(await settingsOutside(db)).toEqual(NOTHING)
  expect(await backend(db)).toBe(pid)
})

test('a deferred constraint that fails at COMMIT is thrown, and the connection is used again', async ({
  onTestFinished,
}) => {
  const { database, db } = await openDatabase(onTestFinished)
  const admin = await connectAs(database, 'admin', onTestFinished)
  await admin.query(
    `create table late (n integer unique deferrable initially deferred); grant insert on late to app_user`,
  )
  const pid = await backend(db)
  const twice = inTenant(db, scopeOf(randomUUID()), (tx) => sql`insert into late values (1), (1)`.execute(tx))
  await expect(twice).rejects.toMatchObject({ code: '23505' })
  expect(await backend(db)).toBe(pid)
})

test.each([
  '',
  'not a uuid',
  'A987FBC9-4BED-3078-CF07-9141BA07C9F3',
  '{a987fbc9-4bed-3078-cf07-9141ba07c9f3}',
  'a987fbc94bed3078cf079141ba07c9f3',
  "a987fbc9-4bed-3078-cf07-9141ba07c9f3'; select 1; --",
  'a987fbc9-4bed-3078-cf07-9141ba07c9f3\n',
])('refuses %j for a tenant before it takes a connection', async (tenantId) => {
  const untouched = { pool: { connect: () => expect.unreachable() } } as unknown as Database
  await expect(inTenant(untouched, scopeOf(tenantId), async () => 1)).rejects.toThrow(TypeError)
})

test('a transaction is dead once it ended: what still holds it can neither read nor write', async ({
  onTestFinished,
}) => {
  const { database, db } = await openDatabase(onTestFinished)
  const [tenant] = (await givenTenants(database, 1, onTestFinished)) as [TenantIds]
  let kept: Tx | undefined
  await inTenant(db, scopeOf(randomUUID()), async (tx) => {
    kept = tx
  })
  // The next one on the same connection is another tenant's.
  await inTenant(db, scopeOf(tenant.tenantId), async (tx) => {
    const late = sql`select * from tenants`.execute(kept as Tx)
    await expect(late).rejects.toThrow('the transaction has ended')
    expect((await sql`select * from tenants`.execute(tx)).rows).toHaveLength(1)
  })
})

test('a branch that goes on after its sibling failed does not reach the next transaction', async ({
  onTestFinished,
}) => {
  const { database, ingest } = await openDatabase(onTestFinished)
  const [first, second] = (await givenTenants(database, 2, onTestFinished)) as [TenantIds, TenantIds]
  const insert = (tx: Tx, id: string) =>
    sql`insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
        values (nullif(current_setting('app.current_tenant_id', true), '')::uuid, 'server', ${id}, sha256('a'), now(), 'email', sha256('b'))`.execute(
      tx,
    )
  let resume = () => {}
  const paused = new Promise<void>((resolve) => {
    resume = resolve
  })
  let branch: Promise<unknown> | undefined
  await inTenant(ingest, scopeOf(first.tenantId), async (tx) => {
    branch = paused.then(() => insert(tx, 'stray'))
    branch.catch(() => {})
    await Promise.all([branch, fail(tx)])
  }).catch(() => {})
  await inTenant(ingest, scopeOf(second.tenantId), async (tx) => {
    resume()
    await branch?.catch(() => {})
    await insert(tx, 'own')
  })
  const admin = await connectAs(database, 'admin', onTestFinished)
  const { rows } = await admin.query(
    "select tenant_id, external_id from touchpoints where external_id in ('stray', 'own')",
  )
  expect(rows).toEqual([{ tenant_id: second.tenantId, external_id: 'own' }])
})

test('a connection that broke is thrown away, also when it breaks in the middle of the work', async ({
  onTestFinished,
}) => {
  const { database, db } = await openDatabase(onTestFinished)
  const admin = await connectAs(database, 'admin', onTestFinished)
  const pid = await backend(db)
  const cut = inTenant(db, scopeOf(randomUUID()), async (tx) => {
    await sql`select 1`.execute(tx)
    await admin.query('select pg_terminate_backend($1, 5000)', [pid])
    await sql`select 1`.execute(tx)
  })
  await expect(cut).rejects.toThrow()
  expect(db.pool.totalCount).toBe(0)
  const next = await inTenant(db, scopeOf(randomUUID()), async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    return rows[0]?.pid
  })
  expect(next).not.toBe(pid)
})

test('an idle connection that broke is replaced, and nothing is thrown where nobody listens', async ({
  onTestFinished,
}) => {
  const { database, db } = await openDatabase(onTestFinished)
  const admin = await connectAs(database, 'admin', onTestFinished)
  const pid = await backend(db)
  const removed = new Promise((resolve) => db.pool.once('remove', resolve))
  await admin.query('select pg_terminate_backend($1, 5000)', [pid])
  await removed
  expect(await backend(db)).not.toBe(pid)
})

test('a statement that runs too long is cancelled, and its connection serves the next', async ({ onTestFinished }) => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const log = pino({ level: 'silent' })
  const db = connect({ url: database.urlOf('app_user'), applicationName: 'test', log, max: 1, statementTimeoutMs: 50 })
  onTestFinished(db.close)
  await expect(inTenant(db, scopeOf(randomUUID()), (tx) => sql`select pg_sleep(5)`.execute(tx))).rejects.toMatchObject({
    code: '57014',
  })
  expect(await settingsOutside(db)).toEqual(NOTHING)
  expect(db.pool.totalCount).toBe(1)
})

test('a statement that a migration has changed costs each connection one failure, which says to try again', async ({
  onTestFinished,
}) => {
  const { database, db } = await openDatabase(onTestFinished, { max: 3 })
  const [tenant] = await givenTenants(database, 1, onTestFinished)
  const superuser = await connectAs(database, 'admin', onTestFinished)
  const define = (columns: string, body: string) =>
    superuser.query(`
      drop function if exists internal.changing();
      create function internal.changing() returns table (${columns}) language sql stable as '${body}';
      grant execute on function internal.changing() to app_user`)
  const ask = () =>
    inTenant(db, scopeOf((tenant as TenantIds).tenantId), (tx) => sql`select * from internal.changing()`.execute(tx))
  await define('a integer', 'select 1')
  for (let round = 0; round < 10; round += 1) await Promise.all([ask(), ask(), ask()])
  await define('a bigint, b integer', 'select 1::bigint, 2')
  const codes: string[] = []
  for (let round = 0; round < 10; round += 1) {
    for (const outcome of await Promise.allSettled([ask(), ask(), ask()])) {
      if (outcome.status === 'rejected') codes.push(toProblemError(outcome.reason).code)
    }
  }
  expect(codes).toEqual(['service_unavailable', 'service_unavailable', 'service_unavailable'])
})

test('outside of a transaction there are no rows of anybody', async ({ onTestFinished }) => {
  const { database, db } = await openDatabase(onTestFinished)
  await givenTenants(database, 1, onTestFinished)
  const { rows } = await sql`select tenant_id from tenants`.execute(db.lookup)
  expect(rows).toEqual([])
})
