import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Apart, startApart } from '../support/apart.ts'
import { startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { givenShop } from '../support/worker.ts'

/** A process of the platform, until the end of the test; ready when its output matches. */
async function start(command: string, env: Record<string, string>, ready: RegExp): Promise<Apart> {
  const started = await startApart(['src/cli/main.ts', command], ready, { env })
  onTestFinished(async () => void (await started.stop()))
  return started
}

function givenFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-metrics-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** It gets nothing but the folder: no database, no key. */
const startExporter = (folder: string, env: Record<string, string> = {}) =>
  start('exporter', { SKELDIR_METRICS_FOLDER: folder, SKELDIR_EXPORTER_PORT: '0', ...env }, /on (http:\S+)/)

const startWorker = ({ config, database }: TestPlatform, folder: string) =>
  start(
    'worker',
    {
      SKELDIR_MASTER_KEY: config.masterKeys.map((key) => key.toString('base64')).join(','),
      DATABASE_URL: database.urlOf('app_user'),
      SKELDIR_METRICS_FOLDER: folder,
    },
    /takes jobs/,
  )

const ask = async (url: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(url, { headers })
  return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() }
}

/** The sum of all series of a name. */
function sumOf(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

test('what workers did is exported, and stays when one of them is killed', async () => {
  const platform = await startPlatform(onTestFinished)
  const folder = givenFolder()
  const exporter = await startExporter(folder)
  const shop = await givenShop(platform)
  const send = () => shop.send([{ kind: 'payment', order: randomUUID(), visitor: null, at: new Date(), amount: 100 }])
  const untilDone = (series: string, jobs: number) =>
    until(
      () => ask(exporter.told),
      ({ text }) => sumOf(text, series) >= jobs,
    )
  const NORMALIZED = 'skd_task_duration_seconds_count{task="webhooks.normalize_event"}'

  const first = await startWorker(platform, folder)
  await send()
  const one = await untilDone(NORMALIZED, 1)
  expect(one.status).toBe(200)
  expect(sumOf(one.text, 'skd_exporter_workers')).toBe(1)

  await first.kill()
  expect(sumOf((await ask(exporter.told)).text, NORMALIZED)).toBe(1)
  await startWorker(platform, folder)
  await send()
  const both = await untilDone(NORMALIZED, 2)
  expect(sumOf(both.text, NORMALIZED)).toBe(2)
  const SUCCEEDED = 'skd_task_finished_total{task="webhooks.normalize_event",outcome="success"}'
  expect(sumOf((await untilDone(SUCCEEDED, 2)).text, SUCCEEDED)).toBe(2)
  // Of nobody: the ids of tenants and requests stay in the log.
  expect(both.text).not.toContain(platform.tenant.tenantId)
  expect(both.text).not.toContain(platform.tenant.slug)
  expect(both.text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/)
})

test('the exporter answers without workers, in both formats, and nothing but /metrics', async () => {
  const { told } = await startExporter(givenFolder())
  const plain = await ask(told)
  expect(plain).toMatchObject({ status: 200, type: 'text/plain; version=0.0.4; charset=utf-8' })
  expect(sumOf(plain.text, 'skd_exporter_workers')).toBe(0)
  const open = await ask(told, { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' })
  expect(open).toMatchObject({ status: 200, type: 'application/openmetrics-text; version=1.0.0; charset=utf-8' })
  expect(open.text.endsWith('# EOF\n')).toBe(true)
  expect((await ask(new URL('/', told).href)).status).toBe(404)
  expect((await fetch(told, { method: 'POST' })).status).toBe(405)
})

test('with a token the exporter asks for it', async () => {
  const token = 'a-token-of-this-test'
  const { told } = await startExporter(givenFolder(), { SKELDIR_METRICS_TOKEN: token })
  expect((await ask(told)).status).toBe(401)
  expect((await ask(told, { authorization: `Bearer ${token}x` })).status).toBe(401)
  expect((await ask(told, { authorization: `Bearer ${token}` })).status).toBe(200)
})

test.each([
  ['no folder', {}, 'SKELDIR_METRICS_FOLDER is not set'],
  ['a folder that is no absolute path', { SKELDIR_METRICS_FOLDER: 'metrics' }, 'not an absolute path'],
  [
    'other hosts and no token',
    { SKELDIR_METRICS_FOLDER: '/tmp/skeldir-none', SKELDIR_EXPORTER_HOST: '0.0.0.0' },
    'only with a SKELDIR_METRICS_TOKEN',
  ],
])('the exporter does not start with %s, and says why', async (_what, env, reason) => {
  await expect(start('exporter', env, /on (http:\S+)/)).rejects.toThrow(reason)
})

test('a folder that cannot be written to costs figures and no job', async () => {
  const platform = await startPlatform(onTestFinished)
  const shop = await givenShop(platform)
  const worker = await startWorker(platform, '/proc/skeldir-metrics')
  await shop.send([{ kind: 'payment', order: randomUUID(), visitor: null, at: new Date(), amount: 100 }])
  await until(
    () =>
      platform.query<{ open: number }>(
        "select count(*)::int as open from pgboss.job where name = 'webhook' and state <> 'completed'",
      ),
    ([row]) => row?.open === 0,
  )
  await until(
    async () => worker.output(),
    (output) => output.includes('the figures of this worker could not be written'),
  )
})

test('what came of the refreshes of views is exported', async () => {
  const platform = await startPlatform(onTestFinished)
  const folder = givenFolder()
  const exporter = await startExporter(folder)
  await startWorker(platform, folder)
  await platform.query(`select internal.enqueue_job('housekeeping', '{"job": "rollups.refresh_again"}')`)
  const SUCCEEDED = 'skd_view_refresh_total{view="reconciliation_status",outcome="success"}'
  const { text } = await until(
    () => ask(exporter.told),
    (answer) => sumOf(answer.text, SUCCEEDED) >= 1,
  )
  expect(sumOf(text, 'skd_view_refresh_duration_seconds_count{view="reconciliation_status"}')).toBeGreaterThanOrEqual(1)
})
