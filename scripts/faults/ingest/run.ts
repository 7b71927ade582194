import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, randomOf } from '../../../src/webhooks/simulator/random.ts'
import { type Client, openClient } from '../../load/client.ts'
import { type LoadProcesses, startProcesses, untilReady } from '../../load/processes.ts'
import { readStored } from '../../load/stored.ts'
import { aim } from '../../load/vendors.ts'
import { type LoadTenant, type LoadWorld, startWorld } from '../../load/world.ts'
import type { FaultOptions } from '../fault.ts'
import { inventMessages } from './messages.ts'
import type { Report } from './report.ts'
import { type Senders, startSenders } from './senders.ts'
import {
  type Comparison,
  compareDeliveries,
  compareEffects,
  compareJobs,
  compareTouchpoints,
  untilDrained,
} from './verify.ts'

const RATE_PER_S = 80
const CONNECTIONS = 100
/** Milliseconds of good running before the next blow, at random. */
const CALM_MS = [50, 1_500] as const

export type BreakOptions = Pick<FaultOptions, 'seed' | 'kills' | 'restarts' | 'say'> & {
  /** Where messages are sent, given where the API is; a test stands in between. Default: the API itself. */
  through?: (apiUrl: string) => Promise<string>
}

/** Breaks a platform under load, lets it come to rest, and compares. */
export async function breakIngestion({ seed, kills, restarts, say, through }: BreakOptions): Promise<Report> {
  const began = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-faults-'))
  const stops: (() => Promise<void> | void)[] = [() => rmSync(folder, { recursive: true, force: true })]
  try {
    const world = await startWorld({ tenants: 2, say })
    stops.push(world.stop)
    const tenants = world.tenants as unknown as readonly [LoadTenant, LoadTenant]
    say('starting the API and a worker')
    const logFile = join(folder, 'processes.log')
    const processes = await startProcesses(
      { ...world.env, LOG_LEVEL: 'warn' },
      { worker: true, logFile, isRestartedOften: kills > 10 },
    )
    stops.push(processes.stop)
    const client = openClient((await through?.(processes.url)) ?? processes.url, CONNECTIONS)
    stops.push(client.close)
    const senders = startSenders(client, inventMessages(tenants[0], seed), RATE_PER_S)
    const blows = await strike(
      { world, processes, senders, random: randomOf(`faults ingest blows ${seed}`) },
      { kills, restarts, say },
    )
    say('waiting for the senders')
    await senders.finish()
    say('delivering the same to another tenant, in peace')
    await deliverAgain(client, world, senders, tenants[1])
    say('waiting for the worker')
    await untilDrained(world)
    say('comparing')
    const { rows, faults } = await compare(world, senders, tenants)
    faults.push(...blows.faults)
    const { answers } = senders.ledger
    const unexpected = Object.entries(answers).filter(([answer]) => /^[45]/.test(answer) && answer !== '503')
    faults.push(...unexpected.map(([answer, count]) => `${count} answers were ${answer}`))
    if (unexpected.length > 0) faults.push(...readErrors(logFile))
    return { seed, ...blows, answers, rows, faults, tookMs: performance.now() - began }
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

/** What the processes said at level error, each once and how often: why a request was answered 500. */
function readErrors(logFile: string): string[] {
  const counts = new Map<string, number>()
  for (const line of readFileSync(logFile, 'utf8').split('\n')) {
    if (!line.includes('"level":50')) continue
    const { msg, operation, err } = JSON.parse(line.slice(line.indexOf('{')))
    const what = [operation, msg, err?.code, err?.message].filter((part) => part !== undefined).join(': ')
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return [...counts].map(([what, count]) => `the log says ${count} times: ${what}`)
}

interface Scene {
  world: LoadWorld
  processes: LoadProcesses
  senders: Senders
  random: Random
}

type Blows = Pick<Report, 'kills' | 'restarts' | 'faults'>

/** Kills the API and crashes Postgres, each time after some good running. */
async function strike(
  { world, processes, senders, random }: Scene,
  { kills, restarts, say }: Pick<BreakOptions, 'kills' | 'restarts' | 'say'>,
): Promise<Blows> {
  const done: Blows = { kills: [], restarts: [], faults: [] }
  const blows = random.shuffle([...Array<'kill'>(kills).fill('kill'), ...Array<'crash'>(restarts).fill('crash')])
  for (const [index, blow] of blows.entries()) {
    await sleep(random.integer(...CALM_MS))
    const struckAt = performance.now()
    if (blow === 'kill') {
      const pid = processes.apiPid()
      const starts = processes.apiStarts()
      if (pid === null) throw new Error('the API is not running')
      const openRequests = senders.open()
      process.kill(pid, 'SIGKILL')
      while (processes.apiStarts() === starts) await sleep(5)
      await untilReady(processes.url)
      done.kills.push({ openRequests, backMs: performance.now() - struckAt })
    } else {
      const starts = processes.apiStarts()
      await world.crashPostgres()
      await untilReady(processes.url)
      if (processes.apiStarts() !== starts) done.faults.push(`the API ended when Postgres crashed, blow ${index + 1}`)
      done.restarts.push({ backMs: performance.now() - struckAt })
    }
    if ((index + 1) % 10 === 0) say(`${index + 1} of ${blows.length} blows`)
  }
  return done
}

/** To a tenant that saw none of it, once and one after the other, whatever the first one has. */
async function deliverAgain(client: Client, world: LoadWorld, { ledger }: Senders, tenant: LoadTenant): Promise<void> {
  const deliveries = [...ledger.acknowledged.keys(), ...ledger.givenUp].flatMap(({ holds }) =>
    'shot' in holds ? [holds.shot] : [],
  )
  const stored = new Set(
    (
      await readStored(
        world,
        deliveries.map(({ sha256 }) => sha256),
      )
    ).map(({ sha256 }) => sha256),
  )
  for (const { delivery, name, sha256 } of deliveries) {
    if (!stored.has(sha256)) continue
    const { door, sign } = aim(delivery, tenant.doors[delivery.vendor])
    const { status, failure } = await client.send({ path: door.path, ...sign(new Date()) })
    if (status !== 200) throw new Error(`${name} was answered ${status ?? failure} in peace`)
  }
}

async function compare(world: LoadWorld, { ledger }: Senders, tenants: readonly [LoadTenant, LoadTenant]) {
  const deliveries = await compareDeliveries(world, ledger, tenants[0])
  const touchpoints = await compareTouchpoints(world, ledger)
  const { jobs, faults: jobFaults } = await compareJobs(world)
  const { effects, faults: effectFaults } = await compareEffects(world, tenants)
  const toRow = (what: string, { acknowledged, open, openButStored, faults }: Comparison) => ({
    what,
    sent: acknowledged + open,
    acknowledged,
    stored: acknowledged + openButStored - faults.filter((fault) => fault.startsWith('lost')).length,
    faults,
  })
  const same = (what: string, count: number, faults: string[]) => ({
    what,
    sent: count,
    acknowledged: count,
    stored: count - faults.length,
    faults,
  })
  const rows: Report['rows'] = [
    toRow('deliveries', deliveries),
    toRow('touchpoints', touchpoints),
    same('jobs of events', jobs, jobFaults),
    same('orders and ledger sums, beside a tenant in peace', effects, effectFaults),
  ]
  return { rows, faults: rows.flatMap(({ faults }) => faults) }
}
