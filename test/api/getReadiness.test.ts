import { expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { startPlatform, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const CHECKS = ['database', 'schema', 'row_level_security', 'tenant_context']

test('200: every check ran, and how long it took', async () => {
  const { status, body } = await platform.call('getReadiness')
  expect(status).toBe(200)
  expect(body.status).toBe('ready')
  expect(body.checks).toEqual(CHECKS.map((name) => ({ name, status: 'ok', duration_ms: expect.any(Number) })))
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await platform.call('getReadiness', { headers: { accept: 'text/plain' } }), 'not_acceptable')
})

test('503: the database is gone, while the process lives; when it is back, all is well', async () => {
  const [ready, live] = await platform.withoutDatabase(() =>
    Promise.all([platform.call('getReadiness'), platform.call('getLiveness')]),
  )
  const pointers = CHECKS.map((name) => `/checks/${name}`)
  expectProblem(ready, 'not_ready', pointers)
  expect(live.status).toBe(200)
  expect((await platform.call('getReadiness')).status).toBe(200)
})

test('503: a table of tenants is not protected', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query('alter table touchpoints no force row level security')
  const answer = await own.call('getReadiness')
  expectProblem(answer, 'not_ready', ['/checks/row_level_security'])
  expect(answer.body.errors[0].detail).toContain('touchpoints')
})

test('503: the schema is older than the code', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query('delete from schema_migrations where name = (select max(name) from schema_migrations)')
  expectProblem(await own.call('getReadiness'), 'not_ready', ['/checks/schema'])
})
