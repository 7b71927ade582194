import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { readCpuMs } from '../load/cpu.ts'
import { toTable } from '../load/table.ts'
import { type LoadTenant, type LoadWorld, startWorld } from '../load/world.ts'
import { median } from './auth-turns.ts'
import { receive } from './auth-world.ts'
import type { ClientJob, ClientResult, ClientStart } from './ingest-client.ts'
import type { Door, ServerMessage, Usage } from './ingest-server.ts'

/** Deliveries that are stored, in multiples of those that are only verified. */
const DURABLE = { aim: 0.4, must: 0.25 }
/** A flood of repeats, in multiples of deliveries that are all new. */
const FLOOD = { aim: 1.2, must: 0.8 }
/** Milliseconds until 99 of 100 are acknowledged, at full load. */
const AIM_P99_MS = 200

const ROUNDS = 5
const CONCURRENCY = 100
const REPEATED = 0.9
/** Requests of one measurement: two seconds' worth or so. */
const SECONDS = 2
const WARM_UP_REQUESTS = 1_000

type LoadName = 'ceiling' | 'durable' | 'flood'
const LOADS: readonly { name: LoadName; door: Door; repeated: number; about: string }[] = [
  { name: 'ceiling', door: 'ceiling', repeated: 0, about: 'verified, answered without the database' },
  { name: 'durable', door: 'durable', repeated: 0, about: 'all new: stored with their jobs' },
  { name: 'flood', door: 'durable', repeated: REPEATED, about: '9 of 10 sent before' },
]

interface Round {
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** Of a request, in microseconds. */
  serverMicros: number
  postgresMicros: number
  rssBytes: number
}

/** Prints what it costs to keep what a vendor sends, beside a server that only verifies it. */
export async function runIngestBench({ isJson }: { isJson: boolean }): Promise<number> {
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const world = await startWorld({ tenants: 1, say })
  const children: ChildProcess[] = []
  const isPinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
  const start = (core: number, file: string, env: NodeJS.ProcessEnv = {}): ChildProcess => {
    const path = join(import.meta.dirname, file)
    const command = [...(isPinned ? ['taskset', '-c', String(core)] : []), process.execPath, path]
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env },
    })
    children.push(child)
    return child
  }
  try {
    say('starting the server')
    const server = start(0, 'ingest-server.ts', { ...world.env, LOG_LEVEL: 'silent' })
    const { urls } = (await receive(server)) as Extract<ServerMessage, { urls: unknown }>
    const client = start(1, 'ingest-client.ts')
    client.send(toStart(world.tenants[0] as LoadTenant))
    const rounds = await measure({ world, server, client, urls }, say)
    const report = summarize(rounds)
    const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', pinned: isPinned, rounds: ROUNDS }
    process.stdout.write(isJson ? `${JSON.stringify({ ...about, ...report })}\n` : print(report, about))
    return report.isMet ? 0 : 1
  } finally {
    for (const child of children) child.kill()
    await world.stop()
  }
}

function toStart({ doors }: LoadTenant): ClientStart {
  const { privateKey, url } = doors.paypal.signing.certificate as { privateKey: KeyObject; url: string }
  const paypal = { ...doors.paypal, signing: { ...doors.paypal.signing, certificate: null } }
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  return { doors: { ...doors, paypal }, paypal: { key, url } }
}

interface Bench {
  world: LoadWorld
  server: ChildProcess
  client: ChildProcess
  urls: Record<Door, string>
}

async function measure(bench: Bench, say: (line: string) => void): Promise<Record<LoadName, Round[]>> {
  let seed = 1
  const rounds: Record<LoadName, Round[]> = { ceiling: [], durable: [], flood: [] }
  const rates: Record<LoadName, number> = { ceiling: 0, durable: 0, flood: 0 }
  const once = async ({ name, door, repeated }: (typeof LOADS)[number], count: number): Promise<Round> => {
    const round = await load(bench, { url: bench.urls[door], seed, count, repeated, concurrency: CONCURRENCY })
    seed += count
    rates[name] = round.perSecond
    return round
  }
  say('warming up')
  for (const each of LOADS) await once(each, WARM_UP_REQUESTS)
  for (let number = 1; number <= ROUNDS; number += 1) {
    say(`round ${number} of ${ROUNDS}`)
    // Alternating, so that a machine that slows down or speeds up meanwhile favours nobody.
    for (const each of number % 2 === 1 ? LOADS : LOADS.toReversed())
      rounds[each.name].push(await once(each, Math.ceil(rates[each.name] * SECONDS)))
  }
  return rounds
}

async function load({ world, server, client }: Bench, job: ClientJob): Promise<Round> {
  const { pid } = world.postgres()
  const before = { ...(await usage(server)), postgresMs: readCpuMs(pid) }
  client.send(job)
  const result = (await receive(client)) as ClientResult
  const after = { ...(await usage(server)), postgresMs: readCpuMs(pid) }
  if (result.ok !== job.count) throw new Error(`${JSON.stringify(result.bad)} of ${job.count} were not answered 200`)
  if (result.results.dead !== undefined) throw new Error(`${result.results.dead} good deliveries are dead`)
  return {
    perSecond: result.perSecond,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    serverMicros: (after.cpuMicros - before.cpuMicros) / job.count,
    postgresMicros: ((after.postgresMs - before.postgresMs) * 1000) / job.count,
    rssBytes: after.rssBytes,
  }
}

async function usage(server: ChildProcess): Promise<Usage> {
  server.send('usage')
  return (await receive(server)) as Usage
}

interface Goal {
  goal: string
  value: number
  limit: string
  isMust: boolean
  isMet: boolean
}

interface Summary {
  isMet: boolean
  goals: Goal[]
  loads: { name: LoadName; about: string; medians: Round; rssMegabytes: number }[]
}

function summarize(rounds: Record<LoadName, Round[]>): Summary {
  // Medians of the quotients within each round: what disturbs the machine for seconds disturbs both, and cancels.
  const over = (own: LoadName, base: LoadName) =>
    median(rounds[own].map(({ perSecond }, round) => perSecond / (rounds[base][round]?.perSecond ?? Number.NaN)))
  const atLeast = (goal: string, value: number, limit: number, isMust: boolean): Goal => ({
    goal,
    value,
    limit: `at least ${limit}`,
    isMust,
    isMet: value >= limit,
  })
  const [durable, flood] = [over('durable', 'ceiling'), over('flood', 'durable')]
  const p99 = median(rounds.durable.map(({ p99Ms }) => p99Ms))
  const goals = [
    atLeast('stored over only verified, deliveries a second', durable, DURABLE.must, true),
    atLeast('stored over only verified, deliveries a second', durable, DURABLE.aim, false),
    atLeast('a flood of repeats over all new ones, deliveries a second', flood, FLOOD.must, true),
    atLeast('a flood of repeats over all new ones, deliveries a second', flood, FLOOD.aim, false),
    {
      goal: 'p99 acknowledgement at full load, ms',
      value: p99,
      limit: `at most ${AIM_P99_MS}`,
      isMust: false,
      isMet: p99 <= AIM_P99_MS,
    },
  ]
  const loads = LOADS.map(({ name, about }) => {
    const of = (field: keyof Round) => median(rounds[name].map((round) => round[field]))
    const medians = {
      perSecond: of('perSecond'),
      p50Ms: of('p50Ms'),
      p99Ms: of('p99Ms'),
      serverMicros: of('serverMicros'),
      postgresMicros: of('postgresMicros'),
      rssBytes: of('rssBytes'),
    }
    return {
      name,
      about,
      medians,
      rssMegabytes: Math.round(Math.max(...rounds[name].map(({ rssBytes }) => rssBytes)) / 1e6),
    }
  })
  return { isMet: goals.every(({ isMet, isMust }) => isMet || !isMust), goals, loads }
}

function print(
  { goals, loads, isMet }: Summary,
  about: { node: string; cpu: string; pinned: boolean; rounds: number },
): string {
  const table = toTable(
    ['deliveries', 'what is done', 'a second', 'p50 ms', 'p99 ms', 'server CPU us', 'Postgres CPU us', 'RSS MB'],
    loads.map(({ name, about: what, medians, rssMegabytes }) => [
      name,
      what,
      medians.perSecond.toFixed(0),
      medians.p50Ms.toFixed(1),
      medians.p99Ms.toFixed(1),
      medians.serverMicros.toFixed(0),
      medians.postgresMicros.toFixed(0),
      String(rssMegabytes),
    ]),
    2,
  )
  return [
    `Node ${about.node}, ${about.cpu}, ${about.pinned ? 'server and load pinned to a core each' : 'not pinned'}; median of ${about.rounds} rounds, ${CONCURRENCY} at once`,
    '',
    ...table,
    '',
    ...goals.map(
      ({ goal, value, limit, isMust, isMet: ok }) =>
        `${ok ? 'met   ' : 'MISSED'}  ${isMust ? 'must' : 'aim '}  ${goal}: ${value.toFixed(value < 10 ? 3 : 0)} (${limit})`,
    ),
    isMet ? 'verdict: everything that must hold does' : 'verdict: something that must hold does not',
    '',
  ].join('\n')
}
