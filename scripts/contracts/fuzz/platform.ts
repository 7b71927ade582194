// A platform of the fuzzer's own: an empty Postgres, migrated, with an API and a worker as separate processes.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { repositoryRoot } from '../../../src/cli/local-state.ts'
import { type Running, startChild } from '../../../src/cli/supervise.ts'
import { type Config, loadConfig } from '../../../src/config.ts'
import { bootstrapDatabase } from '../../../src/db/bootstrap.ts'
import { startEmbeddedPostgres } from '../../../src/db/embedded.ts'
import { migrate } from '../../../src/db/migrate.ts'
import { ToolError } from '../finding.ts'

const READY_TIMEOUT_MS = 60_000
const POLL_MS = 40
/** pino's number of the level `error`. */
const LEVEL_ERROR = 50
const KEPT_LINES = 40

export interface FuzzPlatform {
  url: string
  config: Readonly<Config>
  /** What the processes have logged at level error, newest last. */
  errors: readonly string[]
  stop(): Promise<void>
}

export interface PlatformOptions {
  signal: AbortSignal
  /** File with the certificate that PayPal endpoints in test mode take. */
  testCertificate: string
  /** Arguments of Node for the API. Default: the command that runs in production. */
  api?: readonly string[]
}

/** Resolves when API and worker answer. Throws ToolError; nothing is left running then. */
export async function startFuzzPlatform({ signal, api, testCertificate }: PlatformOptions): Promise<FuzzPlatform> {
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const stopOne of stops.splice(0).reverse()) await stopOne()
  }
  try {
    const postgres = await startEmbeddedPostgres({ settings: 'test', signal })
    stops.push(postgres.stop)
    const { databaseUrl, migrationDatabaseUrl } = await bootstrapDatabase({
      adminUrl: postgres.adminUrl,
      database: 'skeldir_fuzz',
      migratorPassword: randomBytes(18).toString('base64url'),
      runtimePassword: randomBytes(18).toString('base64url'),
    })
    await migrate({ databaseUrl: migrationDatabaseUrl })
    const env = {
      DATABASE_URL: databaseUrl,
      SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
      PORT: '0',
      LOG_LEVEL: 'warn',
      SKELDIR_PAYPAL_TEST_CERTIFICATES: testCertificate,
    }
    const errors: string[] = []
    const lines: string[] = []
    const start = async (args: readonly string[]): Promise<Running> => {
      const child = await startChild({
        command: process.execPath,
        args,
        cwd: repositoryRoot,
        env: { PATH: process.env.PATH, ...env, SKELDIR_SUPERVISED: '1' },
        onLine: (line) => {
          lines.push(line)
          if (lines.length > KEPT_LINES) lines.shift()
          if (isError(line)) errors.push(line)
        },
      })
      stops.push(() => child.stop())
      return child
    }
    const first = await start(api ?? ['src/cli/main.ts', 'serve'])
    const url = await becomesTrue('the API', first, lines, signal, async () => {
      return lines.map((line) => /listening on (http:\S+)$/.exec(line)?.[1]).find((found) => found !== undefined)
    })
    const second = await start(['src/cli/main.ts', 'worker'])
    await becomesTrue('the worker', second, lines, signal, async () => {
      const answer = await fetch(`${url}/health/worker`, { signal }).catch(() => null)
      await answer?.arrayBuffer()
      return answer?.status === 200 || undefined
    })
    return { url, config: loadConfig({ ...env, SKELDIR_PUBLIC_URL: url }), errors, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function isError(line: string): boolean {
  try {
    return ((JSON.parse(line) as { level?: number }).level ?? 0) >= LEVEL_ERROR
  } catch {
    return false
  }
}

async function becomesTrue<T>(
  name: string,
  child: Running,
  lines: readonly string[],
  signal: AbortSignal,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  let hasEnded = false
  void child.exited.then(() => {
    hasEnded = true
  })
  for (;;) {
    signal.throwIfAborted()
    const answer = await ask()
    if (answer !== undefined) return answer
    if (hasEnded) throw new ToolError(`${name} ended before it was ready:\n${lines.join('\n')}`)
    if (performance.now() > deadline) throw new ToolError(`${name} is not ready after ${READY_TIMEOUT_MS / 1000} s.`)
    await sleep(POLL_MS, undefined, { signal })
  }
}
