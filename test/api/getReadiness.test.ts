import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startDraining } from '../../src/health/service.ts'
import { expectProblem } from '../support/answer.ts'
import { type Answer, startPlatform, type TestPlatform, until, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const CHECKS = ['database', 'pool', 'schema', 'row_level_security', 'tenant_context', 'grants']

const ready = (of: TestPlatform) => of.call('getReadiness')
/** Two measurements in a row decide. */
const readyAgain = (of: TestPlatform) =>
  until(
    () => ready(of),
    ({ status }) => status === 200,
  )

test('200: every check ran, and how long it took', async () => {
  const { status, body } = await ready(platform)
  expect(status).toBe(200)
  expect(body.status).toBe('ready')
  expect(body.checks).toEqual(CHECKS.map((name) => ({ name, status: 'ok', duration_ms: expect.any(Number) })))
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getReadiness', { headers: { accept: 'text/plain' } }), 'not_acceptable')
})

test('503: the database is gone, while the process lives; when it is back, all is well', async () => {
  const own = await startPlatform(onTestFinished)
  expect((await ready(own)).status).toBe(200)
  const [gone, live] = await own.withoutDatabase(async () => [
    await until(
      () => ready(own),
      ({ status }) => status === 503,
    ),
    await own.call('getLiveness'),
  ])
  // Of the others nothing is known.
  expectProblem(gone as Answer, 'not_ready', ['/checks/database'])
  expect((live as Answer).status).toBe(200)
  await readyAgain(own)
})

test.each([
  [
    'a table of tenants is not forced',
    'alter table touchpoints no force row level security',
    'row_level_security',
    'touchpoints',
  ],
  [
    'a table is not narrowed to the tenant',
    'drop policy tenant_only on order_facts',
    'row_level_security',
    'order_facts',
  ],
  [
    'the schema is older than the code',
    'delete from schema_migrations where name = (select max(name) from schema_migrations)',
    'schema',
    'this code needs',
  ],
  [
    'a grant on a table is missing',
    'revoke insert on sessions from app_user',
    'grants',
    'insert on public.sessions, for app_user',
  ],
  [
    'a grant on a column is missing',
    'revoke update (full_at) on rate_limits from app_user',
    'grants',
    'update (full_at) on public.rate_limits, for app_user',
  ],
  [
    'a grant on a function is missing',
    'revoke execute on function internal.enqueue_jobs(text, jsonb[]) from app_ingest',
    'grants',
    'execute on internal.enqueue_jobs(text, jsonb[]), for app_ingest',
  ],
  ['a schema may not be used', 'revoke usage on schema internal from app_ingest', 'grants', 'usage on schema internal'],
])('503: %s', async (_, statement, check, words) => {
  const own = await startPlatform(onTestFinished)
  await own.query(statement)
  const answer = await ready(own)
  expectProblem(answer, 'not_ready', [`/checks/${check}`])
  expect(answer.body.errors[0].detail).toContain(words)
})

test('503: nothing can be written', async () => {
  const own = await startPlatform(onTestFinished)
  // A database's own setting is for connections that are made from now on, and these have been made.
  await own.query(`alter database ${own.database.name} set default_transaction_read_only = on`)
  await own.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'app_user'`,
  )
  const answer = await until(
    () => ready(own),
    ({ status }) => status === 503,
  )
  expectProblem(answer, 'not_ready', ['/checks/database'])
})

test.each(['main', 'ingest'] as const)(
  '503: every connection of the pool %s is taken; then one is given back',
  async (name) => {
    const own = await startPlatform(onTestFinished)
    const { pool } = own.ctx.db[name]
    const taken = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()))
    const answer = await ready(own)
    expectProblem(answer, 'not_ready', ['/checks/pool'])
    expect(answer.body.errors[0].detail).toMatch(/^No connection of app_(user|ingest) was free in time\.$/)
    for (const client of taken) client.release()
    await readyAgain(own)
  },
)

test('200: more wait for a connection than there is time for, and each has its turn', async () => {
  const own = await startPlatform(onTestFinished)
  const { pool } = own.ctx.db.ingest
  const serve = async () => {
    const client = await pool.connect()
    await delay(700)
    client.release()
  }
  // Who comes after four rounds of ten waits longer than a measurement may take.
  const served = Promise.allSettled(Array.from({ length: 4 * pool.options.max }, serve))
  const { status, body } = await ready(own)
  expect(status).toBe(200)
  const waitedMs = body.checks.find(({ name }: { name: string }) => name === 'pool').duration_ms
  expect(waitedMs, 'it had no turn itself').toBeGreaterThan(1_500)
  await served
})

test('200: a newer release has taken back a grant that it no longer needs', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query('revoke insert on sessions from app_user')
  await own.query(`insert into schema_migrations (name, checksum) values ('9999_later', repeat('0', 64))`)
  expect((await ready(own)).status).toBe(200)
})

test('503: the process is going down', async () => {
  const own = await startPlatform(onTestFinished)
  expect((await ready(own)).status).toBe(200)
  startDraining(own.ctx)
  expectProblem(await ready(own), 'not_ready', ['/checks/draining'])
})
