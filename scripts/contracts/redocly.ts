import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { BaseResolver, type Config, createConfig, getLineColLocation, lint, loadConfig } from '@redocly/openapi-core'
import type { Position, Severity } from './finding.ts'
import type { DocumentFolder } from './folder.ts'
import { references, targetOf } from './source.ts'

export interface RedoclyProblem extends Position {
  ruleId: string
  message: string
  severity: Severity
}

/**
 * Findings of these rules come from gates that say more, so that each fault is reported once; they are not run, since
 * Redocly compiles every schema for them.
 */
export const ELSEWHERE = [
  'spec',
  'no-unresolved-refs',
  'no-invalid-media-type-examples',
  'no-invalid-parameter-examples',
  'no-invalid-schema-examples',
  'rule/media-type-named-examples',
  'rule/parameter-example',
  'operation-4xx-problem-details-rfc7807',
  // A redirect is a success too.
  'operation-2xx-response',
  // Taken for every schema without a type, such as an alternative; ours look at each form.
  'rule/string-bounded',
  'rule/array-bounded',
  'rule/object-closed',
]

/** By the content of a document and of all that it refers to. */
const remembered = new Map<string, RedoclyProblem[]>()
const MAX_REMEMBERED = 500

/** Redocly's findings for every document, under api-contracts/redocly.yaml or, for others' documents, its minimal rules. */
export async function lintDocuments(ctx: DocumentFolder): Promise<RedoclyProblem[]> {
  const config = await readConfig(ctx)
  config.skipRules(ELSEWHERE)
  const aliases = aliasesOf(ctx, config)
  const problems: RedoclyProblem[] = []
  for (const name of ctx.names) {
    const file = join(ctx.folder, name)
    const alias = aliases.get(file)
    const key = closureHash(ctx, file, `${alias ?? ''} ${ctx.files.name(file)} ${configText(ctx)}`)
    const known = remembered.get(key)
    const found = known ?? (await lintDocument(ctx, file, forAlias(config, alias)))
    if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value ?? '')
    remembered.set(key, found)
    problems.push(...found)
  }
  return distinct(problems)
}

/** With the rules that the document sets for itself. */
function forAlias(config: Config, alias: string | undefined): Config {
  if (alias === undefined) return config
  const own = config.forAlias(alias)
  own.skipRules(ELSEWHERE)
  return own
}

/** Documents that redocly.yaml lists, by absolute path; null where there is none. */
export function listedDocuments(ctx: DocumentFolder): Set<string> | null {
  const file = join(ctx.home, 'redocly.yaml')
  if (!existsSync(file)) return null
  const { apis = {} } = ctx.files.parse(file) as { apis?: Record<string, { root?: string }> }
  return new Set(Object.values(apis).map(({ root = '' }) => join(ctx.home, root)))
}

function configText(ctx: DocumentFolder): string {
  const file = join(ctx.home, 'redocly.yaml')
  return ctx.profile === 'skeldir' && existsSync(file) ? ctx.files.text(file) : 'none'
}

function readConfig(ctx: DocumentFolder): Promise<Config> {
  const configPath = join(ctx.home, 'redocly.yaml')
  if (ctx.profile === 'skeldir' && existsSync(configPath)) return loadConfig({ configPath })
  return createConfig({ extends: ['minimal'], rules: { struct: 'error', 'no-unresolved-refs': 'error' } })
}

function aliasesOf(ctx: DocumentFolder, config: Config): Map<string, string> {
  const { apis = {} } = config.resolvedConfig
  return new Map(Object.entries(apis).map(([alias, { root }]) => [join(ctx.home, root), alias]))
}

async function lintDocument(ctx: DocumentFolder, ref: string, config: Config): Promise<RedoclyProblem[]> {
  let problems: Awaited<ReturnType<typeof lint>>
  try {
    problems = await lint({ ref, config, externalRefResolver: new BaseResolver(config.resolve) })
  } catch (error) {
    // A document of no known version, for one.
    const message = error instanceof Error ? error.message : String(error)
    return [{ ruleId: 'struct', message, severity: 'error', file: ctx.files.name(ref), line: 1, column: 1 }]
  }
  return problems.flatMap(({ ruleId, message, severity, location, ignored }) => {
    const [first] = location
    if (ignored === true || first === undefined) return []
    const { start } = getLineColLocation(first)
    const file = ctx.files.name(first.source.absoluteRef)
    return [
      {
        ruleId,
        message: message.replaceAll(/\s+/g, ' ').trim(),
        severity: severity === 'error' ? 'error' : 'warning',
        file,
        line: start.line,
        column: start.col,
      } satisfies RedoclyProblem,
    ]
  })
}

/** Of a document and everything that it reaches. */
export function closureHash(ctx: DocumentFolder, file: string, extra: string): string {
  const hash = createHash('sha1').update(extra)
  const seen = new Set<string>()
  const pending = [file]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue
    seen.add(next)
    hash.update(`\0${ctx.files.name(next)}\0`)
    // A reference that leads nowhere is another gate's finding.
    if (next !== file && !existsSync(next)) continue
    hash.update(ctx.files.text(next))
    pending.push(...neighboursOf(ctx, next))
  }
  return hash.digest('base64')
}

function neighboursOf(ctx: DocumentFolder, file: string): string[] {
  return ctx.once(`neighbours ${file}`, () => {
    const found = new Set<string>()
    for (const { ref } of references({ file, pointer: '#' }, ctx.files.parse(file))) {
      const target = targetOf(file, ref).file
      if (target !== file) found.add(target)
    }
    return [...found].sort()
  })
}

/** Shared parts are seen once per document that uses them. */
function distinct(problems: RedoclyProblem[]): RedoclyProblem[] {
  const seen = new Set<string>()
  return problems.filter(({ ruleId, file, line, column, message }) => {
    const key = `${ruleId} ${file} ${line} ${column} ${message}`
    return !seen.has(key) && seen.add(key) !== undefined
  })
}
