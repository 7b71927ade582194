import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findFreePort } from '../../../src/db/embedded.ts'
import { randomOf } from '../../../src/webhooks/simulator/random.ts'
import { makeDelivery } from '../../../src/webhooks/simulator/simulators.ts'
import { type Client, openClient } from '../../load/client.ts'
import { untilReady } from '../../load/processes.ts'
import { aim, type Shot } from '../../load/vendors.ts'
import { type LoadTenant, type LoadWorld, startWorld } from '../../load/world.ts'
import type { FaultOptions } from '../fault.ts'
import { type Process, startProcess } from '../health/processes.ts'
import { compareEffects, untilDrained } from '../ingest/verify.ts'
import { MAX_TAKEOVER_MS, type Report, type Takeover } from './report.ts'

/** What the jobs of a queue write first, so that a lock on it keeps one of them in its middle. */
const HELD_BY: Readonly<Record<string, string>> = { webhook: 'ledger_entries', attribution: 'attribution_day_runs' }
const HOUR_MS = 3_600_000
/** Until it counts as lost. */
const GIVE_UP_MS = 60_000
/** A statement of the worker is cancelled after 10 s, and its job then fails by itself: that one does not count. */
const MAX_SPOILT = 5

type Options = Pick<FaultOptions, 'seed' | 'kills' | 'say'>

interface Scene {
  world: LoadWorld
  client: Client
  startWorker: () => Promise<Process>
}

/** Kills the worker that has a job, again and again, while another one stands by; and compares what became of all jobs. */
export async function killWorkers({ seed, kills, say }: Options): Promise<Report> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-faults-'))
  const stops: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })]
  const random = randomOf(`faults worker ${seed}`)
  try {
    const world = await startWorld({ tenants: 2, say })
    stops.push(world.stop)
    const [stormy, calm] = world.tenants as unknown as readonly [LoadTenant, LoadTenant]
    const port = await findFreePort()
    const url = `http://127.0.0.1:${port}`
    const logFile = join(folder, 'processes.log')
    const start = (name: string, ready: RegExp) =>
      startProcess(['src/cli/main.ts', name], { ...world.env, PORT: String(port) }, { ready, logFile })
    say('starting the API and a worker')
    const api = await start('serve', /listening on/)
    stops.push(() => api.stop())
    await untilReady(url)
    const client = openClient(url, 4)
    stops.push(client.close)
    const workers: Process[] = []
    stops.push(async () => void (await Promise.all(workers.map((worker) => worker.stop()))))
    const startWorker = async () => {
      const worker = await start('worker', /takes jobs/)
      workers.push(worker)
      return worker
    }
    let worker = await startWorker()

    const order = random.shuffle(
      Array.from({ length: kills }, (_, index) => (index % 2 === 0 ? 'webhook' : 'attribution')),
    )
    const takeovers: Takeover[] = []
    const sent: Shot[] = []
    for (let spoilt = 0; takeovers.length < order.length; ) {
      const queue = order[takeovers.length] as string
      say(`${takeovers.length + 1} of ${order.length}: a job of ${queue}`)
      const circumstances = { currency: 'USD', shopDomain: 'load.myshopify.com', startedAt: Date.now() - HOUR_MS }
      const delivery = makeDelivery('stripe', 'charge.succeeded', seed * 1_000_000 + sent.length, circumstances)
      const shot = aim(delivery, stormy.doors.stripe)
      sent.push(shot)
      const killed = await killInJob(
        { world, client, startWorker },
        { queue, shot, worker, waitMs: random.integer(0, 2_000) },
      )
      worker = killed.next
      if (killed.takeover !== null) takeovers.push(killed.takeover)
      else if (++spoilt > MAX_SPOILT) throw new Error('jobs failed by themselves before their worker could be killed')
    }

    say('delivering the same to another tenant, in peace')
    for (const { delivery } of sent) await deliver(client, aim(delivery, calm.doors.stripe))
    await untilDrained(world)
    const { effects, faults } = await compareEffects(world, [stormy, calm])
    const failures = [
      ...takeovers
        .filter(({ runningMs }) => runningMs > MAX_TAKEOVER_MS)
        .map(({ queue, runningMs }) => `a job of ${queue} ran again only after ${(runningMs / 1_000).toFixed(1)} s`),
      ...(effects === 0 ? ['nothing was entered'] : faults),
    ]
    return { seed, takeovers, effects, failures, tookMs: performance.now() - began }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

interface Kill {
  queue: string
  shot: Shot
  /** Takes the job, since there is no other. */
  worker: Process
  /** Between the moment at which another one stands by, and the kill. */
  waitMs: number
}

/** The worker that took the job over; no takeover where the job had ended before the kill. */
async function killInJob(
  { world, client, startWorker }: Scene,
  { queue, shot, worker, waitMs }: Kill,
): Promise<{ takeover: Takeover | null; next: Process }> {
  const release = await world.hold(`lock table ${HELD_BY[queue]} in exclusive mode`)
  let isHeld = true
  const letGo = async () => {
    if (isHeld) await release()
    isHeld = false
  }
  try {
    await deliver(client, shot)
    const job = await untilActive(world, queue)
    const next = await startWorker()
    await sleep(waitMs)
    const before = await findJob(world, job.id)
    process.kill(worker.pid, 'SIGKILL')
    const killedAt = performance.now()
    await worker.exited
    const isSpoilt = before?.state !== 'active' || before.attempt !== job.attempt
    const runningMs = await untilJob(
      world,
      job.id,
      ({ state, attempt }) => state === 'active' && attempt > job.attempt,
      killedAt,
    )
    await letGo()
    const doneMs = await untilJob(world, job.id, ({ state }) => state === 'completed', killedAt)
    return { takeover: isSpoilt ? null : { queue, runningMs, doneMs }, next }
  } finally {
    await letGo()
  }
}

interface JobRow {
  id: string
  state: string
  attempt: number
}

const JOB = 'select id, state::text, retry_count as attempt from pgboss.job'

async function findJob({ query }: LoadWorld, id: string): Promise<JobRow | undefined> {
  return (await query<JobRow>(`${JOB} where id = $1`, [id]))[0]
}

async function untilActive({ query }: LoadWorld, queue: string): Promise<JobRow> {
  const began = performance.now()
  for (;;) {
    const [job] = await query<JobRow>(`${JOB} where name = $1 and state = 'active'`, [queue])
    if (job !== undefined) return job
    if (performance.now() - began > GIVE_UP_MS) throw new Error(`no job of ${queue} is at work`)
    await sleep(10)
  }
}

/** Milliseconds since `since`. */
async function untilJob(world: LoadWorld, id: string, isSo: (job: JobRow) => boolean, since: number): Promise<number> {
  for (;;) {
    const job = await findJob(world, id)
    const passed = performance.now() - since
    if (job !== undefined && isSo(job)) return passed
    if (passed > GIVE_UP_MS)
      throw new Error(`job ${id} is ${job?.state}, attempt ${job?.attempt}, after ${GIVE_UP_MS / 1_000} s`)
    await sleep(10)
  }
}

async function deliver(client: Client, { name, door, sign }: Shot): Promise<void> {
  const { status, failure } = await client.send({ path: door.path, ...sign(new Date()) })
  if (status !== 200) throw new Error(`${name} was answered ${status ?? failure}`)
}
