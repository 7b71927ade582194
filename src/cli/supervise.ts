import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleepFor } from 'node:timers/promises'

/** How long a child may take to end after SIGTERM. */
const GRACE_MS = 10_000

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A process that was started: a child, or the database. */
export interface Running {
  pid: number
  /** However it ends. */
  exited: Promise<Exit>
  /** Resolves when it has ended. `hurry` shortens the wait for an orderly end to nothing. */
  stop(hurry?: AbortSignal): Promise<void>
}

export interface KeepOptions {
  /** Stands at the beginning of each line: `worker`. */
  name: string
  start(signal: AbortSignal): Promise<Running>
  say: (line: string) => void
  /** Called with null when it has ended, and with the new one when it is back. */
  onChange?: (running: Running | null) => void
  /** Milliseconds. The first delay is doubled up to the last, and starts over after `resetAfter` of good running. */
  delays?: { first: number; last: number; resetAfter: number }
  now?: () => number
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface Kept {
  current(): Running | null
  /** Ends it, and does not start it again. */
  stop(hurry?: AbortSignal): Promise<void>
}

const DELAYS = { first: 3_000, last: 60_000, resetAfter: 60_000 }

/**
 * Starts a process and starts it again whenever it ends. Rejects when the first start fails: only what has once run is
 * worth repeating.
 */
export async function keepRunning(options: KeepOptions): Promise<Kept> {
  const { name, say, delays = DELAYS, now = () => performance.now() } = options
  const sleep = options.sleep ?? ((ms, signal) => sleepFor(ms, undefined, { signal }))
  const stopping = new AbortController()
  let current: Running | null = await options.start(stopping.signal)
  options.onChange?.(current)

  const change = (running: Running | null) => {
    current = running
    options.onChange?.(running)
  }

  async function watch(first: Running): Promise<void> {
    let running = first
    let delay = delays.first
    for (;;) {
      const began = now()
      const exit = await running.exited
      if (stopping.signal.aborted) return
      change(null)
      if (now() - began >= delays.resetAfter) delay = delays.first
      let reason = describeExit(exit)
      for (;;) {
        say(`${name} ${reason}; it is started again in ${delay / 1000} s`)
        await sleep(delay, stopping.signal)
        delay = Math.min(delay * 2, delays.last)
        try {
          running = await options.start(stopping.signal)
          break
        } catch (error) {
          if (stopping.signal.aborted) return
          reason = `did not start (${(error as Error).message})`
        }
      }
      change(running)
      if (stopping.signal.aborted) return
      say(`${name} is back (process ${running.pid})`)
    }
  }

  const watching = watch(current).catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error
  })
  return {
    current: () => current,
    async stop(hurry) {
      stopping.abort()
      await current?.stop(hurry)
      await watching
      // A start that was under way when the order came has just succeeded.
      await current?.stop(hurry)
    },
  }
}

function describeExit({ code, signal }: Exit): string {
  return signal === null ? `ended with status ${code}` : `was ended by ${signal}`
}

export interface ChildOptions {
  command: string
  args: readonly string[]
  cwd: string
  env: NodeJS.ProcessEnv
  /** Receives each line of both streams. */
  onLine: (line: string, stream: 'stdout' | 'stderr') => void
  graceMs?: number
}

/** Starts a child whose stdin is the pipe that tells it of our end (see supervised.ts). */
export async function startChild(options: ChildOptions): Promise<Running> {
  const { command, args, cwd, env, onLine, graceMs = GRACE_MS } = options
  // A session of its own: Ctrl-C in the terminal goes to us alone, and we decide who stops when.
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  const exited = new Promise<Exit>((done) => {
    child.once('close', (code, signal) => done({ code, signal }))
  })
  child.stdin.on('error', () => {})
  for (const stream of ['stdout', 'stderr'] as const)
    createInterface({ input: child[stream] }).on('line', (line) => onLine(line, stream))
  await new Promise<void>((done, fail) => child.once('spawn', done).once('error', fail))
  return { pid: child.pid as number, exited, stop: (hurry) => stopChild(child, exited, graceMs, hurry) }
}

async function stopChild(
  child: ChildProcess,
  exited: Promise<Exit>,
  graceMs: number,
  hurry?: AbortSignal,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const waiting = new AbortController()
  const signal = hurry === undefined ? waiting.signal : AbortSignal.any([waiting.signal, hurry])
  const kill = sleepFor(graceMs, undefined, { signal })
    .catch(() => {})
    .then(() => {
      if (!waiting.signal.aborted) child.kill('SIGKILL')
    })
  await exited
  waiting.abort()
  await kill
}
