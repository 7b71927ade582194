import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from './child-environment.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface Apart {
  pid: number
  /** Standard output and standard error. */
  output: () => string
  /** What `ready` has captured. */
  told: string
  /** SIGTERM; resolves with the status that it ends with, or null when a signal ended it. */
  stop: () => Promise<number | null>
  /** Ends it at once, and resolves when it is gone. */
  kill: () => Promise<void>
  signal: (signal: NodeJS.Signals) => void
  /** However it ends. */
  ended: Promise<number | null>
}

export interface ApartOptions {
  cwd?: string
  env?: Record<string, string>
}

/** A process of the platform as an operator starts it, in any folder. Resolves when the output matches `ready`. */
export async function startApart(args: readonly string[], ready: RegExp, options: ApartOptions = {}): Promise<Apart> {
  const child = spawn(process.execPath, args, {
    cwd: options.cwd ?? root,
    // Its stdin is ours: should this process be killed, it goes too.
    env: { ...childEnvironment(), SKELDIR_SUPERVISED: '1', LOG_LEVEL: 'warn', ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit').then(([status]) => status as number | null)
  let seen = ''
  const told = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: string) => {
      seen += chunk
      const found = ready.exec(seen)
      if (found !== null) resolve(found[1] ?? found[0])
    }
    child.stdout.setEncoding('utf8').on('data', listen)
    child.stderr.setEncoding('utf8').on('data', listen)
    void ended.then((status) => reject(new Error(`${args.join(' ')} ended with ${status}: ${seen}`)))
  })
  return {
    pid: child.pid as number,
    output: () => seen,
    told,
    ended,
    signal: (signal) => void child.kill(signal),
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs a command to its end. */
export async function run(args: readonly string[], { cwd = root, env }: ApartOptions = {}) {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...childEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stdout, stderr }
}
