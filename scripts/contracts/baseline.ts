// Freezes the contract as it is: api-contracts/baselines/<info.version>/openapi.json. A frozen contract never changes.
//   node scripts/contracts/baseline.ts
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { GenerateError } from '../generate/findings.ts'
import { createContext, platformOf } from './context.ts'
import { ToolError } from './finding.ts'

/** Returns the path of the file, relative to the root. Throws ToolError where that version is frozen already. */
export async function freezeBaseline(root: string): Promise<string> {
  const folder = join(root, 'api-contracts/openapi/v1')
  const ctx = createContext({ root, folder, profile: 'skeldir', isOwn: true, today: '' })
  const platform = await platformOf(ctx)
  const file = join(ctx.home, 'baselines', platform.info.version, 'openapi.json')
  const name = ctx.files.name(file)
  if (existsSync(file)) throw new ToolError(`${name} exists; a frozen contract is never changed, so step info.version`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(platform, null, 2)}\n`)
  return name
}

if (import.meta.main) {
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
    if (values.help) {
      console.log(
        'Freezes the contract as api-contracts/baselines/<info.version>/openapi.json; never overwrites one.\n  node scripts/contracts/baseline.ts',
      )
      process.exit(0)
    }
    console.log(`${await freezeBaseline(join(import.meta.dirname, '../..'))} is written`)
  } catch (error) {
    console.error(`baseline: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = error instanceof GenerateError ? 1 : 2
  }
}
