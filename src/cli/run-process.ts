import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { readConfig } from './environment.ts'
import { listenForInterrupt } from './interrupt.ts'
import { exitWithParent } from './supervised.ts'

/** Milliseconds for what comes after the last request or job: saying good-bye to the database. */
const CLOSE_MS = 2_000

/** A process of the platform that has begun. */
export interface RunningProcess {
  /** What it says now: one line, or more. */
  line: string
  /** Takes nothing new, lets what has begun finish within `config.shutdown`, and closes what it holds. */
  stop(): Promise<void>
}

/**
 * Runs a process of the platform until SIGTERM, SIGINT or SIGHUP, or until its supervisor is gone, and then ends this
 * one: with status 0 when all was orderly, with 1 when it was not over in time or a second signal hurried it.
 */
export async function runProcess(start: (config: Config) => Promise<RunningProcess>): Promise<never> {
  const config = readConfig()
  // From the beginning: one that is told to stop while it starts has an orderly end too.
  const interrupt = listenForInterrupt()
  exitWithParent()
  const running = await start(config).catch((error: unknown) => {
    // What had been opened would keep the process alive. It ends once it has been said why.
    setImmediate(() => process.exit())
    throw error
  })
  console.error(running.line)
  await whenAborted(interrupt.stop)
  process.exit(await end(running, config.shutdown, interrupt.hurry))
}

/** The status to end with. */
export async function end(
  running: Pick<RunningProcess, 'stop'>,
  { delayMs, graceMs }: Config['shutdown'],
  hurry: AbortSignal,
): Promise<0 | 1> {
  const stopped = running.stop().then(
    () => null,
    (error: unknown) => `it did not stop as it should: ${error instanceof Error ? error.message : String(error)}`,
  )
  const limitMs = delayMs + graceMs + CLOSE_MS
  const late = sleep(limitMs, `it is not over after ${limitMs / 1000} s`, { ref: false })
  const hurried = whenAborted(hurry).then(() => 'told a second time, it does not wait any longer')
  const fault = await Promise.race([stopped, late, hurried])
  if (fault !== null) console.error(fault)
  return fault === null ? 0 : 1
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
