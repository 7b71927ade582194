import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { childEnvironment } from '../support/child-environment.ts'
import { startPlatform } from '../support/platform.ts'

test('a worker ends in an orderly way after as many jobs as it may do, and those are done', async () => {
  const platform = await startPlatform(onTestFinished)
  const child = spawn(process.execPath, ['src/cli/main.ts', 'worker'], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: {
      ...childEnvironment(),
      DATABASE_URL: platform.database.urlOf('app_user'),
      SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
      SKELDIR_WORKER_MAX_JOBS: '3',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = Promise.all([text(child.stdout), once(child, 'exit')])
  const tidy = () =>
    platform.query(
      `insert into pgboss.job (name, data) select 'housekeeping', '{"job":"jobs.tidy"}' from generate_series(1, 3)`,
    )
  await tidy()
  const [log, [status]] = await ended
  expect(status).toBe(0)
  expect(log).toContain('this worker has done its share')
  const done = () => platform.query(`select from pgboss.job where data ->> 'job' = 'jobs.tidy' and state = 'completed'`)
  expect((await done()).length).toBeGreaterThanOrEqual(3)
})
