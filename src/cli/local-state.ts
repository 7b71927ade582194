import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { identify, isAlive, type ProcessIdentity } from '../os-process.ts'

const HALF_WRITTEN_MS = 5_000

export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** What one checkout keeps between runs. Nothing of it is committed. */
export interface LocalState {
  folder: string
  /** Data folder of the embedded Postgres. */
  dataDir: string
}

/** Kept for as long as the checkout: with another master key nothing that was encrypted can be read. */
export interface Secrets {
  /** 32 bytes, base64. */
  masterKey: string
  runtimePassword: string
  migratorPassword: string
}

/**
 * `.skeldir/run.json`: what runs now, for people, the demo and other tools. Holds no password. A pid is null while its
 * process is down and waits to be started again.
 */
export interface RunState {
  version: string
  /** The supervisor. */
  pid: number
  started_at: string
  api: { pid: number | null; url: string }
  worker: { pid: number | null }
  /** Null when DATABASE_URL names a server of one's own. */
  postgres: { pid: number | null; port: number } | null
  /** Null without mocks. The URL is that of the gateway; null until it answers. */
  mocks: { pid: number | null; url: string | null } | null
  docs_url: string
  health_url: string
  /** Start time of the supervisor in clock ticks, so that a later process with the same pid is not taken for it. */
  start_ticks: string | null
}

/** `.skeldir/connections.json` (0600): how other commands of this checkout reach the database that runs now. */
export interface Connections {
  databaseUrl: string
  migrationDatabaseUrl: string
}

/** Opens `.skeldir` of the repository, or the folder that SKELDIR_HOME names, and makes it when it is not there. */
export function openLocalState(env: NodeJS.ProcessEnv = process.env): LocalState {
  const folder = env.SKELDIR_HOME ? resolve(env.SKELDIR_HOME) : join(repositoryRoot, '.skeldir')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // Started by root, Postgres runs as another user, who has to pass through to its data; the files stay closed.
  const isRoot = process.getuid?.() === 0
  if (isRoot && (statSync(folder).mode & 0o777) === 0o700) chmodSync(folder, 0o711)
  return { folder, dataDir: join(folder, 'postgres', 'data') }
}

/** Makes the secrets the first time. Of two processes that do so at once, both get the same ones. */
export function readSecrets({ folder }: LocalState): Secrets {
  const file = join(folder, 'secrets.json')
  if (!existsSync(file)) createSecrets(file)
  return parseSecrets(file, readFileSync(file, 'utf8'))
}

function createSecrets(file: string): void {
  const password = () => randomBytes(24).toString('base64url')
  const secrets: Secrets = {
    masterKey: randomBytes(32).toString('base64'),
    runtimePassword: password(),
    migratorPassword: password(),
  }
  const fresh = `${file}.${process.pid}.new`
  writeFileSync(fresh, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
  try {
    // Appears complete, and not at all when another process was faster.
    linkSync(fresh, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(fresh)
  }
}

function parseSecrets(file: string, text: string): Secrets {
  try {
    const { masterKey, runtimePassword, migratorPassword } = JSON.parse(text) as Partial<Secrets>
    if (masterKey && runtimePassword && migratorPassword) return { masterKey, runtimePassword, migratorPassword }
  } catch {
    // Falls through to the sentence below.
  }
  throw new Error(
    `${file} is damaged. Restore it, or delete it together with the postgres folder beside it to start with an empty database.`,
  )
}

/** What PayPal's simulator signs with here, and endpoints in test mode take; null when no platform has made it. */
export function localTestCertificate(state: LocalState = openLocalState()): string | null {
  const file = testCertificateFile(state)
  return existsSync(file) ? file : null
}

export function testCertificateFile({ folder }: LocalState): string {
  return join(folder, 'paypal-test.pem')
}

/** Where workers here write their figures for `skeldir exporter`. */
export function metricsFolder({ folder }: LocalState): string {
  return join(folder, 'metrics')
}

/** Null when nothing runs: no file, or a supervisor that is gone without having removed it. */
export function readRunState(state: LocalState = openLocalState()): RunState | null {
  const run = readJson<RunState>(join(state.folder, 'run.json'))
  return run !== null && isAlive({ pid: run.pid, startTicks: run.start_ticks }) ? run : null
}

export function writeRunState({ folder }: LocalState, run: Omit<RunState, 'start_ticks'>): void {
  writeAtomically(join(folder, 'run.json'), { ...run, start_ticks: identify(run.pid).startTicks })
}

/** Null when nothing runs. */
export function readConnections(state: LocalState = openLocalState()): Connections | null {
  return readRunState(state) === null ? null : readJson<Connections>(join(state.folder, 'connections.json'))
}

export function writeConnections({ folder }: LocalState, connections: Connections): void {
  writeAtomically(join(folder, 'connections.json'), connections)
}

export function clearRunState({ folder }: LocalState): void {
  for (const name of ['run.json', 'connections.json']) rmSync(join(folder, name), { force: true })
}

/** Only one supervisor for each checkout. Null when another one has the lock; a dead owner does not count. */
export function takeStartLock({ folder }: LocalState): (() => void) | null {
  return takeLock(join(folder, 'start.lock'))
}

function takeLock(file: string): (() => void) | null {
  const owner = readText(file)
  if (owner !== null && isStale(file, owner)) removeStale(file, owner)
  try {
    writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return null
  }
  return () => rmSync(file, { force: true })
}

/** Without a readable owner it is being written at this moment, or its writer was killed while doing so. */
function isStale(file: string, owner: string): boolean {
  try {
    return !isAlive(JSON.parse(owner) as ProcessIdentity)
  } catch {
    const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY
    return Date.now() - written > HALF_WRITTEN_MS
  }
}

/** Renamed before it is deleted: of two starters that both saw the dead owner, only one may remove that very file. */
function removeStale(file: string, owner: string): void {
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
    if (readText(aside) === owner) rmSync(aside)
    else renameSync(aside, file)
  } catch {
    // The other starter was faster.
  }
}

/** A reader sees the old file or the new one, never half of it. */
function writeAtomically(file: string, value: unknown): void {
  const fresh = `${file}.${process.pid}.new`
  writeFileSync(fresh, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  renameSync(fresh, file)
}

function readJson<T>(file: string): T | null {
  const text = readText(file)
  if (text === null) return null
  try {
    return JSON.parse(text) as T
  } catch {
    return null
  }
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
