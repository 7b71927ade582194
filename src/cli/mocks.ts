import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './local-state.ts'
import { formatLogLine } from './log-lines.ts'
import { tryPort } from './ports.ts'
import { type KeepOptions, type Kept, keepRunning, startChild } from './supervise.ts'

const MAIN = 'mocks/main.ts'
/** A development package: an installation with `--omit=dev` serves the API, and has no mocks. */
const ENGINE = '@stoplight/prism-http'
/** The mocks' own default. */
const HOST = '127.0.0.1'

/** What their process needs. Everything else stays here: database URLs, the master key, and whatever else is set. */
const PASSED_ON = [
  'PATH',
  'HOME',
  'TMPDIR',
  'TEMP',
  'TMP',
  'SystemRoot',
  'LANG',
  'LC_ALL',
  'TZ',
  'NO_COLOR',
  'FORCE_COLOR',
  'NODE_COMPILE_CACHE',
]

export interface MocksStandIn {
  /** Arguments of Node. */
  command: readonly string[]
  gatewayPort: number
}

export interface MocksOptions {
  /** Of the API, which answers what it has implemented. */
  apiUrl: string
  env: NodeJS.ProcessEnv
  verbose: boolean
  /** Tests run a script of their own. */
  standIn?: MocksStandIn
  /** Where they are installed. Default: this repository. */
  root?: string
  delays?: KeepOptions['delays']
  /** Receives a line that is ready to print. */
  say: (line: string) => void
  /** Receives what we have to say ourselves. */
  note: (line: string) => void
  onChange: (mocks: { pid: number | null; url: string | null }) => void
}

export interface KeptMocks {
  kept: Kept
  /** Of the gateway, if nothing comes between; null where any free port will do. */
  expectedUrl: string | null
}

/**
 * Null, after a sentence, where they cannot run. Does not wait until they answer, and throws none of their faults. Their
 * stderr is passed on; of their stdout, a table of all ports, only the gateway's unless `verbose`.
 */
export async function keepMocks(options: MocksOptions): Promise<KeptMocks | null> {
  const { note, onChange, standIn, delays, root = repositoryRoot } = options
  if (standIn === undefined && !isInstalled(root)) {
    note(`The mocks are left out: ${ENGINE} is not installed (development packages are omitted).`)
    return null
  }
  const current: { pid: number | null; url: string | null } = { pid: null, url: null }
  const change = (fresh: Partial<typeof current>) => onChange(Object.assign(current, fresh))
  const onLine = (line: string, stream: 'stdout' | 'stderr') => {
    const url = stream === 'stdout' ? /^gateway +(http:\S+)$/.exec(line)?.[1] : undefined
    if (url !== undefined) {
      change({ url })
      note(`The mocks answer at ${url}`)
    } else if (stream === 'stderr' || options.verbose) {
      options.say(formatLogLine('mocks', line.replace(/^mocks: /, ''), process.stderr.isTTY === true))
    }
  }
  try {
    const port = standIn?.gatewayPort ?? readGatewayPort(root)
    // Most likely it is another platform that has it, and its mocks have the other fixed ports too.
    const isTaken = (await tryPort(HOST, port)) === null
    if (isTaken) note(`Port ${port} is taken, so the mocks use free ports.`)
    const command = standIn?.command ?? [MAIN]
    const args = [...command, '--real', options.apiUrl, ...(isTaken ? ['--ports', 'free'] : [])]
    const kept = await keepRunning({
      name: 'mocks',
      say: note,
      ...(delays !== undefined && { delays }),
      start: () => startChild({ command: process.execPath, args, cwd: root, env: toEnvironment(options.env), onLine }),
      onChange: (running) => change({ pid: running?.pid ?? null, url: null }),
    })
    return { kept, expectedUrl: isTaken ? null : `http://${HOST}:${port}` }
  } catch (error) {
    note(`The mocks did not start: ${(error as Error).message}`)
    return null
  }
}

function isInstalled(root: string): boolean {
  return [MAIN, `node_modules/${ENGINE}/package.json`].every((path) => existsSync(join(root, path)))
}

function readGatewayPort(root: string): number {
  const registry = JSON.parse(readFileSync(join(root, 'mocks/registry.json'), 'utf8'))
  return registry.gateway.port
}

function toEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const passed = PASSED_ON.filter((name) => env[name] !== undefined).map((name) => [name, env[name]])
  return { ...Object.fromEntries(passed), SKELDIR_SUPERVISED: '1' }
}
