import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'
import { insertRules, renderRules } from '../rules-markdown.ts'

/** Of all gates, this one among them. */
export const rulesTableGate = (gates: () => readonly Gate[]): Gate => ({
  name: 'rules-table',
  description: 'the table of rules in api-contracts/README.md is made from the rules',
  profiles: ['skeldir'],
  needs: [],
  inputs: (ctx) => ['README.md', 'redocly.yaml'].map((name) => ctx.files.name(join(ctx.home, name))),
  skip: (ctx) => (existsSync(join(ctx.home, 'README.md')) ? undefined : 'there is no README beside the documents'),
  rules: [
    {
      id: 'rules-table/fresh',
      gate: 'rules-table',
      description: '`api-contracts/README.md` holds the table that `node scripts/contracts/rules-table.ts` writes.',
      check: (ctx) => staleTable(ctx, gates()),
    },
  ],
})

function staleTable(ctx: CheckContext, gates: readonly Gate[]): Fault[] {
  const file = join(ctx.home, 'README.md')
  const config = join(ctx.home, 'redocly.yaml')
  const written = readFileSync(file, 'utf8')
  const wanted = insertRules(written, renderRules(gates, existsSync(config) ? readFileSync(config, 'utf8') : ''))
  if (written === wanted) return []
  const lines = wanted.split('\n')
  const line = written.split('\n').findIndex((text, index) => text !== lines[index])
  return [
    {
      message: 'the table of rules is stale; run `node scripts/contracts/rules-table.ts`',
      at: { file: ctx.files.name(file), line: Math.max(line + 1, 1), column: 1 },
    },
  ]
}
