import { randomUUID } from 'node:crypto'
import { PgBoss } from 'pg-boss'
import { expect, test } from 'vitest'
import { RUNTIME_ROLES } from '../../src/db/bootstrap.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { defineJob, enqueue } from '../../src/queue/job.ts'
import { queues } from '../../src/queue/queues.ts'
import { startPlatform } from '../support/platform.ts'
import { connectAs, tryIn } from '../support/rows.ts'
import { countJobs } from '../support/worker.ts'

const work = defineJob<{ what: string }>({ name: 'test.work', queue: 'webhook', delaySeconds: 5 })

test('a job exists if and only if its transaction commits', async ({ onTestFinished }) => {
  const { ctx, tenant, database } = await startPlatform(onTestFinished)
  const admin = await connectAs(database, 'admin', onTestFinished)
  const rolledBack = inTenant(ctx.db.main, tenant.ctx, async (tx) => {
    await enqueue(tx, work, tenant.ctx, { what: 'never' })
    throw new Error('no')
  })
  await expect(rolledBack).rejects.toThrow('no')
  expect((await countJobs(admin, 'webhook')).waiting).toBe(0)

  await inTenant(ctx.db.main, tenant.ctx, async (tx) => {
    await enqueue(tx, work, tenant.ctx, { what: 'this' })
    expect((await countJobs(admin, 'webhook')).waiting).toBe(0)
  })
  const { rows } = await admin.query(
    "select data, group_id, start_after - created_on as delay from pgboss.job where name = 'webhook'",
  )
  expect(rows).toEqual([
    {
      data: {
        job: 'test.work',
        tenantId: tenant.tenantId,
        correlationId: tenant.ctx.correlationId,
        what: 'this',
      },
      group_id: tenant.tenantId,
      delay: expect.objectContaining({ seconds: 5 }),
    },
  ])
})

test("a job for another tenant, or a tenant's outside of its transaction, is refused", async ({ onTestFinished }) => {
  const { ctx, tenant, database } = await startPlatform(onTestFinished)
  const other = { tenantId: randomUUID(), correlationId: randomUUID() }
  const foreign = inTenant(ctx.db.main, tenant.ctx, (tx) => enqueue(tx, work, other, { what: 'theirs' }))
  await expect(foreign).rejects.toMatchObject({ code: '42501' })

  const add = (data: object): [string, unknown[]] => [
    'select internal.enqueue_job($1, $2::jsonb)',
    ['webhook', JSON.stringify(data)],
  ]
  for (const role of ['app_user', 'app_worker', 'app_ingest'] as const) {
    const client = await connectAs(database, role, onTestFinished)
    const own = { job: 'test.work', tenantId: tenant.tenantId }
    const refused = { code: '42501', message: expect.stringContaining('cannot be added') }
    expect(await tryIn(client, null, ...add(own)), role).toMatchObject(refused)
    expect(await tryIn(client, other.tenantId, ...add(own)), role).toMatchObject(refused)
    expect(await tryIn(client, tenant.tenantId, ...add({ job: 'test.work' })), role).toMatchObject(refused)
    expect(await tryIn(client, tenant.tenantId, ...add({ ...own, tenantId: null })), role).toMatchObject(refused)
    expect(
      await tryIn(client, tenant.tenantId, ...add({ ...own, tenantId: tenant.tenantId.toUpperCase() })),
      role,
    ).toMatchObject(refused)
    expect(await tryIn(client, tenant.tenantId, ...add(own)), role).toMatchObject({ rowCount: 1 })
  }
})

test('the queue takes jobs through that door only', async ({ onTestFinished }) => {
  const { database, tenant } = await startPlatform(onTestFinished)
  for (const role of RUNTIME_ROLES.filter((name) => name !== 'app_worker')) {
    const client = await connectAs(database, role, onTestFinished)
    for (const statement of [
      "insert into pgboss.job (name, data) values ('webhook', '{}')",
      "insert into pgboss.job_common (name, data) values ('webhook', '{}')",
      'select data from pgboss.job',
      "update pgboss.queue set retry_limit = 0 where name = 'webhook'",
      'delete from pgboss.job_common',
      "select pgboss.create_queue('mine', '{}')",
    ])
      expect(await tryIn(client, tenant.tenantId, statement), `${role}: ${statement}`).toMatchObject({ code: '42501' })
  }
})

test('a queue that does not exist is an error, a waiting probe that exists is not', async ({ onTestFinished }) => {
  const { database } = await startPlatform(onTestFinished)
  const client = await connectAs(database, 'app_user', onTestFinished)
  expect(await tryIn(client, null, `select internal.enqueue_job('nowhere', '{"job": "x"}')`)).toMatchObject({
    code: '22023',
    message: 'there is no queue named nowhere',
  })
  const both = `select internal.enqueue_job('probe', '{"job": "x"}') as first, internal.enqueue_job('probe', '{"job": "x"}') as second`
  expect(await tryIn(client, null, both)).toMatchObject({ rows: [{ first: expect.any(String), second: null }] })
})

test.each([0, 7])("enqueue_job makes the row that pg-boss's own send makes (delay %i s)", async (delaySeconds) => {
  const cleanups: (() => Promise<void>)[] = []
  const onTestFinished = (clean: () => Promise<void>) => void cleanups.unshift(clean)
  try {
    const { database, tenant } = await startPlatform(onTestFinished)
    const admin = await connectAs(database, 'admin', onTestFinished)
    const boss = new PgBoss({ connectionString: database.adminUrl, migrate: false, supervise: false, schedule: false })
    await boss.start()
    onTestFinished(() => boss.stop({ graceful: false }))
    for (const { name, policy } of queues) {
      const data = { job: 'test.work', tenantId: tenant.tenantId }
      await admin.query('begin')
      await admin.query("select set_config('app.current_tenant_id', $1, true)", [tenant.tenantId])
      await admin.query('select internal.enqueue_job($1, $2, $3)', [name, JSON.stringify(data), delaySeconds])
      await admin.query('commit')
      const take = async () => {
        const { rows } = await admin.query(
          `delete from pgboss.job where name = $1
           returning *, extract(epoch from start_after - created_on)::float as starts, extract(epoch from keep_until - start_after)::float as kept`,
          [name],
        )
        const { id: _, created_on: __, start_after: ___, keep_until: ____, starts, ...row } = rows[0]
        return { ...row, starts: Math.round(starts) }
      }
      const ours = await take()
      await boss.send(name, data, {
        group: { id: tenant.tenantId },
        ...(delaySeconds > 0 && { startAfter: delaySeconds }),
        // Of a kind of job a tenant has one at a time.
        ...(policy === 'exclusive' && { singletonKey: `${data.job}/${tenant.tenantId}` }),
      })
      const theirs = await take()
      expect(ours, `${name} (${policy})`).toEqual(theirs)
      expect(Object.keys(ours).length).toBeGreaterThan(25)
    }
  } finally {
    for (const clean of cleanups) await clean()
  }
})
