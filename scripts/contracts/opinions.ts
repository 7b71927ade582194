import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { OpenApiDocument } from '../generate/contract.ts'
import { pointerTokens } from '../generate/json.ts'

/** What another tool calls breaking. */
export interface Opinion {
  tool: string
  /** With every path that it may be about; none where it names none. */
  breaking: { paths: string[]; message: string }[]
}

const TIMEOUT_MS = 30_000
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** Asks Redocly, and oasdiff where it is installed. A tool that fails has no opinion. */
export async function askOthers(root: string, baseline: string, revision: OpenApiDocument): Promise<Opinion[]> {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-diff-'))
  try {
    const file = join(folder, 'openapi.json')
    writeFileSync(file, JSON.stringify(revision))
    const oasdiff = findOasdiff(root)
    const opinions = await Promise.all([
      askRedocly(folder, baseline, file),
      ...(oasdiff === undefined ? [] : [askOasdiff(oasdiff, baseline, file)]),
    ])
    return opinions.filter((opinion) => opinion !== null)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function askRedocly(cwd: string, baseline: string, revision: string): Promise<Opinion | null> {
  const cli = redoclyCli()
  if (cli === null) return null
  const args = [cli, 'diff', baseline, revision, '--format', 'json', '--fail-on', 'none']
  const output = await run(process.execPath, args, cwd)
  const report = parse(output) as { changes?: RedoclyChange[] } | null
  if (report === null) return null
  const breaking = (report.changes ?? []).flatMap(({ path, base, verdicts = [] }) =>
    verdicts
      .filter(({ impact }) => impact === 'major')
      .map(({ message }) => ({
        // A path that it takes for renamed is named as it is now.
        paths: [path, base?.pointer ?? ''].flatMap(pathOf),
        message: message.replaceAll('`', ''),
      })),
  )
  return { tool: 'redocly diff', breaking }
}

interface RedoclyChange {
  path: string
  base?: { pointer: string }
  verdicts?: { impact: string; message: string }[]
}

/** `#/paths/~1x/get/…` is of `/x`. */
function pathOf(pointer: string): string[] {
  const [kind, path] = pointerTokens(pointer)
  return kind === 'paths' && path !== undefined ? [path] : []
}

function redoclyCli(): string | null {
  try {
    const require = createRequire(import.meta.url)
    const file = require.resolve('@redocly/cli/package.json')
    const { bin } = require(file) as { bin: Record<string, string> }
    return bin.redocly === undefined ? null : join(dirname(file), bin.redocly)
  } catch {
    return null
  }
}

function findOasdiff(root: string): string | undefined {
  const folders = [join(root, '.skeldir/bin'), ...(process.env.PATH ?? '').split(delimiter)]
  const name = process.platform === 'win32' ? 'oasdiff.exe' : 'oasdiff'
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

async function askOasdiff(tool: string, baseline: string, revision: string): Promise<Opinion | null> {
  const output = await run(tool, ['breaking', baseline, revision, '--format', 'json'], tmpdir())
  const changes = output?.trim() === '' ? [] : (parse(output) as OasdiffChange[] | null)
  if (!Array.isArray(changes)) return null
  // Level 3 is an error; a warning may be wrong.
  const breaking = changes
    .filter(({ level = 3 }) => level >= 3)
    .map(({ path, text = 'a breaking change' }) => ({ paths: path === undefined ? [] : [path], message: text }))
  return { tool: 'oasdiff', breaking }
}

interface OasdiffChange {
  path?: string
  text?: string
  level?: number
}

/** What it prints; null where it could not run. That it ends with another code than 0 says only that it found something. */
function run(file: string, args: string[], cwd: string): Promise<string | null> {
  const env = { ...process.env, NO_COLOR: '1', REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env, timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout) => {
      resolve(error !== null && (error.killed === true || typeof error.code !== 'number') ? null : stdout)
    })
  })
}

function parse(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}
