import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { repositoryRoot } from '../../src/cli/local-state.ts'
import { type Kept, keepRunning, startChild } from '../../src/cli/supervise.ts'
import type { Environment } from '../../src/config.ts'
import { findFreePort } from '../../src/db/embedded.ts'

/** Milliseconds until what has ended is started again. */
const RESTART = { first: 50, last: 50, resetAfter: 0 }
const READY_DEADLINE_MS = 30_000

export interface LoadProcesses {
  url: string
  /** Pid of the API process that runs now; null while there is none. */
  apiPid: () => number | null
  /** How often the API was started. */
  apiStarts: () => number
  stop: () => Promise<void>
}

/**
 * The API, and with `worker` a worker, as `skeldir serve` and `skeldir worker` run them, started again whenever they end.
 * What they print goes to `logFile`. Resolves when the API is ready. With `isRestartedOften` the code is compiled once
 * beforehand, which halves the time of each start.
 */
export async function startProcesses(
  env: Environment,
  { worker, logFile, isRestartedOften = false }: { worker: boolean; logFile: string; isRestartedOften?: boolean },
): Promise<LoadProcesses> {
  const port = await findFreePort()
  const url = `http://127.0.0.1:${port}`
  let starts = 0
  const start = (name: 'serve' | 'worker') =>
    startChild({
      command: process.execPath,
      args: ['src/cli/main.ts', name],
      cwd: repositoryRoot,
      // Nothing else of the environment: it may name another database.
      env: {
        NODE_COMPILE_CACHE: `${logFile}.cache`,
        PATH: process.env.PATH,
        NODE_ENV: 'production',
        PORT: String(port),
        SKELDIR_SUPERVISED: '1',
        ...env,
      },
      onLine: (line) => appendFileSync(logFile, `${line}\n`),
    })
  const keep = (name: 'serve' | 'worker', onChange: (pid: number | null) => void = () => {}): Promise<Kept> =>
    keepRunning({
      name,
      delays: RESTART,
      say: (line) => appendFileSync(logFile, `${line}\n`),
      onChange: (running) => onChange(running?.pid ?? null),
      start: () => start(name),
    })
  if (isRestartedOften) {
    // Node writes what it has compiled when a process ends in peace.
    const first = await start('serve')
    await untilReady(url).finally(() => first.stop())
  }
  let apiPid: number | null = null
  const kept: Kept[] = []
  const stop = async () => void (await Promise.all(kept.map((child) => child.stop())))
  try {
    const onChange = (pid: number | null) => {
      apiPid = pid
      if (pid !== null) starts += 1
    }
    kept.push(await keep('serve', onChange))
    if (worker) kept.push(await keep('worker'))
    await untilReady(url)
  } catch (error) {
    await stop()
    throw error
  }
  return { url, apiPid: () => apiPid, apiStarts: () => starts, stop }
}

/** Resolves when the API says that it is ready. Throws after half a minute. */
export async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const status = await fetch(`${url}/health/ready`).then(
      async (answer) => {
        await answer.arrayBuffer()
        return answer.status
      },
      () => 0,
    )
    if (status === 200) return
    if (performance.now() > deadline)
      throw new Error(`the API is not ready after ${READY_DEADLINE_MS / 1000} s (${status})`)
    await sleep(20)
  }
}
