import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { loadConfig } from '../../src/config.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { createContext, type ProcessContext } from '../../src/main/context.ts'
import { enqueue, type JobDefinition } from '../../src/queue/job.ts'
import { toTable } from '../load/table.ts'
import { type LoadTenant, type LoadWorld, startWorld } from '../load/world.ts'
import { median } from './auth-turns.ts'
import { receive } from './auth-world.ts'
import { withEffect, withEffects, withNothing, withWord } from './queue-jobs.ts'
import type { WorkerMessage } from './queue-worker.ts'

/** Jobs from their enqueueing to their end, in multiples of commits of a row each. */
const NOTHING = { aim: 2.5, must: 1.5 }
const EFFECT = { aim: 0.5, must: 0.25 }
/** Whose each effect has a transaction of its own: shown beside it. */
const ALONE = { aim: 0.25 }
/** The rate of jobs while somebody holds an old snapshot, in multiples of that without. */
const AIM_SNAPSHOT = 0.95
/** Milliseconds from the enqueueing to the start where workers are told. */
const AIM_START_MS = 15

const ROUNDS = 5
const SECONDS = 4
const COMMITTERS = 8
/** Jobs that one transaction adds. */
const ADDED = 500
const FEWEST_JOBS = 2_000
/** Of several tenants, as jobs are: what one tenant may have at work at a time is bounded. */
const TENANTS = 4
/** Jobs that have been: a queue keeps them for a week, and the planner knows them. */
const HISTORY = 20_000
const SNAPSHOT_ROUNDS = 2
/** The harm grows for as long as it is held. */
const SNAPSHOT_SECONDS = 45
const SLICE_SECONDS = 3
const WORDS = 300
/** Between two jobs of which the workers are told: none waits for another. */
const WORD_PAUSE_MS = 15

type Say = (line: string) => void

interface Bench {
  world: LoadWorld
  worker: ChildProcess
  /** As app_ingest has it, which adds jobs by the hundred. */
  ctx: ProcessContext
  committers: readonly pg.Client[]
}

/** A second. */
interface Round {
  commits: number
  nothing: number
  effect: number
  alone: number
}

interface Results {
  rounds: Round[]
  snapshots: { held: number; free: number }[]
  startMs: number[]
}

/** Prints what a job costs beside the commit of a row, how soon one begins, and what an old snapshot does to the rate. */
export async function runQueueBench({ isJson }: { isJson: boolean }): Promise<number> {
  const say: Say = (line) => void process.stderr.write(`${line}\n`)
  const world = await startWorld({ tenants: TENANTS, say })
  const isPinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
  const ends: (() => Promise<unknown>)[] = [world.stop]
  try {
    await world.query(`
      create table bench_rows (row_id bigint generated always as identity primary key, said text not null);
      create table bench_effects (tenant_id uuid not null, job_id uuid not null primary key);
      call internal.isolate_by_tenant('bench_effects', array['app_worker']);
      grant insert on bench_effects to app_worker`)
    const ctx = createContext(loadConfig({ ...world.env, LOG_LEVEL: 'silent' }), 'app_user', 'bench')
    ends.unshift(ctx.close)
    const committers = await Promise.all(Array.from({ length: COMMITTERS }, () => connectTo(world)))
    ends.unshift(() => Promise.all(committers.map((client) => client.end())))
    say('starting the worker')
    const worker = startWorkerOn(isPinned, world)
    ends.unshift(async () => {
      const ended = once(worker, 'exit')
      worker.disconnect()
      await ended
    })
    await receive(worker)
    const results = await measure({ world, worker, ctx, committers }, say)
    const report = summarize(results)
    const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', pinned: isPinned, rounds: ROUNDS }
    process.stdout.write(isJson ? `${JSON.stringify({ ...about, ...report })}\n` : print(report, about))
    return report.isMet ? 0 : 1
  } finally {
    for (const end of ends) await end()
  }
}

function startWorkerOn(isPinned: boolean, { env }: LoadWorld): ChildProcess {
  const path = join(import.meta.dirname, 'queue-worker.ts')
  const command = [...(isPinned ? ['taskset', '-c', '0'] : []), process.execPath, path]
  return spawn(command[0] as string, command.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env, LOG_LEVEL: 'error' },
  })
}

async function connectTo(world: LoadWorld): Promise<pg.Client> {
  const url = new URL(world.postgres().adminUrl)
  url.pathname = new URL(world.env.DATABASE_URL as string).pathname
  const client = new pg.Client({ connectionString: url.href })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function measure(bench: Bench, say: Say): Promise<Results> {
  say('warming up')
  await commitRows(bench, 0.5)
  let nothing = await runJobs(bench, withNothing, HISTORY)
  let effect = await runJobs(bench, withEffects, FEWEST_JOBS)
  let alone = await runJobs(bench, withEffect, FEWEST_JOBS)
  // As autovacuum does of itself within a minute, and here at any moment.
  await bench.world.query('vacuum (analyze) pgboss.job')
  const rounds: Round[] = []
  for (let number = 1; number <= ROUNDS; number += 1) {
    say(`round ${number} of ${ROUNDS}`)
    const commits = await commitRows(bench, SECONDS)
    nothing = await runJobs(bench, withNothing, nothing * SECONDS)
    effect = await runJobs(bench, withEffects, effect * SECONDS)
    alone = await runJobs(bench, withEffect, alone * SECONDS)
    rounds.push({ commits, nothing, effect, alone })
  }
  say('how soon a job begins')
  const startMs = await tellOfJobs(bench)
  const snapshots: Results['snapshots'] = []
  const hold = () =>
    bench.world.hold('set transaction isolation level repeatable read; select count(*) from bench_rows')
  for (let number = 1; number <= SNAPSHOT_ROUNDS; number += 1) {
    say(`with and without an old snapshot, ${number} of ${SNAPSHOT_ROUNDS}`)
    const run = () => runJobsFor(bench, SNAPSHOT_SECONDS, nothing * SLICE_SECONDS)
    const withSnapshot = async () => {
      const release = await hold()
      return run().finally(release)
    }
    // In turns, so that a machine that slows down or speeds up meanwhile favours nobody.
    if (number % 2 === 1) {
      const free = await run()
      snapshots.push({ free, held: await withSnapshot() })
    } else {
      const held = await withSnapshot()
      snapshots.push({ held, free: await run() })
    }
  }
  return { rounds, snapshots, startMs }
}

/** Jobs a second that do nothing, so many at once, until the seconds are over. */
async function runJobsFor(bench: Bench, seconds: number, jobs: number): Promise<number> {
  const rates: number[] = []
  const endsAt = performance.now() + seconds * 1_000
  while (performance.now() < endsAt) rates.push(await runJobs(bench, withNothing, jobs))
  // Of as many jobs each.
  return rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0)
}

/** Commits of a row each, a second. */
async function commitRows({ committers }: Bench, seconds: number): Promise<number> {
  let commits = 0
  const startedAt = performance.now()
  const until = startedAt + seconds * 1_000
  await Promise.all(
    committers.map(async (client) => {
      while (performance.now() < until) {
        await client.query({ name: 'commit', text: 'insert into bench_rows (said) values ($1)', values: ['a row'] })
        commits += 1
      }
    }),
  )
  return (commits * 1_000) / (performance.now() - startedAt)
}

/** Jobs a second, from the first that is enqueued to the end of the last. Throws when one was lost, failed or done twice. */
async function runJobs(bench: Bench, job: JobDefinition<{ number: string }>, count: number): Promise<number> {
  const { world, ctx } = bench
  await world.query('truncate bench_effects')
  const total = Math.max(FEWEST_JOBS, Math.ceil(count / ADDED) * ADDED)
  const [{ before } = { before: null }] = await world.query<{ before: Date }>('select clock_timestamp() as before')
  const startedAt = performance.now()
  for (let added = 0; added < total; added += ADDED) {
    const { tenantId } = world.tenants[(added / ADDED) % TENANTS] as LoadTenant
    const scope = { tenantId, correlationId: tenantId }
    const data = JSON.stringify({ job: job.name, ...scope, number: '1' })
    await inTenant(ctx.db.ingest, scope, (tx) =>
      sql`select internal.enqueue_jobs(${job.queue}, array_fill(${data}::jsonb, array[${ADDED}::integer]))`.execute(tx),
    )
  }
  while (await isAnyOpen(world, job.queue)) await sleep(10)
  const rate = (total * 1_000) / (performance.now() - startedAt)
  const [seen] = await world.query<{ done: number; effects: number }>(
    `select (select count(*) from pgboss.job where name = $1 and state = 'completed' and created_on >= $2)::integer as done,
            (select count(*) from bench_effects)::integer as effects`,
    [job.queue, before],
  )
  const effects = job === withNothing ? 0 : total
  if (seen?.done !== total || seen.effects !== effects)
    throw new Error(`${total} jobs of ${job.name} were queued: ${JSON.stringify(seen)}`)
  return rate
}

async function isAnyOpen(world: LoadWorld, queue: string): Promise<boolean> {
  const rows = await world.query<{ open: boolean }>(`
    select exists (select from pgboss.job where name = '${queue}' and state < 'active' and not blocked)
        or exists (select from pgboss.job where name = '${queue}' and state = 'active' and group_id is not null) as open`)
  return rows[0]?.open === true
}

/** Milliseconds of each job from before its transaction to the first thing it does. */
async function tellOfJobs({ world, worker, ctx }: Bench): Promise<number[]> {
  const times: number[] = []
  const { tenantId } = world.tenants[0] as LoadTenant
  const scope = { tenantId, correlationId: tenantId }
  for (let number = 0; number < WORDS; number += 1) {
    const begun = receive(worker) as Promise<Exclude<WorkerMessage, 'ready'>>
    const before = process.hrtime.bigint()
    await inTenant(ctx.db.main, scope, (tx) => enqueue(tx, withWord, scope, { number: String(number) }))
    const { number: told, startedNs } = await begun
    if (told !== number) throw new Error(`job ${number} was queued, and ${told} began`)
    times.push(Number(BigInt(startedNs) - before) / 1e6)
    await sleep(WORD_PAUSE_MS)
  }
  return times.toSorted((a, b) => a - b)
}

interface Goal {
  goal: string
  value: number
  limit: string
  isMust: boolean
  isMet: boolean
}

const TOGETHER = "fenced effects, a tenant's of a batch in one transaction"
const APART = 'fenced effects, each in a transaction of its own'

interface Summary {
  isMet: boolean
  goals: Goal[]
  perSecond: Record<string, number>
}

function summarize({ rounds, snapshots, startMs }: Results): Summary {
  const atLeast = (goal: string, value: number, limit: number, isMust = false): Goal => {
    return { goal, value, limit: `at least ${limit}`, isMust, isMet: value >= limit }
  }
  const atMost = (goal: string, value: number, limit: number): Goal => {
    return { goal, value, limit: `at most ${limit}`, isMust: false, isMet: value <= limit }
  }
  // Medians of the quotients within each round: what disturbs the machine for seconds disturbs both, and cancels.
  const nothing = median(rounds.map((round) => round.nothing / round.commits))
  const effect = median(rounds.map((round) => round.effect / round.commits))
  const alone = median(rounds.map((round) => round.alone / round.commits))
  const quantile = (share: number) => startMs[Math.ceil(startMs.length * share) - 1] ?? Number.NaN
  const goals = [
    atLeast('jobs that do nothing over commits', nothing, NOTHING.must, true),
    atLeast('jobs that do nothing over commits', nothing, NOTHING.aim),
    atLeast(`${TOGETHER} over commits`, effect, EFFECT.must, true),
    atLeast(`${TOGETHER} over commits`, effect, EFFECT.aim),
    atLeast(`${APART} over commits`, alone, ALONE.aim),
    atMost('enqueueing to start where workers are told, p50 ms', quantile(0.5), AIM_START_MS),
    atMost('enqueueing to start where workers are told, p95 ms', quantile(0.95), AIM_START_MS),
    atLeast(
      'rate with an old snapshot over that without',
      median(snapshots.map(({ held, free }) => held / free)),
      AIM_SNAPSHOT,
    ),
  ]
  const perSecond = {
    [`commits of a row, ${COMMITTERS} connections`]: median(rounds.map(({ commits }) => commits)),
    'jobs that do nothing': median(rounds.map((round) => round.nothing)),
    [TOGETHER]: median(rounds.map((round) => round.effect)),
    [APART]: median(rounds.map((round) => round.alone)),
    [`jobs that do nothing, ${SNAPSHOT_SECONDS} s`]: median(snapshots.map(({ free }) => free)),
    'the same, an old snapshot held': median(snapshots.map(({ held }) => held)),
  }
  return { isMet: goals.every(({ isMet, isMust }) => isMet || !isMust), goals, perSecond }
}

function print(
  { goals, perSecond, isMet }: Summary,
  about: { node: string; cpu: string; pinned: boolean; rounds: number },
): string {
  const rows = Object.entries(perSecond).map(([what, rate]) => [what, rate.toFixed(0)])
  return [
    `Node ${about.node}, ${about.cpu}, ${about.pinned ? 'worker pinned to a core' : 'not pinned'}; median of ${about.rounds} rounds, one worker, batches of ${ADDED}`,
    '',
    ...toTable(['what', 'a second'], rows, 1),
    '',
    ...goals.map(
      ({ goal, value, limit, isMust, isMet: ok }) =>
        `${ok ? 'met   ' : 'MISSED'}  ${isMust ? 'must' : 'aim '}  ${goal}: ${value.toFixed(2)} (${limit})`,
    ),
    isMet ? 'verdict: everything that must hold does' : 'verdict: something that must hold does not',
    '',
  ].join('\n')
}
