import { createHash } from 'node:crypto'
import { join, relative, resolve } from 'node:path'
import { hashFiles, readText, writeAtomically } from '../generate/cache.ts'
import { compareText } from '../generate/json.ts'
import type { CheckContext } from './context.ts'
import type { Finding } from './finding.ts'
import type { Counts, Gate } from './gate.ts'

export interface CachedResult {
  findings: Finding[]
  counts?: Counts
}

interface Entry {
  key: string
  result: CachedResult
}

/** Results per gate that are kept: switching between two branches stays quick. */
const KEPT = 4
const ENGINE_ROOT = join(import.meta.dirname, '../..')
/** What decides how a gate judges, beside what it looks at. */
const ENGINE = ['scripts/contracts', 'scripts/generate', 'scripts/generate.ts', 'package-lock.json']

/** Of everything that the result of a gate depends on. */
export function keyOfGate(ctx: CheckContext, gate: Gate, engine: string): string {
  const hash = createHash('sha256').update(`${gate.name}\0${ctx.profile}\0${ctx.isOwn}\0${engine}`)
  hash.update(ctx.once('documents hash', () => hashDocuments(ctx)))
  const inputs = (gate.inputs?.(ctx) ?? []).map((input) => relative(ctx.root, resolve(ctx.root, input)))
  hash.update(hashFiles(ctx.root, inputs, gate.usesToday ? ctx.today : ''))
  return hash.digest('base64url')
}

export function engineHash(): string {
  return hashFiles(ENGINE_ROOT, ENGINE)
}

/** Parts of others' documents may stand outside the folder, so what they reach is hashed as well. */
function hashDocuments(ctx: CheckContext): string {
  const hash = createHash('sha256').update(hashFiles(ctx.folder, [...ctx.names].sort(compareText)))
  try {
    for (const file of ctx.source().files) hash.update(`\0${ctx.files.name(file)}\0${ctx.files.text(file)}`)
  } catch {
    // Unreadable: the document gate says so, and nothing of it is kept.
    hash.update(Math.random().toString())
  }
  return hash.digest('hex')
}

function fileOf(ctx: CheckContext, gate: Gate): string {
  return join(ctx.root, '.skeldir/cache/contracts', `${gate.name}.json`)
}

export function readResult(ctx: CheckContext, gate: Gate, key: string): CachedResult | undefined {
  return readEntries(ctx, gate).find((entry) => entry.key === key)?.result
}

export function writeResult(ctx: CheckContext, gate: Gate, key: string, result: CachedResult): void {
  const others = readEntries(ctx, gate).filter((entry) => entry.key !== key)
  writeAtomically(fileOf(ctx, gate), `${JSON.stringify([{ key, result }, ...others].slice(0, KEPT))}\n`)
}

function readEntries(ctx: CheckContext, gate: Gate): Entry[] {
  try {
    return JSON.parse(readText(fileOf(ctx, gate)) ?? '[]') as Entry[]
  } catch {
    return []
  }
}
