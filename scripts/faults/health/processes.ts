import { appendFileSync } from 'node:fs'
import { repositoryRoot } from '../../../src/cli/local-state.ts'
import { type Running, startChild } from '../../../src/cli/supervise.ts'
import type { Environment } from '../../../src/config.ts'

/** `skeldir serve` or `skeldir worker`, and nobody starts it again. */
export interface Process extends Running {
  /** What it said that `ready` has captured. */
  told: string
}

/** Resolves when a line matches `ready`. Throws when the process ends before. */
export async function startProcess(
  args: readonly string[],
  env: Environment,
  { ready, logFile }: { ready: RegExp; logFile: string },
): Promise<Process> {
  let hear: (told: string) => void = () => {}
  const heard = new Promise<string>((resolve) => {
    hear = resolve
  })
  const running = await startChild({
    command: process.execPath,
    args,
    cwd: repositoryRoot,
    // Nothing else of the environment: it may name another database.
    env: {
      NODE_COMPILE_CACHE: `${logFile}.cache`,
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      SKELDIR_SUPERVISED: '1',
      LOG_LEVEL: 'warn',
      ...env,
    },
    onLine: (line) => {
      appendFileSync(logFile, `${line}\n`)
      const found = ready.exec(line)
      if (found !== null) hear(found[1] ?? found[0])
    },
  })
  const ended = running.exited.then(({ code, signal }) => {
    throw new Error(`${args.join(' ')} ended (${code ?? signal}); see ${logFile}`)
  })
  ended.catch(() => {})
  return { ...running, told: await Promise.race([heard, ended]) }
}

/** Holds up the event loop of a process that was started with `--inspect`. Resolves when it runs again. */
export function blockEventLoop(inspectorUrl: string, ms: number): Promise<void> {
  const expression = `{ const end = performance.now() + ${ms}; while (performance.now() < end); }`
  return inspect(inspectorUrl, 'Runtime.evaluate', { expression })
}

/** Has a process that was started with `--inspect` give back what it does not use any more. */
export function collectGarbage(inspectorUrl: string): Promise<void> {
  return inspect(inspectorUrl, 'HeapProfiler.collectGarbage')
}

async function inspect(inspectorUrl: string, method: string, params: object = {}): Promise<void> {
  const socket = new WebSocket(inspectorUrl)
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error('the inspector does not answer'))
  })
  const done = new Promise<void>((resolve) => {
    socket.onmessage = () => resolve()
  })
  socket.send(JSON.stringify({ id: 1, method, params }))
  await done
  socket.close()
}
