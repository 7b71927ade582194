import { once } from 'node:events'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../db/embedded.ts'
import {
  type Connections,
  clearRunState,
  type LocalState,
  openLocalState,
  type RunState,
  readRunState,
  readSecrets,
  repositoryRoot,
  type Secrets,
  takeStartLock,
  writeConnections,
  writeRunState,
} from './local-state.ts'
import { formatLogLine, formatOwnLine } from './log-lines.ts'
import { type KeepOptions, type Kept, keepRunning, type Running, startChild } from './supervise.ts'

const DEFAULT_PORT = 8000
/** How many ports after the default are tried when that is taken. */
const PORT_ATTEMPTS = 100
const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 40
/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm. A second one of the user comes later. */
const SAME_INTERRUPT_MS = 1_000

const HELP = `Runs Skeldir: database, API and worker, each started again when it ends.

  npm start [-- options]        or: npx skeldir start [options]

  --port <number>   the API's port (default 8000, the next free one when that is taken)
  --verbose         show what the API and the worker log, not only warnings
  --help            this text

Without DATABASE_URL a PostgreSQL from the packages runs, its data in .skeldir/ (or the folder SKELDIR_HOME names).
With DATABASE_URL and MIGRATION_DATABASE_URL your own server is used and migrated.
`

/** A sentence for the user; the command ends with status 1. */
export class StartError extends Error {
  override name = 'StartError'
}

export interface PlatformOptions {
  /** Exactly this port; 0 for any free one. Default: PORT, else 8000 or the next free one. */
  port?: number
  verbose?: boolean
  /** Receives what the supervisor has to say, and the children's lines, ready to print. Default: stderr. */
  say?: (line: string) => void
  /** Gives up the start. */
  signal?: AbortSignal
  env?: NodeJS.ProcessEnv
  /** Arguments of Node for each child; tests pass scripts of their own. */
  commands?: { api: readonly string[]; worker: readonly string[] }
  /** How soon what has ended is started again; default 3 s, doubling. */
  restartDelays?: KeepOptions['delays']
  /** Bootstraps (embedded only) and migrates the database; tests pass their own. */
  prepareDatabase?: (target: PrepareTarget) => Promise<Connections>
}

export interface Platform {
  urls: { api: string; docs: string; health: string }
  /** As they are now: a child that was started again has another pid, and one that is down has none. */
  readonly pids: { supervisor: number; api: number | null; worker: number | null; postgres: number | null }
  /** Null when DATABASE_URL names the server. */
  postgres: EmbeddedPostgres | null
  databaseUrl: string
  migrationDatabaseUrl: string
  /** API and worker first, the database last. Can be called again. */
  stop(hurry?: AbortSignal): Promise<void>
}

type PrepareTarget =
  | { kind: 'embedded'; adminUrl: string; secrets: Secrets; log: (line: string) => void }
  | { kind: 'external'; connections: Connections; log: (line: string) => void }

/**
 * Starts everything and returns when the API is ready to answer. Throws StartError when it runs already, when the
 * settings do not fit, or when a part does not come up; nothing is left running then.
 */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const env = options.env ?? process.env
  const state = openLocalState(env)
  const say = options.say ?? ((line: string) => void process.stderr.write(`${line}\n`))
  const external = readExternalDatabase(env)
  const release = takeStartLock(state)
  if (release === null) throw new StartError(describeRunning(state))

  const stops: ((hurry?: AbortSignal) => Promise<void>)[] = []
  let stopped: Promise<void> | undefined
  const stop = (hurry?: AbortSignal) => {
    stopped ??= (async () => {
      // The last one started, the worker and the API, stop before the database that they use.
      for (const stopOne of stops.reverse()) await stopOne(hurry)
      clearRunState(state)
      release()
    })()
    return stopped
  }
  try {
    return await startParts({ ...options, env }, { state, external, stops, stop, say })
  } catch (error) {
    await stop()
    throw error
  }
}

interface Assembly {
  state: LocalState
  external: Connections | null
  stops: ((hurry?: AbortSignal) => Promise<void>)[]
  stop: Platform['stop']
  say: (line: string) => void
}

async function startParts(
  options: PlatformOptions & { env: NodeJS.ProcessEnv },
  assembly: Assembly,
): Promise<Platform> {
  const { state, external, stops, stop, say } = assembly
  const { env, signal, verbose = false } = options
  const delays = options.restartDelays === undefined ? {} : { delays: options.restartDelays }
  const note = (line: string) => say(formatOwnLine(line))
  const secrets = readSecrets(state)
  const host = env.HOST || '127.0.0.1'
  const prepare = options.prepareDatabase ?? prepareDatabase
  const port = await choosePort(host, options.port ?? readPort(env), note)
  const api = `http://${toCallable(host)}:${port}`
  const urls = { api, docs: `${api}/docs`, health: `${api}/health/ready` }

  const run: Omit<RunState, 'start_ticks'> = {
    version: packageJson.version,
    pid: process.pid,
    started_at: new Date().toISOString(),
    api: { pid: null, url: urls.api },
    worker: { pid: null },
    postgres: null,
    mocks: null,
    docs_url: urls.docs,
    health_url: urls.health,
  }
  let isUp = false
  const publish = () => {
    if (!isUp) return
    try {
      writeRunState(state, run)
    } catch (error) {
      // A full disk must not stop what runs.
      note(`run.json could not be written: ${(error as Error).message}`)
    }
  }

  let postgres: EmbeddedPostgres | null = null
  let connections: Connections
  const log = verbose ? note : () => {}
  if (external === null) {
    const database = await keepPostgres({ state, note, signal, ...delays }, (server) => {
      run.postgres = { pid: server?.pid ?? null, port: server?.port ?? run.postgres?.port ?? 0 }
      publish()
    })
    stops.push(database.kept.stop)
    postgres = database.first
    connections = await prepare({ kind: 'embedded', adminUrl: postgres.adminUrl, secrets, log })
  } else {
    connections = await prepare({ kind: 'external', connections: external, log })
  }
  signal?.throwIfAborted()

  const childEnv = toChildEnvironment(env, { connections, secrets, host, port, verbose })
  const commands = options.commands ?? { api: ['src/cli/main.ts', 'serve'], worker: ['src/cli/main.ts', 'worker'] }
  const keep = (name: 'api' | 'worker') =>
    keepRunning({
      name,
      ...delays,
      // Before the first answer the end of the API is the end of the start.
      say: (line) => (isUp || name !== 'api') && note(line),
      start: () =>
        startChild({
          command: process.execPath,
          args: commands[name],
          cwd: repositoryRoot,
          env: childEnv,
          onLine: (line) => say(formatLogLine(name, line, process.stderr.isTTY === true)),
        }),
      onChange: (running) => {
        run[name].pid = running?.pid ?? null
        publish()
      },
    })
  const children: Kept[] = []
  stops.push(async (hurry) => void (await Promise.all(children.map((child) => child.stop(hurry)))))
  for (const name of ['api', 'worker'] as const) children.push(await keep(name))
  await becomesReady(urls.health, children[0]?.current() ?? null, signal)

  isUp = true
  publish()
  writeConnections(state, connections)
  return {
    urls,
    get pids() {
      return { supervisor: process.pid, api: run.api.pid, worker: run.worker.pid, postgres: run.postgres?.pid ?? null }
    },
    postgres,
    ...connections,
    stop,
  }
}

/** Either both URLs of one's own server, or none. */
function readExternalDatabase(env: NodeJS.ProcessEnv): Connections | null {
  const databaseUrl = env.DATABASE_URL || undefined
  const migrationDatabaseUrl = env.MIGRATION_DATABASE_URL || undefined
  if (databaseUrl !== undefined && migrationDatabaseUrl !== undefined) return { databaseUrl, migrationDatabaseUrl }
  if (databaseUrl === undefined && migrationDatabaseUrl === undefined) return null
  const [set, missing] =
    databaseUrl === undefined ? ['MIGRATION_DATABASE_URL', 'DATABASE_URL'] : ['DATABASE_URL', 'MIGRATION_DATABASE_URL']
  throw new StartError(
    `${set} is set but ${missing} is not. DATABASE_URL connects as app_user, MIGRATION_DATABASE_URL as skeldir_migrator: set both for your own server, or none for the embedded one.`,
  )
}

function describeRunning(state: LocalState): string {
  const run = readRunState(state)
  return run === null
    ? `Skeldir is being started or stopped by another process (see ${state.folder}/start.lock).`
    : `Skeldir is already running: ${run.api.url} (process ${run.pid}). Stop it with Ctrl-C there, or: kill ${run.pid}`
}

interface PostgresSettings {
  state: LocalState
  note: (line: string) => void
  signal: AbortSignal | undefined
  delays?: KeepOptions['delays']
}

/** Started again on the same port and data, so that the children's connections find it. */
async function keepPostgres(
  { state, note, signal, delays }: PostgresSettings,
  onChange: (server: EmbeddedPostgres | null) => void,
): Promise<{ first: EmbeddedPostgres; kept: Kept }> {
  let latest: EmbeddedPostgres | undefined
  let first: EmbeddedPostgres | undefined
  const kept = await keepRunning({
    name: 'postgres',
    say: note,
    ...(delays !== undefined && { delays }),
    start: async (stopping): Promise<Running> => {
      const signals = AbortSignal.any(signal === undefined ? [stopping] : [stopping, signal])
      latest = await startEmbeddedPostgres({
        dataDir: state.dataDir,
        log: note,
        signal: signals,
        ...(first !== undefined && { port: first.port }),
      })
      first ??= latest
      return latest
    },
    onChange: (running) => onChange(running === null ? null : (latest ?? null)),
  })
  return { first: first as unknown as EmbeddedPostgres, kept }
}

async function prepareDatabase(target: PrepareTarget): Promise<Connections> {
  const [{ bootstrapDatabase }, { migrate }] = await Promise.all([
    import('../db/bootstrap.ts'),
    import('../db/migrate.ts'),
  ])
  const connections =
    target.kind === 'external'
      ? target.connections
      : await bootstrapDatabase({
          adminUrl: target.adminUrl,
          database: 'skeldir',
          migratorPassword: target.secrets.migratorPassword,
          runtimePassword: target.secrets.runtimePassword,
        })
  await migrate({ databaseUrl: connections.migrationDatabaseUrl, log: target.log })
  return connections
}

interface ChildSettings {
  connections: Connections
  secrets: Secrets
  host: string
  port: number
  verbose: boolean
}

function toChildEnvironment(env: NodeJS.ProcessEnv, settings: ChildSettings): NodeJS.ProcessEnv {
  // The right to change the schema stays here.
  const { MIGRATION_DATABASE_URL: _, ...rest } = env
  return {
    ...rest,
    DATABASE_URL: settings.connections.databaseUrl,
    SKELDIR_MASTER_KEY: env.SKELDIR_MASTER_KEY || settings.secrets.masterKey,
    HOST: settings.host,
    PORT: String(settings.port),
    LOG_LEVEL: env.LOG_LEVEL || (settings.verbose ? 'info' : 'warn'),
    SKELDIR_SUPERVISED: '1',
  }
}

function readPort(env: NodeJS.ProcessEnv): number | undefined {
  const text = env.PORT
  return text ? toPort(text, 'PORT') : undefined
}

function toPort(text: string, name: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new StartError(`${name} is ${JSON.stringify(text)}: a whole number from 0 to 65535 is meant.`)
}

async function choosePort(host: string, asked: number | undefined, note: (line: string) => void): Promise<number> {
  if (asked !== undefined) {
    const port = await tryPort(host, asked)
    if (port === null)
      throw new StartError(`Port ${asked} is taken. Free it, name another one, or leave PORT unset to get a free one.`)
    return port
  }
  for (let port = DEFAULT_PORT; port < DEFAULT_PORT + PORT_ATTEMPTS; port++) {
    if ((await tryPort(host, port)) === null) continue
    if (port !== DEFAULT_PORT) note(`Port ${DEFAULT_PORT} is taken, so the API uses ${port}.`)
    return port
  }
  throw new StartError(`The ports from ${DEFAULT_PORT} to ${DEFAULT_PORT + PORT_ATTEMPTS - 1} are all taken.`)
}

/** The port when it is free (any free one for 0), null when it is taken. */
async function tryPort(host: string, port: number): Promise<number | null> {
  const probe = createServer().listen({ host, port, exclusive: true })
  try {
    await once(probe, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') return null
    throw new StartError(`The API cannot listen on ${host}, port ${port} (${code}).`, { cause: error })
  }
  const { port: free } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return free
}

/** The address to call a server at that listens on `host`. */
function toCallable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

async function becomesReady(url: string, api: Running | null, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  let hasEnded = false
  void api?.exited.then(() => {
    hasEnded = true
  })
  for (;;) {
    signal?.throwIfAborted()
    const answer = await ask(url)
    if (answer === 200) return
    if (hasEnded) throw new StartError('The API ended before it was ready; its last lines are above.')
    if (performance.now() > deadline) {
      const heard = answer === null ? 'does not answer' : `answers ${answer}`
      throw new StartError(`After ${READY_TIMEOUT_MS / 1000} s ${url} still ${heard}.`)
    }
    await sleep(READY_POLL_MS)
  }
}

function ask(url: string): Promise<number | null> {
  return new Promise((done) => {
    const request = get(url, { agent: false, timeout: 5_000 }, (response) => {
      response.resume()
      done(response.statusCode ?? null)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => done(null))
  })
}

/** `skeldir start`. Returns the status to end with. */
export async function runStart(args: readonly string[]): Promise<number> {
  const began = performance.now()
  const interrupt = listenForInterrupt()
  try {
    const { help, verbose, port } = readArguments(args)
    if (help) {
      process.stdout.write(HELP)
      return 0
    }
    const platform = await startPlatform({ verbose, signal: interrupt.stop, ...(port !== undefined && { port }) })
    process.stdout.write(banner(platform, performance.now() - began))
    if (!interrupt.stop.aborted) await once(interrupt.stop, 'abort')
    process.stderr.write(`${formatOwnLine('stopping …')}\n`)
    await platform.stop(interrupt.hurry)
    return 0
  } catch (error) {
    if (interrupt.stop.aborted) return 0
    if (!(error instanceof Error) || !SENTENCES.has(error.name)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  } finally {
    interrupt.release()
  }
}

/** Errors whose message is written for the user; of all others the stack is worth more. */
const SENTENCES = new Set(['StartError', 'EmbeddedPostgresError', 'MigrationError', 'ConfigError'])

function readArguments(args: readonly string[]): { help: boolean; verbose: boolean; port: number | undefined } {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        verbose: { type: 'boolean', short: 'v' },
        port: { type: 'string' },
      },
    })
    const port = values.port === undefined ? undefined : toPort(values.port, '--port')
    return { help: values.help ?? false, verbose: values.verbose ?? false, port }
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(`${(error as Error).message}\n\n${HELP}`)
  }
}

/** The first interrupt asks for an orderly stop, a second one hurries. The end of whoever started us counts as one. */
function listenForInterrupt(): { stop: AbortSignal; hurry: AbortSignal; release: () => void } {
  const stop = new AbortController()
  const hurry = new AbortController()
  let firstAt = 0
  const interrupt = () => {
    if (!stop.signal.aborted) {
      firstAt = performance.now()
      stop.abort()
    } else if (performance.now() - firstAt > SAME_INTERRUPT_MS) hurry.abort()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, interrupt)
  // Only the channel that scripts/skeldir.mjs opened says this; other parents use theirs for something else.
  const hasLauncher = process.env.SKELDIR_LAUNCHER === String(process.ppid)
  if (hasLauncher) {
    process.on('disconnect', interrupt)
    process.channel?.unref()
  }
  return {
    stop: stop.signal,
    hurry: hurry.signal,
    release: () => {
      for (const signal of signals) process.off(signal, interrupt)
      process.off('disconnect', interrupt)
    },
  }
}

function banner({ urls, postgres, databaseUrl, pids }: Platform, tookMs: number): string {
  const shown = new URL(databaseUrl)
  const here = (path: string) => {
    const short = relative(process.cwd(), path)
    return short === '' || short.startsWith('..') ? path : short
  }
  const rows: [string, string][] = [
    ['API', urls.api],
    ['Docs', urls.docs],
    ['Health', urls.health],
    [
      'Database',
      postgres === null
        ? `your own: ${shown.host}${shown.pathname}`
        : `embedded PostgreSQL ${postgres.version} on port ${postgres.port}, data in ${here(postgres.dataDir)}`,
    ],
    [
      'Processes',
      Object.entries(pids)
        .filter(([, pid]) => pid !== null)
        .map(([name, pid]) => `${name} ${pid}`)
        .join(', '),
    ],
    [
      'Logs',
      `warnings appear below, --verbose shows all${postgres === null ? '' : `; Postgres: ${here(postgres.logFile)}`}`,
    ],
    ['Stop', 'Ctrl-C'],
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)} ${value}`)
  return `\nSkeldir ${packageJson.version} is ready after ${(tookMs / 1000).toFixed(1)} s\n\n${lines.join('\n')}\n\n`
}
