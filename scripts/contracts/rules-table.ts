// Writes the table of all gates and rules into api-contracts/README.md, between the two marks.
//   node scripts/contracts/rules-table.ts
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gates } from './gates.ts'
import { insertRules, renderRules } from './rules-markdown.ts'

if (import.meta.main) {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    console.log(
      'Writes the table of all gates and rules into api-contracts/README.md, between its two marks.\n  node scripts/contracts/rules-table.ts',
    )
    process.exit(0)
  }
  const home = join(import.meta.dirname, '../../api-contracts')
  const readme = join(home, 'README.md')
  const config = join(home, 'redocly.yaml')
  const table = renderRules(gates, existsSync(config) ? readFileSync(config, 'utf8') : '')
  writeFileSync(readme, insertRules(readFileSync(readme, 'utf8'), table))
  console.log('api-contracts/README.md is written')
}
