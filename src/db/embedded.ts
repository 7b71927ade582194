import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { identify, isAlive, type ProcessIdentity, sendSignal, waitForEnd } from '../os-process.ts'
import { type EmbeddedHome, EmbeddedPostgresError, giveTo, prepareHome, runAs } from './embedded-home.ts'

export { EmbeddedPostgresError } from './embedded-home.ts'

const START_TIMEOUT_MS = 60_000
/** After this long the server is replaying its log after a crash; one line tells why nothing happens. */
const SLOW_START_MS = 3_000
const READY_POLL_MS = 5
/** How long the processes of a killed server may hold on to its shared memory before that is an error. */
const LEFTOVER_WAIT_MS = 15_000
const PORT_ATTEMPTS = 5
/** Fast shutdown writes a checkpoint; immediate shutdown does not, and the next start replays the log. */
const FAST_SHUTDOWN_MS = 10_000
const IMMEDIATE_SHUTDOWN_MS = 5_000
const LOG_LIMIT_BYTES = 10 * 1024 * 1024
const TAIL_BYTES = 4 * 1024
/** Docker's default /dev/shm has 64 MiB, too little for parallel queries. */
const SHARED_MEMORY_MIN_BYTES = 256 * 1024 * 1024
const SHARED_MEMORY = '/dev/shm'
/** Throw-away data in memory have as much room at least; a run of all tests takes less than half of it. */
const THROW_AWAY_MIN_BYTES = 4 * 1024 * 1024 * 1024
/** Written last, so a data folder without it is one that was never finished. */
const MARKER = 'skeldir.json'

export interface EmbeddedPostgresOptions {
  /**
   * Made when it does not exist. Its parent holds the log and the password; as root the parent must let the server's
   * user pass (0711), or the data goes below the system's temp folder. Default: a throw-away one that `stop` removes.
   */
  dataDir?: string
  /** Default: any free one. */
  port?: number
  /**
   * `test` does not survive a crash of the machine, and is several times faster at committing; what is thrown away is in
   * memory, where there is room. Default `durable`.
   */
  settings?: 'durable' | 'test'
  /** More configuration parameters of Postgres, by name; they go before those of `settings`. */
  parameters?: Readonly<Record<string, string>>
  /** Receives one line for each thing that a person may want to know. */
  log?: (line: string) => void
  /** The server ends with this process, even after kill -9. Default: this one. */
  superviseParentPid?: number
  /** Gives up the start, initdb included. */
  signal?: AbortSignal
}

export interface EmbeddedPostgres {
  /** As the superuser `postgres`, database `postgres`. */
  adminUrl: string
  port: number
  pid: number
  /** `18.4`. */
  version: string
  /** Differs from the one asked for where that is out of the reach of the server's user. */
  dataDir: string
  logFile: string
  /** Fast shutdown; harder ways after 10 s. Can be called again. */
  stop(): Promise<void>
  /** However it ends. */
  exited: Promise<ServerExit>
}

export interface ServerExit {
  code: number | null
  signal: NodeJS.Signals | null
}

/**
 * Starts a PostgreSQL of the packaged binaries on 127.0.0.1 and returns when it accepts connections. Makes the data
 * folder first where there is none. Throws EmbeddedPostgresError with the end of the server's log when it does not come
 * up, and when another live server has the same data.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir } = options
  if (dataDir !== undefined) return startOn({ ...options, dataDir })
  const folder = makeThrowAwayFolder(options.settings)
  const remove = () => rmSync(folder, { recursive: true, force: true })
  try {
    const server = await startOn({ ...options, dataDir: join(folder, 'data') })
    return { ...server, stop: () => server.stop().then(remove) }
  } catch (error) {
    remove()
    throw error
  }
}

type OptionsWithFolder = EmbeddedPostgresOptions & { dataDir: string }

async function startOn(options: OptionsWithFolder): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => {})
  const home = prepareHome(options.dataDir, log)
  await makeDataDir(home, options, log)
  const password = readPassword(home)
  await clearPidFile(home, log)

  const giveUpAt = performance.now() + LEFTOVER_WAIT_MS
  for (let attempt = 1; ; ) {
    const port = options.port ?? (await findFreePort())
    const started = await launch(home, port, options, log)
    if (started.ok) {
      const adminUrl = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`
      const { dataDir, logFile, version } = home
      return { adminUrl, port, version, dataDir, logFile, ...started.server }
    }
    const { tail } = started
    if (/Address already in use/.test(tail)) {
      if (options.port !== undefined) throw new EmbeddedPostgresError(`Port ${port} is taken, Postgres cannot use it.`)
      if (attempt++ < PORT_ATTEMPTS) continue
    }
    // The processes of a postmaster that was killed notice it within moments, and only then release its memory.
    if (/pre-existing shared memory block|lock file .* already exists/.test(tail) && performance.now() < giveUpAt) {
      await sleep(100)
      continue
    }
    throw new EmbeddedPostgresError(`Postgres did not start. The end of ${home.logFile}:\n${tail.trimEnd()}`)
  }
}

/**
 * In memory where nothing is to survive: a clone of a database is a thousand files, and to make them where as many were
 * just removed takes ext4 0.4 s of a core, tmpfs 0.05 s (measured). Also clears away the folders (40 MB each) of
 * processes that were killed before they could.
 */
function makeThrowAwayFolder(settings: EmbeddedPostgresOptions['settings']): string {
  const prefix = 'skeldir-throwaway-'
  const place = settings === 'test' && sharedMemoryBytes() >= THROW_AWAY_MIN_BYTES ? SHARED_MEMORY : tmpdir()
  for (const name of new Set([place, tmpdir()]).values().flatMap((parent) => listFolders(parent, prefix))) {
    const note = readOwner(join(name, 'owner.json'))
    if (note === null || isAlive(note.owner) || isAlive(note.server)) continue
    try {
      rmSync(name, { recursive: true, force: true })
    } catch {
      // Another user's.
    }
  }
  const folder = mkdtempSync(join(place, prefix))
  chmodSync(folder, 0o711)
  return folder
}

function listFolders(parent: string, prefix: string): string[] {
  return readdirSync(parent)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(parent, name))
}

async function makeDataDir(
  home: EmbeddedHome,
  { settings, signal }: EmbeddedPostgresOptions,
  log: (line: string) => void,
): Promise<void> {
  const { dataDir, user } = home
  if (existsSync(join(dataDir, MARKER))) return checkVersion(home)
  const folder = dirname(dataDir)
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${basename(dataDir)}.new-`)) rmSync(join(folder, name), { recursive: true, force: true })
  }
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) {
    // Never deleted: whoever put it there may want it back.
    const aside = `${dataDir}.unfinished-${Date.now()}`
    renameSync(dataDir, aside)
    log(`The data folder of Postgres was not finished; it is now ${aside}, and a new one is made.`)
  }

  // Made aside and renamed when complete, so that an interruption at any moment leaves nothing half made behind.
  const fresh = mkdtempSync(`${dataDir}.new-`)
  giveTo(fresh, user)
  rmSync(home.passwordFile, { force: true })
  writeFileSync(home.passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' })
  giveTo(home.passwordFile, user)
  await runInitdb(home, fresh, settings === 'test', signal)
  const made = { version: home.version, made_at: new Date().toISOString() }
  writeFileSync(join(fresh, MARKER), `${JSON.stringify(made)}\n`, { mode: 0o600 })
  giveTo(join(fresh, MARKER), user)
  renameSync(fresh, dataDir)
}

function checkVersion({ dataDir, version }: EmbeddedHome): void {
  let made: string
  try {
    made = readFileSync(join(dataDir, 'PG_VERSION'), 'utf8').trim()
  } catch (cause) {
    throw new EmbeddedPostgresError(`The data folder ${dataDir} cannot be read: ${(cause as Error).message}`, { cause })
  }
  if (made === version.split('.')[0]) return
  throw new EmbeddedPostgresError(
    `${dataDir} was made by PostgreSQL ${made}, the packaged one is ${version}. Move the folder away to start with an empty database.`,
  )
}

async function runInitdb(home: EmbeddedHome, target: string, isTest: boolean, signal?: AbortSignal): Promise<void> {
  // Without the explicit encoding a machine with LANG unset gets SQL_ASCII; the builtin provider asks no libc.
  const args = [
    `--pgdata=${target}`,
    '--username=postgres',
    `--pwfile=${home.passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    ...(isTest ? ['--no-sync', `--set=scram_iterations=${FORGETFUL.scram_iterations}`] : []),
  ]
  const [command, ...rest] = withDeathSignal([join(home.native, 'bin', 'initdb'), ...args])
  const child = spawn(command, rest, { ...runAs(home.user), detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-TAIL_BYTES)
    })
  }
  // initdb and the postgres that it runs are a process group of their own.
  const abort = () => child.pid !== undefined && sendSignal(-child.pid, 'SIGKILL')
  signal?.addEventListener('abort', abort)
  if (signal?.aborted) abort()
  const [code] = (await once(child, 'close')) as [number | null]
  signal?.removeEventListener('abort', abort)
  if (code === 0) return
  rmSync(target, { recursive: true, force: true })
  signal?.throwIfAborted()
  throw new EmbeddedPostgresError(`The database could not be made (initdb, status ${code}):\n${output.trimEnd()}`)
}

function readPassword({ passwordFile, dataDir }: EmbeddedHome): string {
  try {
    return readFileSync(passwordFile, 'utf8')
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The superuser's password is missing (${passwordFile}). Put the file back, or move ${dataDir} away to start with an empty database.`,
      { cause },
    )
  }
}

/**
 * PostgreSQL takes any live process with the pid of a left-over postmaster.pid for the server and refuses to start; in a
 * container pids come round quickly. So: a pid that is gone, a zombie or another program does not count. A server that
 * its starter has left behind is stopped. One whose starter lives is an error.
 */
async function clearPidFile(home: EmbeddedHome, log: (line: string) => void): Promise<void> {
  const file = join(home.dataDir, 'postmaster.pid')
  const pid = readPidFile(home.dataDir)?.pid
  if (pid === undefined) return
  const server = identify(pid)
  if (!isAlive(server) || !isServerOf(pid, home.dataDir)) return rmSync(file, { force: true })

  const note = readOwner(home.ownerFile)
  if (note === null || note.server.pid !== pid || isAlive(note.owner)) {
    const who = note !== null && note.server.pid === pid ? `, started by process ${note.owner.pid}` : ''
    throw new EmbeddedPostgresError(
      `Postgres already runs on ${home.dataDir} (process ${pid}${who}). Stop it first: kill -INT ${pid}`,
    )
  }
  log(`Stopping the Postgres that was left behind (process ${pid}).`)
  sendSignal(pid, 'SIGINT')
  if (await waitForEnd(server, FAST_SHUTDOWN_MS)) return
  sendSignal(pid, 'SIGQUIT')
  if (await waitForEnd(server, IMMEDIATE_SHUTDOWN_MS)) return
  throw new EmbeddedPostgresError(`The Postgres that was left behind does not stop. End it: kill -9 ${pid}`)
}

function readPidFile(dataDir: string): { pid: number; status: string } | undefined {
  try {
    // Line 1 is the pid, line 8 the status (miscadmin.h: LOCK_FILE_LINE_PM_STATUS).
    const lines = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), status: lines[7]?.trim() ?? '' }
  } catch {
    return undefined
  }
}

function isServerOf(pid: number, dataDir: string): boolean {
  try {
    // The postmaster's working folder is its data. Without CAP_SYS_PTRACE not even root may read another user's link.
    return readlinkSync(`/proc/${pid}/cwd`) === dataDir
  } catch {
    try {
      const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return basename(program) === 'postgres' && args.includes(dataDir)
    } catch {
      return false
    }
  }
}

interface OwnerNote {
  owner: ProcessIdentity
  server: ProcessIdentity
}

function readOwner(ownerFile: string): OwnerNote | null {
  try {
    return JSON.parse(readFileSync(ownerFile, 'utf8')) as OwnerNote
  } catch {
    return null
  }
}

type Launched = { ok: true; server: Pick<EmbeddedPostgres, 'pid' | 'stop' | 'exited'> } | { ok: false; tail: string }

async function launch(
  home: EmbeddedHome,
  port: number,
  { settings = 'durable', parameters = {}, superviseParentPid = process.pid, signal }: EmbeddedPostgresOptions,
  log: (line: string) => void,
): Promise<Launched> {
  signal?.throwIfAborted()
  const logFd = openLog(home.logFile)
  const logStart = fstatSync(logFd).size
  // The kernel sends the signal when the spawning thread ends, so it fits only our own main thread.
  const isOwnChild = superviseParentPid === process.pid && isMainThread
  const server = [
    join(home.native, 'bin', 'postgres'),
    '-D',
    home.dataDir,
    ...serverSettings(settings, port, parameters),
  ] as const
  const [command, ...args] = isOwnChild ? withDeathSignal(server) : server
  // A session of its own: Ctrl-C in the terminal must not stop the database before its clients.
  const child = spawn(command, args, { ...runAs(home.user), detached: true, stdio: ['ignore', logFd, logFd] })
  const exited = new Promise<ServerExit>((done) => {
    child.once('exit', (code, exitSignal) => done({ code, signal: exitSignal }))
    child.once('error', () => done({ code: 127, signal: null }))
  })
  const { pid } = child
  if (pid === undefined) {
    closeSync(logFd)
    await exited
    return { ok: false, tail: `${command} could not be started` }
  }
  const release = isOwnChild && hasDeathSignal() ? () => {} : guard(pid, superviseParentPid)
  void exited.then(release)
  const note: OwnerNote = { owner: identify(superviseParentPid), server: identify(pid) }
  writeFileSync(home.ownerFile, `${JSON.stringify(note)}\n`, { mode: 0o600 })

  try {
    if (await becomesReady(home, child, signal, log))
      return { ok: true, server: { pid, exited, stop: () => stop(child, exited) } }
    await exited
    return { ok: false, tail: readTail(logFd, logStart) }
  } catch (error) {
    await stop(child, exited)
    throw error
  } finally {
    closeSync(logFd)
  }
}

/**
 * For data that nobody wants back: nothing is made safe, or tidied up in the background. One round of hashing in place of
 * 4,096 for passwords that live no longer: each client repeats them for each connection, 1 ms of a core (measured).
 */
const FORGETFUL = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  checkpoint_timeout: '1h',
  scram_iterations: 1,
}

function serverSettings(
  settings: 'durable' | 'test',
  port: number,
  parameters: Readonly<Record<string, string>>,
): string[] {
  const values: Record<string, string | number> = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    max_connections: settings === 'test' ? 200 : 100,
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_line_prefix: '%m [%p] %q%u@%d ',
    cluster_name: 'skeldir',
    dynamic_shared_memory_type: sharedMemoryBytes() < SHARED_MEMORY_MIN_BYTES ? 'mmap' : 'posix',
    ...(settings === 'test' && FORGETFUL),
    ...parameters,
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

function sharedMemoryBytes(): number {
  try {
    accessSync(SHARED_MEMORY, constants.W_OK)
    const { bavail, bsize } = statfsSync(SHARED_MEMORY)
    return bavail * bsize
  } catch {
    return 0
  }
}

/** Not through a link: the folder may be below the system's temp folder. */
function openLog(file: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW
  const fd = openSync(file, flags, 0o600)
  if (fstatSync(fd).size > LOG_LIMIT_BYTES) ftruncateSync(fd, 0)
  return fd
}

function readTail(fd: number, from: number): string {
  const { size } = fstatSync(fd)
  const start = Math.max(from, size - TAIL_BYTES)
  const buffer = Buffer.alloc(size - start)
  readSync(fd, buffer, 0, buffer.length, start)
  return buffer.toString('utf8')
}

/** False when the server ended instead. Reads the status that it writes for pg_ctl: no connection, no parsing of the log. */
async function becomesReady(
  home: EmbeddedHome,
  child: ChildProcess,
  signal: AbortSignal | undefined,
  log: (line: string) => void,
): Promise<boolean> {
  const began = performance.now()
  let told = false
  while (child.exitCode === null && child.signalCode === null) {
    signal?.throwIfAborted()
    const lock = readPidFile(home.dataDir)
    if (lock?.pid === child.pid && lock?.status === 'ready') return true
    const waited = performance.now() - began
    if (waited > START_TIMEOUT_MS)
      throw new EmbeddedPostgresError(`Postgres is not ready after ${START_TIMEOUT_MS / 1000} s, see ${home.logFile}.`)
    if (waited > SLOW_START_MS && !told) {
      told = true
      log('Postgres is recovering from an unclean stop …')
    }
    await sleep(READY_POLL_MS)
  }
  return false
}

async function stop(child: ChildProcess, exited: Promise<ServerExit>): Promise<void> {
  // 9.5 of the manual's "Shutting Down the Server": SIGINT is fast, SIGQUIT immediate; SIGKILL leaves recovery to the next start.
  const ladder: [NodeJS.Signals, number][] = [
    ['SIGINT', FAST_SHUTDOWN_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_MS],
    ['SIGKILL', IMMEDIATE_SHUTDOWN_MS],
  ]
  for (const [signal, waitMs] of ladder) {
    if (child.exitCode !== null || child.signalCode !== null) break
    child.kill(signal)
    const timer = new AbortController()
    const isDown = await Promise.race([
      exited.then(() => true),
      sleep(waitMs, false, { signal: timer.signal }).catch(() => false),
    ])
    timer.abort()
    if (isDown) return
  }
  await exited
}

let deathSignal: boolean | undefined

/** setpriv of util-linux 2.33 and later. BusyBox has a setpriv without the option. */
function hasDeathSignal(): boolean {
  deathSignal ??= spawnSync('setpriv', ['--pdeathsig', 'INT', 'true'], { stdio: 'ignore' }).status === 0
  return deathSignal
}

/**
 * Prefixes a command so that the kernel sends it SIGINT when we end, however we end. setpriv runs as the server's user
 * already: a later change of user would clear the setting (prctl(2), PR_SET_PDEATHSIG).
 */
function withDeathSignal(command: readonly [string, ...string[]]): [string, ...string[]] {
  return hasDeathSignal() ? ['setpriv', '--pdeathsig', 'INT', ...command] : [...command]
}

/**
 * The second way to leave no orphan, where setpriv cannot: a small shell waits for the end of the owner and then stops
 * the server. For this process it waits on a pipe, which closes with us; for another one it looks at its state.
 */
function guard(serverPid: number, ownerPid: number): () => void {
  const wait =
    ownerPid === process.pid
      ? 'read -r _'
      : 'while grep -q "^State:.[^ZX]" "/proc/$2/status" 2>/dev/null; do sleep 0.2; done'
  const script = `trap '' INT HUP TERM; ${wait}; kill -INT "$1" 2>/dev/null`
  const args = ['-c', script, 'skeldir-guard', String(serverPid), String(ownerPid)]
  const shell = spawn('/bin/sh', args, { cwd: '/', detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  shell.unref()
  ;(shell.stdin as unknown as { unref(): void }).unref()
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  return () => void (shell.pid !== undefined && sendSignal(-shell.pid, 'SIGKILL'))
}

/** Another process may take it before the server does; the caller tries again. */
export async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}
