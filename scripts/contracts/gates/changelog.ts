import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { changelogFile, renderChangelog } from '../changelog.ts'
import type { CheckContext } from '../context.ts'
import type { Fault } from '../finding.ts'
import type { Gate } from '../gate.ts'

export const changelogGate: Gate = {
  name: 'changelog',
  description: 'the changelog is what baselines and documents give now',
  profiles: ['skeldir'],
  needs: ['document', 'bundle', 'lint', 'examples', 'error-model', 'breaking'],
  inputs: (ctx) => [ctx.files.name(join(ctx.home, 'baselines')), ctx.files.name(changelogFile(ctx))],
  rules: [
    {
      id: 'changelog/fresh',
      gate: 'changelog',
      description: '`api-contracts/CHANGELOG.md` is what `node scripts/contracts/changelog.ts` writes.',
      check: staleChangelog,
    },
  ],
}

async function staleChangelog(ctx: CheckContext): Promise<Fault[]> {
  const file = changelogFile(ctx)
  const wanted = await renderChangelog(ctx)
  const written = existsSync(file) ? readFileSync(file, 'utf8') : null
  if (written === wanted) return []
  const lines = wanted.split('\n')
  const line = (written ?? '').split('\n').findIndex((text, index) => text !== lines[index]) + 1
  const state = written === null ? 'is missing' : 'is stale'
  return [
    {
      message: `the changelog ${state}; run \`node scripts/contracts/changelog.ts\``,
      at: { file: ctx.files.name(file), line: Math.max(line, 1), column: 1 },
    },
  ]
}
