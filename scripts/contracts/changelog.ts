// Writes api-contracts/CHANGELOG.md: what changed between the frozen contracts, and since the newest.
//   node scripts/contracts/changelog.ts
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { OpenApiDocument } from '../generate/contract.ts'
import { compareText, isObject } from '../generate/json.ts'
import { readBaselines } from './baselines.ts'
import { type CheckContext, createContext, platformOf } from './context.ts'
import { type Change, diffContracts } from './diff.ts'
import { METHODS } from './source.ts'

const HEADER = `# Changelog of the contract

Made by \`node scripts/contracts/changelog.ts\` from the frozen contracts in \`baselines/\` and the documents as they are. Do not edit.
Operations that are drafts may change without notice.
`

export function changelogFile(ctx: CheckContext): string {
  return join(ctx.home, 'CHANGELOG.md')
}

/** Newest first. */
export async function renderChangelog(ctx: CheckContext): Promise<string> {
  const baselines = readBaselines(ctx)
  const platform = await platformOf(ctx)
  const sections: string[] = []
  const newest = baselines.at(-1)
  if (newest === undefined) sections.push(renderFirst(`${platform.info.version} (not frozen)`, platform))
  else {
    const changes = diffContracts(newest.document, platform)
    if (changes.length > 0) {
      const { version } = platform.info
      const title = version === newest.version ? `Since ${newest.version}` : `${version} (not frozen)`
      sections.push(renderSection(title, changes))
    }
  }
  for (const [index, { version, document }] of [...baselines.entries()].reverse()) {
    const previous = baselines[index - 1]
    sections.push(
      previous === undefined
        ? renderFirst(version, document)
        : renderSection(version, diffContracts(previous.document, document)),
    )
  }
  return `${HEADER}\n${sections.join('\n')}`
}

function renderSection(title: string, changes: Change[]): string {
  const groups: [string, (change: Change) => boolean][] = [
    ['Breaking', ({ kind }) => kind === 'breaking'],
    ['Deprecated', ({ what, kind }) => what === 'deprecated' && kind === 'compatible'],
    ['Added', ({ what, kind }) => what === 'added' && kind === 'compatible'],
    ['Changed', ({ what, kind }) => (what === 'changed' || what === 'removed') && kind === 'compatible'],
  ]
  const parts = groups.flatMap(([name, belongs]) => {
    const lines = changes.filter(belongs).map(renderChange).sort(compareText)
    return lines.length === 0 ? [] : [`### ${name}\n\n${[...new Set(lines)].join('\n')}\n`]
  })
  return `## ${title}\n\n${parts.length === 0 ? 'Nothing that callers see.\n' : parts.join('\n')}`
}

function renderChange({ operation, message, isDraft }: Change): string {
  return `- \`${operation}\`: ${message}${isDraft ? ' (draft)' : ''}`
}

function renderFirst(title: string, document: OpenApiDocument): string {
  const byDomain = new Map<string, string[]>()
  for (const item of Object.values(document.paths)) {
    for (const method of METHODS) {
      const node = item[method]
      if (!isObject(node)) continue
      const domain = String(node['x-domain'] ?? 'other')
      byDomain.set(domain, [...(byDomain.get(domain) ?? []), String(node.operationId)])
    }
  }
  const count = [...byDomain.values()].reduce((sum, { length }) => sum + length, 0)
  const lines = [...byDomain]
    .sort(([a], [b]) => compareText(a, b))
    .map(
      ([domain, ids]) =>
        `- ${domain}: ${ids
          .sort(compareText)
          .map((id) => `\`${id}\``)
          .join(', ')}`,
    )
  return `## ${title}\n\nThe first contract: ${count} operations.\n\n${lines.join('\n')}\n`
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    console.log(
      'Writes api-contracts/CHANGELOG.md: what changed between the newest baseline and the contract as it is.\n  node scripts/contracts/changelog.ts',
    )
    process.exit(0)
  }
  const root = join(import.meta.dirname, '../..')
  const folder = join(root, 'api-contracts/openapi/v1')
  const ctx = createContext({ root, folder, profile: 'skeldir', isOwn: true, today: '' })
  writeFileSync(changelogFile(ctx), await renderChangelog(ctx))
  console.log('api-contracts/CHANGELOG.md is written')
}
