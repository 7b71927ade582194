import { pools } from '../../../src/queue/queues.ts'
import { PRIVILEGES } from '../worker/privileges.ts'
import { type Finding, openYard, type Yard } from '../worker/yard.ts'

const RETRIES = 2
/** As many as a batch runs at a time: nothing else of their batch can begin. */
const RUNAWAYS = pools.webhook.jobsAtOnce
const SENTINELS = 10
/** Seconds that a job may wait behind somebody else's that hang. */
const MAX_WAIT_S = 20
/** Seconds from a death to the end of the second attempt that are allowed where a worker is free. */
const MAX_RECOVERY_S = 15
const RECOVERIES = 3

export interface R4Options {
  poison: number
  crashes: number
  workers: number
  /** Of a job of the queue `webhook`; undefined: as in production. */
  jobSeconds: number | undefined
  say: (line: string) => void
}

/** Everything is counted in the database. */
export async function proveWorkers({ poison, crashes, workers, jobSeconds, say }: R4Options): Promise<Finding[]> {
  const yard = await openYard(say)
  try {
    await yard.query(
      `update pgboss.queue set retry_limit = ${RETRIES}, retry_delay = 1, retry_delay_max = 2 where name = 'webhook'`,
    )
    say('poison, foreign tenants, runaways and privileges')
    const limit = jobSeconds === undefined ? {} : { GATE_JOB_SECONDS: String(jobSeconds) }
    const end = await yard.keepWorkers(1, limit)
    const findings = [
      await provePoison(yard, poison),
      await proveRunaway(yard, jobSeconds ?? pools.webhook.jobSeconds),
      await proveForeign(yard),
      await provePrivileges(yard),
    ]
    await end()
    await yard.query(
      `update pgboss.queue set retry_limit = 20, retry_delay = 1, retry_delay_max = 1 where name = 'housekeeping'`,
    )
    say('recovery')
    findings.push(await proveRecovery(yard))
    say(`${crashes} deaths between effect and completion`)
    findings.push(await proveCrashes(yard, crashes, workers))
    return findings
  } finally {
    await yard.stop()
  }
}

const tenantOf = (yard: Yard, index: number) => (yard.tenants[index] as { tenantId: string }).tenantId

async function provePoison(yard: Yard, count: number): Promise<Finding> {
  const tenantId = tenantOf(yard, 0)
  const ids = await yard.queue(tenantId, 'webhook', 'poison', count)
  const failed = (where = '') => yard.count(`select from worker_failed_jobs where job_id = any ($1) ${where}`, [ids])
  const rows = await yard.until(
    'poison is set aside',
    60,
    () => failed(),
    (n) => n >= count,
  )
  const right = await failed(`and attempts = ${RETRIES + 1} and failure_class = 'internal' and status = 'pending'`)
  const attempts = await yard.count('select from worker_job_failures where job_id = any ($1)', [ids])
  const effects = await yard.count('select from gate_effects where job_id = any ($1)', [ids])
  const fenced = await yard.count('select from job_effects where job_id = any ($1)', [ids])
  const faults: string[] = []
  if (rows !== count) faults.push(`${rows} rows for ${count} jobs`)
  if (right !== count) faults.push(`${count - right} rows have another class, state or number of attempts`)
  if (attempts !== count * (RETRIES + 1)) faults.push(`${attempts} attempts were kept, not ${count * (RETRIES + 1)}`)
  if (effects + fenced > 0) faults.push(`${effects} effects, ${fenced} marks of effects`)
  return {
    name: 'poison',
    seen: `${count} jobs, ${rows} failure rows, ${attempts} attempts, ${effects} effects`,
    faults,
  }
}

async function proveRunaway(yard: Yard, jobSeconds: number): Promise<Finding> {
  const runaways = await yard.queue(tenantOf(yard, 0), 'webhook', 'runaway', RUNAWAYS)
  // Once is enough to see it.
  await yard.query('update pgboss.job set retry_limit = 0 where id = any ($1)', [runaways])
  const sentinels = await yard.queue(tenantOf(yard, 1), 'webhook', 'sentinel', SENTINELS)
  const done = await yard.until(
    'sentinels finish',
    jobSeconds * 2 + 30,
    () => yard.count('select from gate_effects where job_id = any ($1)', [sentinels]),
    (n) => n >= SENTINELS,
  )
  const rows = await yard.until(
    'the runaways are set aside',
    jobSeconds * 2 + 60,
    () =>
      yard.query<{ class: string; seconds: number }>(
        `select j.failure_class as class,
                extract(epoch from (select min(f.failed_at) from worker_job_failures as f where f.job_id = j.job_id)
                                   - (select min(n.at) from gate_notes as n
                                      where n.name = 'runaway' and n.detail = j.job_id::text))::float8 as seconds
         from worker_failed_jobs as j where j.job_id = any ($1)`,
        [runaways],
      ),
    (found) => found.length === RUNAWAYS,
  )
  const [others] = await yard.query<{ wait: number; failures: number }>(
    `select (select max(extract(epoch from e.at - j.created_on)) from gate_effects as e join pgboss.job as j on j.id = e.job_id
             where e.job_id = any ($1))::float8 as wait,
            (select count(*) from worker_job_failures where job_id = any ($1))::integer as failures`,
    [sentinels],
  )
  const longest = Math.max(...rows.map(({ seconds }) => seconds))
  const faults: string[] = []
  for (const { class: failureClass } of rows)
    if (failureClass !== 'timeout') faults.push(`a runaway failed as ${failureClass}`)
  if (!(longest <= jobSeconds + 5)) faults.push(`one was stopped after ${longest} s`)
  if (done !== SENTINELS) faults.push(`${done} effects of ${SENTINELS} others`)
  if (others === undefined || others.failures > 0) faults.push(`${others?.failures} attempts of others were spent`)
  if (others === undefined || !(others.wait <= MAX_WAIT_S))
    faults.push(`another tenant's job waited for ${others?.wait} s`)
  return {
    name: `${RUNAWAYS} runaways`,
    seen: `stopped after ${longest.toFixed(1)} s of ${jobSeconds}; ${done} of ${SENTINELS} of another tenant done within ${others?.wait.toFixed(1)} s`,
    faults,
  }
}

async function notes(yard: Yard, like: string, count: number): Promise<Map<string, string>> {
  const rows = await yard.until(
    like,
    30,
    () =>
      yard.query<{ name: string; detail: string }>('select distinct name, detail from gate_notes where name like $1', [
        like,
      ]),
    (found) => found.length >= count,
  )
  return new Map(rows.map(({ name, detail }) => [name, detail]))
}

async function proveForeign(yard: Yard): Promise<Finding> {
  const [own, other] = [tenantOf(yard, 0), tenantOf(yard, 1)]
  await yard.queue(own, 'attribution', 'foreign', 1, { other })
  const found = await notes(yard, 'foreign %', 2)
  const there = await yard.count('select from gate_effects where tenant_id = $1', [other])
  const faults: string[] = []
  if (there === 0) faults.push('there was nothing to be seen')
  if (found.get('foreign rows') !== '0') faults.push(`${found.get('foreign rows')} rows of another tenant were seen`)
  if (found.get('foreign write') !== 'refused') faults.push('a row of another tenant was written')
  return {
    name: 'wrong tenant',
    seen: `${found.get('foreign rows')} of its rows seen, write ${found.get('foreign write')}`,
    faults,
  }
}

async function provePrivileges(yard: Yard): Promise<Finding> {
  const names = Object.keys(PRIVILEGES)
  await yard.queue(tenantOf(yard, 0), 'attribution', 'privileges', 1)
  const found = await notes(yard, 'privilege %', names.length)
  const faults = names
    .filter((name) => found.get(`privilege ${name}`) !== 'denied')
    .map((name) => `${name}: ${found.get(`privilege ${name}`)}`)
  return { name: 'privileges', seen: `${names.length - faults.length} of ${names.length} denied`, faults }
}

/** One death at a time, with others of its batch beside it and a worker that is free. */
async function proveRecovery(yard: Yard): Promise<Finding> {
  const end = await yard.keepWorkers(2)
  const times: number[] = []
  const faults: string[] = []
  for (let n = 0; n < RECOVERIES; n += 1) {
    const [id] = await yard.queue(tenantOf(yard, 0), 'housekeeping', 'crash', 1)
    const beside = await yard.queue(tenantOf(yard, 1), 'housekeeping', 'sentinel', SENTINELS)
    const [row] = await yard.until(
      'the job is done',
      60,
      () =>
        yard.query<{ seconds: number }>(
          `select extract(epoch from j.completed_on - e.at)::float8 as seconds
           from pgboss.job as j join gate_effects as e on e.job_id = j.id where j.id = $1 and j.state = 'completed'`,
          [id],
        ),
      (rows) => rows.length > 0,
    )
    times.push(row?.seconds ?? Number.NaN)
    const done = await yard.until(
      'the others are done',
      60,
      () => yard.count(`select from pgboss.job where id = any ($1) and state = 'completed'`, [beside]),
      (count) => count === SENTINELS,
    )
    const effects = await yard.count('select from gate_effects where job_id = any ($1)', [[id, ...beside]])
    if (effects !== done + 1) faults.push(`${effects} effects of ${done + 1} jobs`)
  }
  await end()
  const worst = Math.max(...times)
  if (!(worst <= MAX_RECOVERY_S)) faults.push(`after a death it took ${worst} s`)
  return {
    name: 'recovery',
    seen: `at most ${worst.toFixed(1)} s from a death to the end of the second attempt`,
    faults,
  }
}

async function proveCrashes(yard: Yard, count: number, workers: number): Promise<Finding> {
  const half = Math.ceil(count / 2)
  const ids = [
    ...(await yard.queue(tenantOf(yard, 0), 'housekeeping', 'crash', half)),
    ...(await yard.queue(tenantOf(yard, 1), 'housekeeping', 'crash', count - half)),
  ]
  const pids = new Set<number>()
  const end = await yard.keepWorkers(workers, { GATE_ONE_DEATH: '1' }, (pid) => pids.add(pid))
  const completed = () => yard.count(`select from pgboss.job where id = any ($1) and state = 'completed'`, [ids])
  await yard.until('every job is done', 60 + count * 6, completed, (n) => n === count)
  await end()
  const effects = await yard.count('select from gate_effects where job_id = any ($1)', [ids])
  const jobs = await yard.count('select distinct job_id from gate_effects where job_id = any ($1)', [ids])
  const [recovery] = await yard.query<{ worst: number }>(
    `select max(extract(epoch from f.failed_at - e.at))::float8 as worst
     from gate_effects as e join worker_job_failures as f on f.job_id = e.job_id and f.attempt = 1
     where e.job_id = any ($1)`,
    [ids],
  )
  const lost = await yard.count(
    `select from worker_job_failures where job_id = any ($1) and failure_class = 'worker_lost'`,
    [ids],
  )
  const faults: string[] = []
  if (jobs !== count) faults.push(`${count - jobs} jobs were lost`)
  if (effects !== jobs) faults.push(`${effects - jobs} effects were had twice`)
  if (pids.size <= count) faults.push(`${pids.size} processes for ${count} deaths`)
  if (lost < count) faults.push(`${lost} deaths were written down`)
  // Between the death and the second attempt lies the wait of the retry, and that for a worker that lives.
  const worst = recovery?.worst ?? Number.NaN
  return {
    name: 'SIGKILL between effect and completion',
    seen: `${count} deaths of ${pids.size} processes, lost ${count - jobs}, twice ${effects - jobs}, again at most ${worst.toFixed(1)} s later, for want of a free worker`,
    faults,
  }
}
