// One role: writes what Schemathesis reads, runs it, and reads what it reports.

import { copyFileSync, createReadStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ToolError } from '../finding.ts'
import type { Actor } from './provision.ts'
import { type RoleResult, readEvents } from './results.ts'
import type { Runner } from './runner.ts'
import { FILES, labelOf, type RunSettings, toConfig, toHookSettings } from './settings.ts'

const HOOKS = fileURLToPath(new URL('hooks.py', import.meta.url))
/** Schemathesis ends with 0 and 1 when it has done its work. */
const LAST_FINE_CODE = 1
const KEPT_LINES = 30

export interface RoleRun {
  result: RoleResult
  /** How often an entry of narrowed.json, by its index, let a failure pass. */
  hits: Record<string, number>
}

export interface RoleRunOptions extends RunSettings {
  runner: Runner
  actor: Actor
  /** The document to test, as JSON. */
  schema: string
  /** Made by this function. */
  folder: string
  signal: AbortSignal
}

/** Throws ToolError when Schemathesis did not get to its end. */
export async function runRole(options: RoleRunOptions): Promise<RoleRun> {
  const { runner, actor, folder, signal, plan, operations } = options
  mkdirSync(folder)
  writeFileSync(join(folder, FILES.schema), options.schema)
  writeFileSync(join(folder, FILES.config), toConfig(options))
  writeFileSync(join(folder, FILES.settings), JSON.stringify(toHookSettings(options, actor)))
  copyFileSync(HOOKS, join(folder, FILES.hooks))

  const lines: string[] = []
  const args = ['--config-file', FILES.config, 'run', FILES.schema, '--no-color']
  const env = {
    SCHEMATHESIS_HOOKS: FILES.hooks,
    SKELDIR_FUZZ_SETTINGS: FILES.settings,
    PYTHONDONTWRITEBYTECODE: '1',
    // Else the order of Python's sets, and with it the cases of one seed, would change from run to run.
    PYTHONHASHSEED: String(options.seed % 2 ** 32),
  }
  const running = await runner.start(folder, args, env, (line) => {
    lines.push(line)
    if (lines.length > KEPT_LINES) lines.shift()
  })
  const stop = () => void running.stop()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const { code } = await running.exited
  signal.removeEventListener('abort', stop)
  signal.throwIfAborted()

  const events = join(folder, FILES.events)
  const failed = (why: string) => new ToolError(`Schemathesis as ${plan.role} ${why}:\n${lines.join('\n').trim()}`)
  if (code === null || code > LAST_FINE_CODE || !existsSync(events)) throw failed(`ended with status ${code}`)
  const ids = new Map(Object.entries(operations).map(([id, row]) => [labelOf(row), id]))
  const input = createReadStream(events)
  const result = await readEvents(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }), plan.role, (label) =>
    ids.get(label),
  )
  if (!result.isComplete) throw failed('did not finish')
  const hits = join(folder, FILES.hits)
  return { result, hits: existsSync(hits) ? JSON.parse(readFileSync(hits, 'utf8')) : {} }
}
