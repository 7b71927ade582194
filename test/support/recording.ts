import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startRecording } from '../../scripts/contracts/parity/ledger.ts'
import { WITNESS_FOLDER } from '../../scripts/contracts/parity/witness.ts'

const root = join(import.meta.dirname, '../..')

/**
 * Records what the server answers in this run, for `npm run contracts:diff`: 0.2 s in a run of all tests. Returns what
 * ends it: the answers are kept if every API test was run and passed, else thrown away.
 */
export function recordWitnesses({ vitest }: TestProject): () => void {
  if (vitest.config.watch) return () => {}
  try {
    const recording = startRecording(root)
    process.env[WITNESS_FOLDER] = recording.folder
    return () => {
      delete process.env[WITNESS_FOLDER]
      if (isComplete(vitest)) recording.keep()
      else recording.discard()
    }
  } catch (error) {
    // A checkout that cannot be written to can still be tested.
    process.stderr.write(`answers are not recorded: ${error instanceof Error ? error.message : String(error)}\n`)
    return () => {}
  }
}

function isComplete({ config, state }: TestProject['vitest']): boolean {
  if (config.testNamePattern !== undefined) return false
  const passed = new Set(
    state
      .getTestModules()
      .filter((module) => module.state() === 'passed')
      .map(({ moduleId }) => moduleId),
  )
  const folder = join(root, 'test/api')
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts'))
  return files.length > 0 && files.every((name) => passed.has(join(folder, name)))
}
