import { expect, onTestFinished, test } from 'vitest'
import { schedules } from '../../src/queue/schedules.ts'
import { startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { killHard } from '../support/worker.ts'

/** The server processes that hold the lock of whoever leads: one at most. */
const leaders = async (platform: TestPlatform) =>
  (
    await platform.query<{ pid: number }>(
      `select pid from pg_locks
       where locktype = 'advisory' and granted and objsubid = 1
         and database = (select oid from pg_database where datname = current_database())
         and (classid::bigint << 32) | objid::bigint = hashtextextended('skeldir/queue-leader', 0)`,
    )
  ).map(({ pid }) => pid)

const runsOf = async (platform: TestPlatform, schedule: string) =>
  platform.query<{ outcome: string }>('select outcome from schedule_runs where schedule = $1', [schedule])

test('when whoever leads is killed another one leads, and what was missed is done once', {
  timeout: 120_000,
}, async () => {
  const platform = await startPlatform(onTestFinished)
  const first = await platform.startWorker()
  const [leader] = await until(
    () => leaders(platform),
    (pids) => pids.length === 1,
  )
  await until(
    () => platform.query('select key from pgboss.schedule'),
    (rows) => rows.length === Object.keys(schedules).length,
  )
  await killHard(first)
  await until(
    () => leaders(platform),
    (pids) => pids.length === 0,
  )
  // Nobody has led for five hours: an hourly schedule came up five times.
  await platform.query(`delete from schedule_runs`)
  await platform.query(`delete from pgboss.job where data ->> 'job' = 'jobs.tidy'`)
  await platform.query(`update pgboss.schedule set created_on = now() - interval '1 day'`)
  await platform.query(`update pgboss.version set cron_on = now() - interval '5 hours'`)
  await platform.startWorker()
  await platform.startWorker()
  const [next] = await until(
    () => leaders(platform),
    (pids) => pids.length === 1,
  )
  expect(next).not.toBe(leader)
  await until(
    () => runsOf(platform, 'jobs.tidy'),
    (runs) => runs.some(({ outcome }) => outcome === 'succeeded'),
    30_000,
  )
  // What is due at this very minute would be a second one.
  const isDueNow = new Date().getUTCMinutes() === 23
  expect((await runsOf(platform, 'jobs.tidy')).length).toBeLessThanOrEqual(isDueNow ? 2 : 1)
  expect(await leaders(platform)).toEqual([next])
})

test('whoever leads looks after every queue, and counts no job of those that are kept', async () => {
  const platform = await startPlatform(onTestFinished)
  await platform.startWorker()
  const left = () => platform.query<{ name: string }>('select name from pgboss.queue where monitor_claim_on is null')
  // One is the library's own, for its schedules.
  await until(left, (rows) => rows.every(({ name }) => name.startsWith('__pgboss__')))
  expect(await platform.query('select from pgboss.queue where monitor_on is not null')).toEqual([])
})

test('when whoever leads hangs another one leads within seconds, and takes its jobs over', {
  timeout: 60_000,
}, async () => {
  const platform = await startPlatform(onTestFinished)
  const first = await platform.startWorker()
  const [leader] = await until(
    () => leaders(platform),
    (pids) => pids.length === 1,
  )
  await platform.startWorker()
  first.kill('SIGSTOP')
  onTestFinished(() => void first.kill('SIGCONT'))
  // Begun by the one that hangs, and silent ever since.
  await platform.query(
    `insert into pgboss.job (name, data, state, started_on, heartbeat_on, heartbeat_seconds, retry_limit)
     values ('housekeeping', '{"job": "jobs.tidy", "test": "left"}', 'active', now(), now() - interval '1 minute', 10, 2)`,
  )
  const [next] = await until(
    () => leaders(platform),
    (pids) => pids.length === 1 && pids[0] !== leader,
    25_000,
  )
  await until(
    () => platform.query(`select from pgboss.job where data ->> 'test' = 'left' and state = 'completed'`),
    (rows) => rows.length === 1,
    25_000,
  )
  // Whoever wakes up finds that it does not lead any more.
  first.kill('SIGCONT')
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  expect(await leaders(platform)).toEqual([next])
  expect(first.exitCode).toBeNull()
})
