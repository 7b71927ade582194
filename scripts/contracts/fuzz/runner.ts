// Where Schemathesis runs: in its container where a Docker engine runs, else in a Python environment of the checkout's own.

import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openLocalState } from '../../../src/cli/local-state.ts'
import { type Running, startChild } from '../../../src/cli/supervise.ts'
import { ToolError } from '../finding.ts'

/** Of both kinds of runner. The last version that runs on Python 3.10; requirements.txt says the same. */
export const SCHEMATHESIS_VERSION = '4.30.1'
const IMAGE = `schemathesis/schemathesis:${SCHEMATHESIS_VERSION}`
const OLDEST_PYTHON = [3, 10] as const
const REQUIREMENTS = fileURLToPath(new URL('requirements.txt', import.meta.url))
const INSTALL =
  'Schemathesis needs Docker with its engine running, or Python 3.10 or newer with venv and pip (Debian, Ubuntu: apt install python3 python3-venv).'
const DOCKER_ANSWER_MS = 10_000
/** Inside of the container. */
const MOUNT = '/fuzz'

export interface Runner {
  /** `Docker, image …` or `Python 3.11`. */
  name: string
  kind: 'docker' | 'python'
  /** Runs `schemathesis <args>` in a folder, whose files `args` names relative to it. */
  start(
    folder: string,
    args: readonly string[],
    env: Record<string, string>,
    onLine: (line: string) => void,
  ): Promise<Running>
}

export interface RunnerOptions {
  say: (line: string) => void
  signal: AbortSignal
  env?: NodeJS.ProcessEnv
}

/** Installs what is missing. Throws ToolError with what to install where there is neither engine nor Python. */
export async function findRunner(options: RunnerOptions): Promise<Runner> {
  const docker = await findDocker(options)
  return docker ?? findPython(options)
}

async function findDocker({ say, signal }: RunnerOptions): Promise<Runner | null> {
  const brief = AbortSignal.any([signal, AbortSignal.timeout(DOCKER_ANSWER_MS)])
  const info = await run('docker', ['info', '--format', '{{.ServerVersion}}'], brief)
  signal.throwIfAborted()
  if (info.code !== 0) return null
  if ((await run('docker', ['image', 'inspect', IMAGE], signal)).code !== 0) {
    say(`Pulling ${IMAGE} …`)
    const pull = await run('docker', ['pull', '--quiet', IMAGE], signal)
    signal.throwIfAborted()
    if (pull.code !== 0) {
      say(`The image cannot be pulled (${lastLine(pull.output)}); trying Python.`)
      return null
    }
  }
  return {
    name: `Docker, image ${IMAGE}`,
    kind: 'docker',
    async start(folder, args, env, onLine) {
      const container = `skeldir-fuzz-${randomBytes(6).toString('hex')}`
      const variables = Object.entries({ ...env, HOME: '/tmp' }).flatMap(([name, value]) => ['-e', `${name}=${value}`])
      const user = process.getuid === undefined ? [] : ['--user', `${process.getuid()}:${process.getgid?.() ?? 0}`]
      const place = ['--network', 'host', '-v', `${folder}:${MOUNT}`, '-w', MOUNT]
      const command = ['run', '--rm', '--init', '--name', container, ...user, ...place, ...variables, IMAGE, ...args]
      const child = await startChild({ command: 'docker', args: command, cwd: folder, env: process.env, onLine })
      return {
        ...child,
        // The client alone would leave the container behind when it has to be killed.
        async stop(hurry) {
          await run('docker', ['rm', '--force', container])
          await child.stop(hurry)
        },
      }
    },
  }
}

async function findPython({ say, signal, env = process.env }: RunnerOptions): Promise<Runner> {
  const found = await probePython(signal)
  if (found === null) throw new ToolError(INSTALL)
  const python = await installSchemathesis(found, { say, signal, env })
  return {
    name: `Python ${found.version}`,
    kind: 'python',
    start: (folder, args, extra, onLine) =>
      startChild({
        command: python,
        args: ['-m', 'schemathesis.cli', ...args],
        cwd: folder,
        env: { PATH: env.PATH, LANG: 'C.UTF-8', HOME: folder, ...extra },
        onLine,
      }),
  }
}

interface Python {
  command: string
  /** `3.11`. */
  version: string
}

async function probePython(signal: AbortSignal): Promise<Python | null> {
  const script = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])'
  for (const command of ['python3', 'python']) {
    const { code, output } = await run(command, ['-c', script], signal)
    signal.throwIfAborted()
    const version = /^(\d+)\.(\d+)$/m.exec(output)
    if (code !== 0 || version === null) continue
    const [major, minor] = [Number(version[1]), Number(version[2])]
    if (major > OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1])) {
      return { command, version: version[0] }
    }
  }
  return null
}

/** The environment's own python. Other requirements or another Python make another environment; old ones are removed. */
async function installSchemathesis(
  { command, version }: Python,
  { say, signal, env }: Required<RunnerOptions>,
): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12)
  const folder = join(openLocalState(env).folder, 'schemathesis', `python${version}-${hash}`)
  const pythonOf = (place: string) => join(place, 'bin', 'python')
  if (existsSync(pythonOf(folder))) return pythonOf(folder)

  say(`Installing Schemathesis ${SCHEMATHESIS_VERSION} for Python ${version} (once, about 40 MB) …`)
  const began = performance.now()
  mkdirSync(dirname(folder), { recursive: true })
  // Made aside and renamed when complete: an interruption leaves nothing that looks finished.
  const fresh = mkdtempSync(`${folder}.new-`)
  try {
    const made = await run(command, ['-m', 'venv', fresh], signal)
    signal.throwIfAborted()
    if (made.code !== 0) throw new ToolError(`${INSTALL} ${command} -m venv said: ${lastLine(made.output)}`)
    const quiet = ['--quiet', '--disable-pip-version-check', '--no-input', '--only-binary', ':all:']
    const pip = await run(pythonOf(fresh), ['-m', 'pip', 'install', ...quiet, '-r', REQUIREMENTS], signal)
    signal.throwIfAborted()
    if (pip.code !== 0) throw new ToolError(`pip could not install Schemathesis: ${lastLine(pip.output)}`)
    if (!existsSync(folder)) renameSync(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  for (const name of readdirSync(dirname(folder))) {
    const isOld = name.startsWith(`python${version}-`) && name !== basename(folder) && !name.includes('.new-')
    if (isOld) rmSync(join(dirname(folder), name), { recursive: true, force: true })
  }
  say(`Installed (${((performance.now() - began) / 1000).toFixed(1)} s)`)
  return pythonOf(folder)
}

/** Code 127 where the command is not there. */
function run(
  command: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal !== undefined && { signal }) })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        output = (output + chunk).slice(-8_192)
      })
    }
    child.on('error', () => done({ code: 127, output }))
    child.on('close', (code) => done({ code: code ?? 1, output }))
  })
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? ''
}
