import { queues } from '../../../src/queue/queues.ts'
import { type Finding, openYard, type Yard } from '../worker/yard.ts'

const RETRIES = 2
const JOB_SECONDS = 2
/** Of one tenant, before the job of another: jobs, and milliseconds of each. */
const CROWDS = { webhook: { jobs: 400, ms: 20 }, maintenance: { jobs: 60, ms: 250 } } as const
/** Seconds that a short job may wait behind somebody else's. */
const MAX_WAIT_S = 20
const RECYCLED_AFTER = 5
/** Milliseconds of a job of which one batch has more than a worker does in its life. */
const RECYCLED_MS = 100

/** Everything is counted in the database. */
export async function proveLimits(say: (line: string) => void): Promise<Finding[]> {
  const yard = await openYard(say)
  try {
    const findings = [await proveSettings(yard)]
    await yard.query(
      `update pgboss.queue set retry_limit = ${RETRIES}, retry_delay = 1, retry_delay_max = 2 where name = 'webhook'`,
    )
    say('time-outs and retries')
    const end = await yard.keepWorkers(1, { GATE_JOB_SECONDS: String(JOB_SECONDS) })
    findings.push(await proveTimeout(yard))
    say('fairness')
    findings.push(await proveFairness(yard, 'webhook'), await proveFairness(yard, 'maintenance'))
    await end()
    say('recycling')
    findings.push(await proveRecycling(yard))
    return findings
  } finally {
    await yard.stop()
  }
}

const tenantOf = (yard: Yard, index: number) => (yard.tenants[index] as { tenantId: string }).tenantId

/** What the code says is what the database has, for the queue and for each job that is added. */
async function proveSettings(yard: Yard): Promise<Finding> {
  const rows = await yard.query<Record<string, unknown> & { name: string }>(
    `select name, policy, retry_limit as "retryLimit", retry_delay as "retryDelay", retry_delay_max as "retryDelayMax",
            retry_backoff as "isBackoff", expire_seconds as "expireInSeconds", heartbeat_seconds as "heartbeatSeconds",
            dead_letter as "deadLetter", notify
     from pgboss.queue where name not like '\\_\\_%'`,
  )
  const found = new Map(rows.map((row) => [row.name, row]))
  const faults: string[] = []
  for (const { deleteAfterSeconds: _, ...queue } of queues) {
    const wanted = { notify: false, ...queue, isBackoff: true }
    for (const [name, value] of Object.entries(wanted)) {
      const there = found.get(queue.name)?.[name]
      if (there !== value) faults.push(`${queue.name}: ${name} is ${there}, not ${value}`)
    }
  }
  const [id] = await yard.queue(tenantOf(yard, 0), 'maintenance', 'nothing', 1)
  const [job] = await yard.query<{ fits: boolean }>(
    `select (j.retry_limit, j.expire_seconds, j.heartbeat_seconds, j.dead_letter) = (q.retry_limit, q.expire_seconds, q.heartbeat_seconds, q.dead_letter) as fits
     from pgboss.job as j join pgboss.queue as q on q.name = j.name where j.id = $1`,
    [id],
  )
  if (job?.fits !== true) faults.push('a job that was added has other limits than its queue')
  await yard.query('delete from pgboss.job where id = $1', [id])
  return { name: 'limits at run time', seen: `${queues.length} queues`, faults }
}

async function proveTimeout(yard: Yard): Promise<Finding> {
  const [id] = await yard.queue(tenantOf(yard, 0), 'webhook', 'runaway', 1)
  const [row] = await yard.until(
    'the runaway is set aside',
    90,
    () =>
      yard.query<{ attempts: number; class: string }>(
        'select attempts, failure_class as class from worker_failed_jobs where job_id = $1',
        [id],
      ),
    (rows) => rows.length > 0,
  )
  const [first] = await yard.query<{ seconds: number }>(
    `select extract(epoch from f.failed_at - (select min(at) from gate_notes where name = 'runaway' and detail = $1::text))::float8 as seconds
     from worker_job_failures as f where f.job_id = $1::uuid and f.attempt = 1`,
    [id],
  )
  const faults: string[] = []
  if (row?.class !== 'timeout') faults.push(`it failed as ${row?.class}`)
  if (row?.attempts !== RETRIES + 1) faults.push(`${row?.attempts} attempts with ${RETRIES} retries`)
  if (first === undefined || first.seconds > JOB_SECONDS + 5) faults.push(`it was stopped after ${first?.seconds} s`)
  return {
    name: 'time-out and retries',
    seen: `stopped after ${first?.seconds.toFixed(1)} s of ${JOB_SECONDS}, ${row?.attempts} attempts with ${RETRIES} retries`,
    faults,
  }
}

async function proveFairness(yard: Yard, queue: keyof typeof CROWDS): Promise<Finding> {
  const [crowd, single] = [tenantOf(yard, 0), tenantOf(yard, 1)]
  const { jobs, ms } = CROWDS[queue]
  await yard.query(`delete from gate_notes where name = 'nap'`)
  await yard.queue(crowd, queue, 'nap', jobs, { ms: String(ms) })
  await yard.queue(single, queue, 'nap', 1, { ms: String(ms) })
  const done = (tenantId: string) => yard.count(`select from gate_notes where name = 'nap' and detail = $1`, [tenantId])
  await yard.until(
    'the single job',
    60,
    () => done(single),
    (n) => n === 1,
  )
  await yard.until(
    'the crowd',
    120,
    () => done(crowd),
    (n) => n === jobs,
  )
  const [seen] = await yard.query<{ before: number; wait: number }>(
    `select (select count(*) from gate_notes as c where c.name = 'nap' and c.detail = $1 and c.at < s.at)::integer as before,
            extract(epoch from s.at - (select min(created_on) from pgboss.job where data ->> 'job' = 'gate.nap' and name = $3))::float8 as wait
     from gate_notes as s where s.name = 'nap' and s.detail = $2`,
    [crowd, single, queue],
  )
  const faults: string[] = []
  if (seen === undefined || seen.before > jobs / 2)
    faults.push(`${seen?.before} of ${jobs} jobs of the other tenant went first`)
  if (seen === undefined || seen.wait > MAX_WAIT_S) faults.push(`it waited for ${seen?.wait} s`)
  return {
    name: `fairness of ${queue}`,
    seen: `${seen?.before} of ${jobs} jobs that another tenant had queued before went first, ${seen?.wait.toFixed(1)} s`,
    faults,
  }
}

async function proveRecycling(yard: Yard): Promise<Finding> {
  const tenantId = tenantOf(yard, 1)
  const count = RECYCLED_AFTER * 8
  await yard.query(`delete from gate_notes where name = 'nap'`)
  const end = await yard.keepWorkers(1, { GATE_MAX_JOBS: String(RECYCLED_AFTER) })
  await yard.queue(tenantId, 'webhook', 'nap', count, { ms: String(RECYCLED_MS) })
  const done = await yard.until(
    'the jobs of several processes',
    90,
    () => yard.count(`select from gate_notes where name = 'nap'`),
    (n) => n >= count,
  )
  await end()
  const processes = await yard.count(`select distinct pid from gate_notes where name = 'nap'`)
  const failures = await yard.count(
    `select from pgboss.job where data ->> 'job' = 'gate.nap' and retry_count > 0
     union all select from worker_job_failures as f join pgboss.job as j on j.id = f.job_id where j.data ->> 'job' = 'gate.nap'`,
  )
  const faults: string[] = []
  if (processes < 3) faults.push(`${processes} processes did all of it`)
  if (done !== count) faults.push(`${done} runs of ${count} jobs`)
  if (failures > 0) faults.push(`${failures} jobs were cut off by it`)
  return { name: 'recycling', seen: `${count} jobs by ${processes} processes, ${failures} cut off`, faults }
}
