import { expect, onTestFinished, test } from 'vitest'
import { startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { givenPerson, logIn } from '../support/sessions.ts'

const DAY = { start_date: '2026-11-01', end_date: '2026-11-01' }

/** A recompute that a manager asked for who is logged in, and that no worker has begun. */
async function givenRecompute(platform: TestPlatform): Promise<{ jobId: string; userId: string; token: string }> {
  const person = await givenPerson(platform, { tenant: platform.tenant, role: 'manager' })
  const { accessToken: token } = await logIn(platform, person)
  const { status, body } = await platform.call('requestRecompute', { token, body: DAY })
  expect(status).toBe(202)
  return { jobId: body.job_id, userId: person.userId, token }
}

const failedJobs = (platform: TestPlatform) =>
  platform.query<{ class: string; attempts: number; user: string | null; status: string }>(
    `select failure_class as class, attempts, user_id as user, status from worker_failed_jobs`,
  )

const REVOKED: [name: string, statement: string][] = [
  ['session was ended', 'update sessions set ended_at = now() where user_id = $1'],
  [
    'tokens were revoked',
    `insert into token_cutoffs (tenant_id, user_id, not_before, set_at) select tenant_id, user_id, now(), now() from memberships where user_id = $1`,
  ],
  ['account was disabled', `update users set status = 'disabled' where user_id = $1`],
]

test.each(REVOKED)(
  'a job of a member whose %s since is not begun, and is recorded as rejected',
  async (_, statement) => {
    const platform = await startPlatform(onTestFinished)
    const { jobId, userId } = await givenRecompute(platform)
    await platform.query(statement, [userId])
    await platform.startWorker()
    const [failed] = await until(
      () => failedJobs(platform),
      (rows) => rows.length > 0,
    )
    expect(failed).toEqual({ class: 'rejected', attempts: 1, user: userId, status: 'pending' })
    const [recompute] = await platform.query(
      'select status, run_count from attribution_recompute_jobs where job_id = $1',
      [jobId],
    )
    expect(recompute).toEqual({ status: 'failed', run_count: 0 })
  },
)

test('a job of a member who is still there is done', async () => {
  const platform = await startPlatform(onTestFinished)
  const { jobId, token } = await givenRecompute(platform)
  await platform.startWorker()
  await until(
    () => platform.call('getRecomputeJob', { token, params: { job_id: jobId } }),
    ({ body }) => body.status === 'succeeded',
  )
  expect(await failedJobs(platform)).toEqual([])
})
