import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import type { ClientJob, ClientResult } from './http-client.ts'

const ROOT = join(import.meta.dirname, '../..')
const BUNDLES = join(ROOT, 'generated/bundles')
const PRISM = join(ROOT, 'node_modules/@stoplight/prism-cli/dist/index.js')

/** Of all mocks together. */
const GOALS = { readySeconds: 5, rssMegabytes: 400 }

const STARTS = 3
/** A start of the separate processes takes both cores for 10 s and more: after this many seconds there is no further one. */
const SECONDS_FOR_STARTS = 80
const LOAD_ROUNDS = 3
const LOAD_SECONDS = 2
const WARM_UP_SECONDS = 1
const START_LIMIT_MS = 60_000

const WORKLOADS = [
  {
    name: 'GET',
    domain: 'attribution',
    job: {
      method: 'GET' as const,
      target: '/api/attribution/channels?model=last_touch&start_date=2026-11-19&end_date=2026-11-20',
      headers: { authorization: 'Bearer bench' },
    },
  },
  {
    name: 'POST',
    domain: 'auth',
    job: {
      method: 'POST' as const,
      target: '/api/auth/login',
      body: JSON.stringify({ email: 'ada@northwind-outdoor.example', password: 'correct horse battery staple' }),
    },
  },
]

/** All mocks of one kind, running. */
interface Running {
  children: ChildProcess[]
  urls: Record<string, string>
  readySeconds: number
}

interface Contender {
  name: string
  start: () => Promise<Running>
  readySeconds: number[]
  /** After the start (the highest of all), and after load. */
  rssMegabytes: number
  rssLoadedMegabytes: number
  /** By workload. */
  perSecond: Record<string, number[]>
}

/**
 * Times the mocks of all documents until the last of them answers, adds up what they hold in memory, and loads one of them
 * with valid requests: our host, and a `prism mock` process for each document. Loopback only. Prints to stdout.
 */
export async function runMocksBench({ isJson }: { isJson: boolean }): Promise<number> {
  const contenders: Contender[] = [
    { name: 'npm run mocks', start: startHost, ...empty() },
    { name: 'prism mock, one by one', start: startSeparate, ...empty() },
  ]
  const open = new Map<Contender, Running>()
  const client = spawnPinned(1, [join(import.meta.dirname, 'http-client.ts')], ['ignore', 'ignore', 'inherit', 'ipc'])
  try {
    await measureStarts(contenders, open)
    await measureLoad(contenders, open, client)
    const [ours] = contenders as [Contender, Contender]
    const rssMegabytes = Math.max(ours.rssMegabytes, ours.rssLoadedMegabytes)
    const isMet = median(ours.readySeconds) <= GOALS.readySeconds && rssMegabytes <= GOALS.rssMegabytes
    const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', documents: documents().length }
    const rows = contenders.map(({ start: _, ...row }) => row)
    process.stdout.write(
      isJson ? `${JSON.stringify({ ...about, goals: GOALS, ok: isMet, rows })}\n` : print(contenders, isMet, about),
    )
    return isMet ? 0 : 1
  } finally {
    client.kill()
    await Promise.all([...open.values()].map(stop))
  }
}

function empty(): Omit<Contender, 'name' | 'start'> {
  return {
    readySeconds: [],
    rssMegabytes: 0,
    rssLoadedMegabytes: 0,
    perSecond: Object.fromEntries(WORKLOADS.map(({ name }) => [name, []])),
  }
}

/** By turns; those of the last turn stay. */
async function measureStarts(contenders: readonly Contender[], open: Map<Contender, Running>): Promise<void> {
  const startedAt = performance.now()
  for (let round = 1; round <= STARTS; round += 1) {
    for (const contender of contenders) {
      const before = open.get(contender)
      const isLate = (performance.now() - startedAt) / 1_000 > SECONDS_FOR_STARTS
      if (before !== undefined && isLate) continue
      if (before !== undefined) await stop(before)
      process.stderr.write(`start ${round} of ${STARTS}: ${contender.name}\n`)
      const running = await contender.start()
      open.set(contender, running)
      contender.readySeconds.push(running.readySeconds)
      contender.rssMegabytes = Math.max(contender.rssMegabytes, rssOf(running))
    }
  }
}

async function measureLoad(
  contenders: readonly Contender[],
  open: ReadonlyMap<Contender, Running>,
  client: ChildProcess,
): Promise<void> {
  for (let round = 0; round <= LOAD_ROUNDS; round += 1) {
    const isWarmUp = round === 0
    process.stderr.write(isWarmUp ? 'warming up\n' : `load ${round} of ${LOAD_ROUNDS}\n`)
    for (const { name, domain, job } of WORKLOADS) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const running = open.get(contender) as Running
        const { target, ...request } = job
        const url = `${running.urls[domain]}${target}`
        const result = await load(client, { ...request, url, seconds: isWarmUp ? WARM_UP_SECONDS : LOAD_SECONDS })
        if (result.bad > 0 || result.ok === 0)
          throw new Error(`${contender.name} answered ${result.bad} of ${name} wrongly, ${result.ok} well`)
        if (!isWarmUp) contender.perSecond[name]?.push(Math.round(result.perSecond))
        contender.rssLoadedMegabytes = Math.max(contender.rssLoadedMegabytes, rssOf(running))
      }
    }
  }
}

async function load(client: ChildProcess, job: ClientJob): Promise<ClientResult> {
  client.send(job)
  const [result] = (await once(client, 'message')) as [ClientResult]
  return result
}

function documents(): string[] {
  return readdirSync(BUNDLES).map((name) => name.slice(0, -'.json'.length))
}

/** Ours, on free ports and without following changes, as a CI would run them. */
async function startHost(): Promise<Running> {
  const startedAt = performance.now()
  const child = spawnPinned(
    0,
    [join(ROOT, 'mocks/main.ts'), '--ports', 'free', '--no-watch'],
    ['ignore', 'pipe', 'inherit'],
  )
  let out = ''
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('npm run mocks was not ready in time')), START_LIMIT_MS)
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk
      if (!/^ready: /m.test(out)) return
      clearTimeout(timer)
      resolve()
    })
    child.once('exit', (code) => reject(new Error(`npm run mocks ended with ${code}`)))
  })
  const readySeconds = (performance.now() - startedAt) / 1_000
  const urls = Object.fromEntries([...out.matchAll(/^([\w-]+) +(http:\S+)$/gm)].map(([, domain, url]) => [domain, url]))
  return { children: [child], urls, readySeconds }
}

/** All at once, each with the document that our host serves, and with logging off, which would cost them half their speed. */
async function startSeparate(): Promise<Running> {
  const ports = await freePorts(documents().length)
  const startedAt = performance.now()
  const children = documents().map((domain, i) =>
    spawnPinned(
      // Both cores to start on, as ours has both; the one that is loaded then shares a core with nobody.
      undefined,
      [PRISM, 'mock', '-h', '127.0.0.1', '-p', String(ports[i]), '-v', 'error', join(BUNDLES, `${domain}.json`)],
      ['ignore', 'ignore', 'inherit'],
    ),
  )
  await Promise.all(ports.map((port) => untilOpen(port)))
  const readySeconds = (performance.now() - startedAt) / 1_000
  const urls = Object.fromEntries(documents().map((domain, i) => [domain, `http://127.0.0.1:${ports[i]}`]))
  return { children, urls, readySeconds }
}

async function untilOpen(port: number): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    if (performance.now() > deadline) throw new Error(`prism mock was not ready on port ${port} in time`)
    await new Promise((wake) => setTimeout(wake, 20))
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return ports
}

const isPinnable = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

function spawnPinned(core: number | undefined, args: string[], stdio: ('ignore' | 'pipe' | 'inherit' | 'ipc')[]) {
  const command = [
    ...(isPinnable && core !== undefined ? ['taskset', '-c', String(core)] : []),
    process.execPath,
    ...args,
  ]
  const env = { ...process.env, NODE_ENV: 'development' }
  return spawn(command[0] as string, command.slice(1), { stdio, env })
}

/** Resident, in 10^6 bytes, of all processes. */
function rssOf({ children }: Running): number {
  const pids = children.map(({ pid }) => String(pid)).join(',')
  const kilobytes = execFileSync('ps', ['-o', 'rss=', '-p', pids], { encoding: 'utf8' }).trim().split(/\s+/)
  return Math.round((kilobytes.reduce((sum, text) => sum + Number(text), 0) * 1_024) / 1e6)
}

async function stop({ children }: Running): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }),
  )
}

function print(
  contenders: readonly Contender[],
  isMet: boolean,
  about: { node: string; cpu: string; documents: number },
): string {
  const columns = ['mocks', 'processes', 'ready s', 'RSS MB', 'loaded MB', 'GET/s', 'POST/s']
  const rows = contenders.map(({ name, readySeconds, rssMegabytes, rssLoadedMegabytes, perSecond }, i) => [
    name,
    i === 0 ? '1' : String(about.documents),
    `${median(readySeconds).toFixed(1)} (${readySeconds.length})`,
    String(rssMegabytes),
    String(rssLoadedMegabytes),
    ...WORKLOADS.map((workload) => String(median(perSecond[workload.name] ?? []))),
  ])
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)))
  const line = (row: string[]) =>
    row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  ')
  return [
    `Node ${about.node}, ${about.cpu}, ${about.documents} documents; medians, with the number of starts; 50 connections`,
    '',
    line(columns),
    ...rows.map(line),
    '',
    `${isMet ? 'goals met' : 'goals missed'}: ready in ${GOALS.readySeconds} s, at most ${GOALS.rssMegabytes} MB`,
    '',
  ].join('\n')
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
