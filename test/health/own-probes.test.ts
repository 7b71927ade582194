import { expect, onTestFinished, test } from 'vitest'
import { run, startApart } from '../support/apart.ts'
import { openDoor } from '../support/door.ts'
import { startPlatform, until } from '../support/platform.ts'

const PROCESSES = { worker: ['database', 'schema', 'heartbeat'], scheduler: ['database', 'schema'] }
type Name = keyof typeof PROCESSES

async function given(name: Name) {
  const platform = await startPlatform(onTestFinished)
  const door = await openDoor(platform.database.adminUrl)
  onTestFinished(door.close)
  const env = {
    SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
    DATABASE_URL: door.through(platform.database.urlOf('app_user')),
    SKELDIR_PROBE_PORT: '0',
    SKELDIR_PROBE_FRESH_MS: '0',
  }
  const started = await startApart(['src/cli/main.ts', name], /probes on (http:\S+)/, { env })
  onTestFinished(started.kill)
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`${started.told}${path}`, init)
    const text = await answer.text()
    return {
      status: answer.status,
      type: answer.headers.get('content-type'),
      body: text === '' ? null : JSON.parse(text),
    }
  }
  const untilReady = (status: number, timeoutMs?: number) =>
    until(
      () => ask('/health/ready'),
      (answer) => answer.status === status,
      timeoutMs,
    )
  return { platform, door, env, started, ask, untilReady }
}

test.each(Object.entries(PROCESSES))('a %s says whether it can do its work', async (name, checks) => {
  const { platform, door, started, ask, untilReady } = await given(name as Name)
  const { body } = await untilReady(200)
  expect(body.checks.map((check: { name: string }) => check.name)).toEqual(checks)
  expect(await ask('/health/live')).toEqual({ status: 200, type: 'application/json', body: { status: 'alive' } })

  door.shut()
  const away = await untilReady(503)
  expect(away).toMatchObject({
    type: 'application/problem+json',
    body: { code: 'not_ready', errors: [{ pointer: '/checks/database' }] },
  })
  // To restart it would mend nothing.
  expect((await ask('/health/live')).status).toBe(200)
  door.open()
  await untilReady(200)

  await platform.query('delete from schema_migrations where name = (select max(name) from schema_migrations)')
  expect((await untilReady(503)).body.errors).toMatchObject([{ pointer: '/checks/schema' }])
  expect(await started.stop()).toBe(0)
})

test('a worker whose signs of life do not arrive is not ready', async () => {
  const { platform, untilReady } = await given('worker')
  await untilReady(200)
  await platform.query('revoke insert, update on worker_heartbeats from app_worker')
  const { body } = await untilReady(503, 30_000)
  expect(body.errors).toMatchObject([{ pointer: '/checks/heartbeat' }])
})

test('there is nothing else at the port, and the health check of a container asks it', async () => {
  const { ask, started, env } = await given('worker')
  expect((await ask('/metrics')).status).toBe(404)
  expect((await ask('/health/live', { method: 'POST' })).status).toBe(405)
  const { port } = new URL(started.told)
  const check = () => run(['scripts/deploy/healthcheck.mjs'], { env: { ...env, SKELDIR_PROBE_PORT: port } })
  expect((await check()).status).toBe(0)
  // Stopped: its event loop does not turn, though its port is open.
  started.signal('SIGSTOP')
  expect((await check()).status).toBe(1)
  started.signal('SIGCONT')
})

test('a port that is taken is a start that failed', async () => {
  const { env, started } = await given('worker')
  const { port } = new URL(started.told)
  const second = await run(['src/cli/main.ts', 'worker'], { env: { ...env, SKELDIR_PROBE_PORT: port } })
  expect(second).toMatchObject({ status: 1 })
  expect(second.stderr).toContain('EADDRINUSE')
})
