import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { ClientJob, ClientResult } from './http-client.ts'
import { requests, type Workload } from './http-document.ts'
import type { ServerMessage, Variant } from './http-server.ts'

/** CPU per request of a validated operation, in multiples of bare Express without any validation. */
const GOAL_RATIO = 2
/** CPU per request with a thousand operations, in multiples of the same with the slice's. */
const GOAL_GROWTH = 1.15

/** The measured pair joins the real contract's operations; 493 pairs bring it to 1,000. */
const SLICE_PAIRS = 1
const MANY_PAIRS = 493

/** Ours and bare Express decide the verdict; the others are far enough away for two. */
const ROUNDS = 8
const ROUNDS_OF_OTHERS = 2
const ROUND_SECONDS = 1
const WARM_UP_SECONDS = 1

const WORKLOADS = ['live', 'get', 'post'] as const

interface Contender {
  variant: Variant
  pairs: number
  workloads: readonly Workload[]
}

const contenders: readonly Contender[] = [
  { variant: 'bare', pairs: SLICE_PAIRS, workloads: ['live', 'get', 'post'] },
  { variant: 'skeldir', pairs: SLICE_PAIRS, workloads: ['live', 'get', 'post'] },
  { variant: 'skeldir', pairs: MANY_PAIRS, workloads: ['live', 'get', 'post'] },
  { variant: 'openapi-backend', pairs: SLICE_PAIRS, workloads: ['get', 'post'] },
  { variant: 'openapi-backend', pairs: MANY_PAIRS, workloads: ['get', 'post'] },
  { variant: 'express-openapi-validator', pairs: SLICE_PAIRS, workloads: ['get', 'post'] },
  { variant: 'express-openapi-validator', pairs: MANY_PAIRS, workloads: ['get', 'post'] },
]

interface RunningServer extends Contender {
  child: ChildProcess
  port: number
  operations: number
  bootMs: number
}

interface Cell {
  workload: Workload
  variant: Variant
  operations: number
  /** Medians over the rounds. */
  cpuMicros: number
  perSecond: number
  p99Ms: number
  /** CPU time in multiples of bare Express on the same workload. */
  ratio: number
  cpuMicrosByRound: number[]
  rssMegabytes: number
  bootMs: number
}

/**
 * Measures the CPU time that each server process spends per request (`process.cpuUsage`, so garbage collection and kernel
 * time count), all in one run, in alternating order, the median of several rounds. Loopback only. Prints to stdout, progress to stderr.
 */
export async function runHttpBench({ isJson }: { isJson: boolean }): Promise<number> {
  const isPinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
  const children: ChildProcess[] = []
  const start = (core: number, file: string, args: string[]): ChildProcess => {
    const path = fileURLToPath(new URL(file, import.meta.url))
    const command = [...(isPinned ? ['taskset', '-c', String(core)] : []), process.execPath, path, ...args]
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production' },
    })
    children.push(child)
    return child
  }
  try {
    const client = start(1, './http-client.ts', [])
    const servers: RunningServer[] = []
    for (const contender of contenders) {
      process.stderr.write(`starting ${contender.variant}, ${contender.pairs} generated pairs\n`)
      const child = start(0, './http-server.ts', [contender.variant, String(contender.pairs)])
      const ready = (await receive(child)) as { port: number; operations: number; bootMs: number }
      servers.push({ ...contender, child, ...ready })
    }
    const cells = await measure(servers, client)
    const verdict = judge(cells)
    const about = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', pinned: isPinned, rounds: ROUNDS }
    process.stdout.write(
      isJson
        ? `${JSON.stringify({ ...about, goals: verdict.goals, ok: verdict.isMet, cells })}\n`
        : print(cells, verdict, about),
    )
    return verdict.isMet ? 0 : 1
  } finally {
    for (const child of children) child.kill()
  }
}

async function measure(servers: readonly RunningServer[], client: ChildProcess): Promise<Cell[]> {
  // By workload, so that what is compared is measured within seconds.
  const tasks = WORKLOADS.flatMap((workload) =>
    servers
      .filter((server) => server.workloads.includes(workload))
      .map((server) => ({ server, workload, rounds: [] as Round[] })),
  )
  for (const { server, workload } of tasks) {
    process.stderr.write(`warming up ${server.variant} ${server.operations} ${workload}\n`)
    await load(server, client, workload, WARM_UP_SECONDS)
  }
  for (let round = 1; round <= ROUNDS; round++) {
    process.stderr.write(`round ${round} of ${ROUNDS}\n`)
    // Alternating, so that a machine that slows down or speeds up meanwhile favours nobody.
    for (const task of round % 2 === 1 ? tasks : tasks.toReversed()) {
      const isOurs = task.server.variant === 'bare' || task.server.variant === 'skeldir'
      if (!isOurs && round > ROUNDS_OF_OTHERS) continue
      task.rounds.push(await load(task.server, client, task.workload, ROUND_SECONDS))
    }
  }
  const cells = tasks.map(({ server, workload, rounds }) => ({
    workload,
    variant: server.variant,
    operations: server.operations,
    cpuMicros: median(rounds.map((round) => round.cpuMicros)),
    perSecond: Math.round(median(rounds.map((round) => round.perSecond))),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    ratio: Number.NaN,
    cpuMicrosByRound: rounds.map((round) => Number(round.cpuMicros.toFixed(2))),
    rssMegabytes: Math.round(Math.max(...rounds.map((round) => round.rssBytes)) / 1e6),
    bootMs: server.bootMs,
  }))
  for (const cell of cells) {
    const bare = cells.find(({ workload, variant }) => workload === cell.workload && variant === 'bare')
    if (bare !== undefined) cell.ratio = overRounds(cell, bare)
  }
  return cells
}

interface Round {
  cpuMicros: number
  perSecond: number
  p99Ms: number
  rssBytes: number
}

async function load(server: RunningServer, client: ChildProcess, workload: Workload, seconds: number): Promise<Round> {
  const { path, ...request } = requests[workload]
  const before = await usage(server.child)
  client.send({ url: `http://127.0.0.1:${server.port}${path}`, ...request, seconds } satisfies ClientJob)
  const result = (await receive(client)) as ClientResult
  const after = await usage(server.child)
  if (result.bad > 0 || result.ok === 0) {
    throw new Error(
      `${server.variant} (${server.operations} operations) answered ${result.bad} of ${workload} wrongly, ${result.ok} well`,
    )
  }
  return {
    cpuMicros: (after.cpuMicros - before.cpuMicros) / result.ok,
    perSecond: result.perSecond,
    p99Ms: result.p99Ms,
    rssBytes: after.rssBytes,
  }
}

async function usage(child: ChildProcess): Promise<{ cpuMicros: number; rssBytes: number }> {
  child.send('usage')
  return (await receive(child)) as { cpuMicros: number; rssBytes: number }
}

async function receive(child: ChildProcess): Promise<ServerMessage | ClientResult> {
  const ended = new AbortController()
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([message]) => message),
      once(child, 'exit', { signal: ended.signal }).then(([code]) => {
        throw new Error(`a process of the bench ended with status ${code}`)
      }),
    ])
  } finally {
    ended.abort()
  }
}

/** Median of the quotients within each round: what disturbs the machine for seconds disturbs both, and cancels. */
function overRounds(cell: Cell, base: Cell): number {
  return median(cell.cpuMicrosByRound.map((micros, round) => micros / (base.cpuMicrosByRound[round] ?? Number.NaN)))
}

interface Verdict {
  isMet: boolean
  goals: { goal: string; value: number; limit: number; isMet: boolean }[]
}

function judge(cells: readonly Cell[]): Verdict {
  const goals: Verdict['goals'] = []
  for (const workload of WORKLOADS) {
    const [slice, many] = cells.filter((cell) => cell.workload === workload && cell.variant === 'skeldir')
    if (slice === undefined || many === undefined) throw new Error(`${workload} was not measured`)
    const growth = overRounds(many, slice)
    goals.push({
      goal: `${workload}: CPU per request over bare Express`,
      value: slice.ratio,
      limit: GOAL_RATIO,
      isMet: slice.ratio <= GOAL_RATIO,
    })
    goals.push({
      goal: `${workload}: ${many.operations} operations over ${slice.operations}`,
      value: growth,
      limit: GOAL_GROWTH,
      isMet: growth <= GOAL_GROWTH,
    })
  }
  return { isMet: goals.every(({ isMet }) => isMet), goals }
}

function print(
  cells: readonly Cell[],
  { isMet, goals }: Verdict,
  about: { node: string; cpu: string; pinned: boolean },
): string {
  const columns = [
    'workload',
    'server',
    'operations',
    'CPU us/request',
    'x bare',
    'requests/s',
    'p99 ms',
    'RSS MB',
    'boot ms',
  ]
  const rows = cells.map((cell) => [
    cell.workload,
    cell.variant === 'bare' ? 'express, no validation' : cell.variant,
    cell.variant === 'bare' ? '-' : String(cell.operations),
    cell.cpuMicros.toFixed(1),
    cell.ratio.toFixed(2),
    String(cell.perSecond),
    String(cell.p99Ms),
    String(cell.rssMegabytes),
    String(cell.bootMs),
  ])
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)))
  const line = (row: string[]) =>
    row
      .map((text, index) => (index < 2 ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0)))
      .join('  ')
  return [
    `Node ${about.node}, ${about.cpu}, ${about.pinned ? 'server and client pinned to a core each' : 'not pinned'}; request and response validated except where said`,
    '',
    line(columns),
    ...rows.map(line),
    '',
    ...goals.map(
      ({ goal, value, limit, isMet: ok }) =>
        `${ok ? 'met   ' : 'MISSED'}  ${goal}: ${value.toFixed(2)} (goal: at most ${limit})`,
    ),
    isMet ? 'verdict: every goal is met' : 'verdict: a goal is missed',
    '',
  ].join('\n')
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
