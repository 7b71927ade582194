import packageJson from '../../package.json' with { type: 'json' }
import type { EmbeddedPostgres } from '../db/embedded.ts'
import { keepCertificate } from '../webhooks/simulator/certificate.ts'
import { keepPostgres, type PrepareTarget, prepareDatabase, readExternalDatabase } from './database.ts'
import {
  type Connections,
  clearRunState,
  type LocalState,
  metricsFolder,
  openLocalState,
  type RunState,
  readRunState,
  readSecrets,
  repositoryRoot,
  type Secrets,
  takeStartLock,
  testCertificateFile,
  writeConnections,
  writeRunState,
} from './local-state.ts'
import { formatLogLine, formatOwnLine } from './log-lines.ts'
import { type KeptMocks, keepMocks, type MocksStandIn } from './mocks.ts'
import { choosePort, readPort, toCallable } from './ports.ts'
import { becomesReady } from './readiness.ts'
import { StartError } from './start-error.ts'
import { type KeepOptions, type Kept, keepRunning, startChild } from './supervise.ts'

export interface PlatformOptions {
  /** Exactly this port; 0 for any free one. Default: PORT, else 8000 or the next free one. */
  port?: number
  verbose?: boolean
  /** Runs the mocks too, or what a test has in their place. Default: false. */
  mocks?: boolean | MocksStandIn
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
  urls: { api: string; console: string; docs: string; health: string }
  /** As they are now: a child that was started again has another pid, and one that is down has none. */
  readonly pids: Readonly<Record<'api' | 'worker' | 'mocks' | 'postgres', number | null>> & { supervisor: number }
  /** Null when they were not asked for, or cannot run here. `url` is null until the gateway answers. */
  readonly mocks: { url: string | null; expectedUrl: string | null } | null
  /** Null when DATABASE_URL names the server. */
  postgres: EmbeddedPostgres | null
  databaseUrl: string
  migrationDatabaseUrl: string
  /** The database last. Can be called again. */
  stop(hurry?: AbortSignal): Promise<void>
}

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
  const urls = { api, console: `${api}/`, docs: `${api}/docs`, health: `${api}/health/ready` }

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

  const childEnv = toChildEnvironment(env, {
    connections,
    secrets,
    host,
    port,
    verbose,
    hasMocks: Boolean(options.mocks),
    metricsFolder: metricsFolder(state),
    // For whoever tries things out; with a database of one's own it is said by hand.
    testCertificate: external === null ? makeTestCertificate(state) : null,
  })
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
          // Two cannot listen on one port.
          env: name === 'api' ? childEnv : { ...childEnv, SKELDIR_PROBE_PORT: 'none' },
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
  let mocks: KeptMocks | null = null
  if (options.mocks !== undefined && options.mocks !== false) {
    // Only now: they would take the processor from the API, which more people wait for.
    mocks = await keepMocks({
      apiUrl: urls.api,
      env,
      verbose,
      ...delays,
      ...(options.mocks !== true && { standIn: options.mocks }),
      say,
      note,
      onChange: (now) => {
        run.mocks = now
        publish()
      },
    })
    if (mocks !== null) children.push(mocks.kept)
  }
  return {
    urls,
    get pids() {
      const [postgresPid, mocksPid] = [run.postgres?.pid ?? null, run.mocks?.pid ?? null]
      const { api, worker } = run
      return { supervisor: process.pid, api: api.pid, worker: worker.pid, mocks: mocksPid, postgres: postgresPid }
    },
    get mocks() {
      return mocks && { url: run.mocks?.url ?? null, expectedUrl: mocks.expectedUrl }
    },
    postgres,
    ...connections,
    stop,
  }
}

function describeRunning(state: LocalState): string {
  const run = readRunState(state)
  return run === null
    ? `Skeldir is being started or stopped by another process (see ${state.folder}/start.lock).`
    : `Skeldir is already running: ${run.api.url} (process ${run.pid}). Stop it with Ctrl-C there, or: kill ${run.pid}`
}

/** What `skeldir webhooks send paypal` signs with here. */
function makeTestCertificate(state: LocalState): string {
  const file = testCertificateFile(state)
  keepCertificate(file)
  return file
}

interface ChildSettings {
  connections: Connections
  secrets: Secrets
  host: string
  port: number
  verbose: boolean
  hasMocks: boolean
  metricsFolder: string
  /** Null: nobody but PayPal signs for its endpoints in test mode. */
  testCertificate: string | null
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
    // The reference offers to try requests against the mocks' gateway only where there is one.
    ...(!settings.hasMocks && !env.SKELDIR_MOCK_URL && { SKELDIR_MOCK_URL: 'none' }),
    ...(settings.testCertificate !== null && {
      SKELDIR_PAYPAL_TEST_CERTIFICATES: env.SKELDIR_PAYPAL_TEST_CERTIFICATES || settings.testCertificate,
    }),
    SKELDIR_METRICS_FOLDER: env.SKELDIR_METRICS_FOLDER || settings.metricsFolder,
    SKELDIR_SUPERVISED: '1',
  }
}
