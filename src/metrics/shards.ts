import { randomUUID } from 'node:crypto'
import { lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Family, Sample } from './registry.ts'

/*
 * Workers serve no metrics. Each writes what it has counted to a file of its own, whole and again and again, and the
 * exporter adds the files up. What a worker counted stays when it ends, however it ended: the exporter takes the file
 * over into `retired.json`, so that no sum ever falls but by what the last second of a killed worker was.
 */

const RETIRED = 'retired.json'
/** Of a file of sums that is none any more: kept for whoever wants to look, and told of until it is removed. */
const BAD = '.bad'
/** Of what is being written, or was when its worker was killed. */
const DRAFT = '.draft'
const SHARD = /^[0-9a-f-]{36}\.shard\.json$/

/** A worker writes more often than that as long as it lives. */
export const FRESH_MS = 15_000
/** A file that nobody has written for so long is nobody's any more. */
export const RETIRE_AFTER_MS = 60_000
/**
 * A folder with more is not what it should be. A file in which every series is has 30 kB (measured, with 17 tasks and
 * exemplars), so 6 MB are read and added up for an answer at most.
 */
export const MAX_SHARDS = 200

export interface Shard {
  id: string
  families: Family[]
  writtenMs: number
}

interface Retired {
  /** Files that are in the sums; each is removed right after it was added, and never added twice. */
  ids: string[]
  count: number
  families: Family[]
}

/** Creates the folder where there is none, in one that is there. Throws where it is not ours, or others may write to it. */
export async function openFolder(folder: string): Promise<void> {
  // Not with those above it: where a file system refuses a folder as missing (/proc), Node 24 would try for ever.
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const { uid, mode } = await lstat(folder)
  const isOurs = process.getuid === undefined || uid === process.getuid() || uid === 0
  if (!isOurs || (mode & 0o002) !== 0)
    throw new Error(`the folder of metrics, ${folder}, belongs to somebody else or is open to everybody`)
}

export interface ShardWriter {
  /**
   * Puts the figures in the place of those written last. False: somebody has taken those over, after this process was
   * silent for too long; it must begin anew from nothing. Throws where the folder has too many files.
   */
  write(families: readonly Family[]): Promise<boolean>
}

export function createShardWriter(folder: string): ShardWriter {
  let id: string | undefined
  return {
    async write(families) {
      const isNew = id === undefined
      const names = await readdir(folder)
      if (isNew && names.filter((name) => SHARD.test(name)).length >= MAX_SHARDS)
        throw new Error(`the folder of metrics, ${folder}, has ${MAX_SHARDS} files already`)
      id ??= randomUUID()
      if (!isNew && !names.includes(nameOf(id))) {
        id = undefined
        return false
      }
      await replace(join(folder, nameOf(id)), { families })
      return true
    },
  }
}

export interface Folder {
  /** Of workers that may still be there. */
  shards: Shard[]
  retired: { count: number; families: Family[] }
  unreadable: number
}

/** Reads the folder. */
export async function readFolder(folder: string): Promise<Folder> {
  const known = await readRetired(folder)
  const retired = known ?? NONE_RETIRED
  const taken = new Set(retired.ids)
  const shards: Shard[] = []
  const names = await readdir(folder)
  let unreadable = (known === null ? 1 : 0) + (names.includes(RETIRED + BAD) ? 1 : 0)
  for (const name of names.filter((file) => SHARD.test(file)).slice(0, MAX_SHARDS)) {
    const id = name.slice(0, 36)
    if (taken.has(id)) continue
    try {
      const { mtimeMs } = await lstat(join(folder, name))
      const { families } = JSON.parse(await readFile(join(folder, name), 'utf8'))
      if (!areFamilies(families)) throw new TypeError('no figures')
      shards.push({ id, families, writtenMs: mtimeMs })
    } catch (error) {
      // Taken over or replaced in this moment.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') unreadable += 1
    }
  }
  return { shards, retired: { count: retired.count, families: retired.families }, unreadable }
}

/**
 * Takes over what was written by workers that are gone. For one process at a time: the exporter. Sums that cannot be
 * read, as a full disk may leave them, are put aside and begin anew: what is lost is in the past, and what comes counts.
 */
export async function retire(folder: string, nowMs: number): Promise<void> {
  const found = await readRetired(folder)
  if (found === null) await rename(join(folder, RETIRED), join(folder, RETIRED + BAD))
  const known = found ?? NONE_RETIRED
  const left = new Set(await readdir(folder))
  // Whatever was added and could not be removed then.
  for (const id of known.ids) if (left.has(nameOf(id))) await rm(join(folder, nameOf(id)), { force: true })
  for (const draft of [...left].filter((name) => name.endsWith(DRAFT))) await removeWhenOld(join(folder, draft), nowMs)
  const gone = (await readFolder(folder)).shards.filter(({ writtenMs }) => nowMs - writtenMs > RETIRE_AFTER_MS)
  if (gone.length === 0) return
  const lasting = gone.map(({ families }) => families.filter(({ type }) => type !== 'gauge'))
  const sums = addUp([known.families, ...lasting])
  const ids = gone.map(({ id }) => id)
  const next: Retired = { ids, count: known.count + gone.length, families: sums }
  await replace(join(folder, RETIRED), next, { isLasting: true })
  for (const id of ids) await rm(join(folder, nameOf(id)), { force: true })
}

/** Sums of counters and histograms with their newest exemplars; gauges as their definition says. */
export function addUp(parts: readonly (readonly Family[])[]): Family[] {
  const families = new Map<string, { family: Family; samples: Map<string, Sample> }>()
  for (const family of parts.flat()) {
    const known = families.get(family.name) ?? { family, samples: new Map<string, Sample>() }
    families.set(family.name, known)
    for (const sample of family.values) {
      const key = `${sample.metricName ?? ''} ${JSON.stringify(Object.entries(sample.labels).sort())}`
      const other = known.samples.get(key)
      known.samples.set(key, other === undefined ? sample : combine(known.family.aggregator, other, sample))
    }
  }
  return [...families.values()].map(({ family, samples }) => ({ ...family, values: [...samples.values()] }))
}

function combine(aggregator: string, a: Sample, b: Sample): Sample {
  const value = aggregator === 'max' ? Math.max(a.value, b.value) : a.value + b.value
  const newest = (a.exemplar?.timestamp ?? 0) >= (b.exemplar?.timestamp ?? 0) ? a.exemplar : b.exemplar
  return { ...a, value, exemplar: newest }
}

const NONE_RETIRED: Retired = { ids: [], count: 0, families: [] }

/** Null where the file is no sums. */
async function readRetired(folder: string): Promise<Retired | null> {
  try {
    const sums = JSON.parse(await readFile(join(folder, RETIRED), 'utf8'))
    const { ids, count, families } = sums
    return isListOf(ids, isText) && Number.isFinite(count) && areFamilies(families) ? sums : null
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NONE_RETIRED
    // JSON that ends early, or holds no object.
    if (error instanceof SyntaxError || error instanceof TypeError) return null
    throw error
  }
}

function areFamilies(value: unknown): value is Family[] {
  return isListOf(value, isFamily)
}

function isFamily(value: unknown): boolean {
  if (!isObject(value)) return false
  const { name, help, type, aggregator, values } = value
  return [name, help, type, aggregator].every(isText) && isListOf(values, isSample)
}

function isSample(value: unknown): boolean {
  if (!isObject(value)) return false
  const { value: figure, labels, metricName, exemplar } = value
  const isNamed = metricName === undefined || isText(metricName)
  const isShown = exemplar == null || (isObject(exemplar) && isObject(exemplar.labelSet))
  return Number.isFinite(figure) && isObject(labels) && isNamed && isShown
}

function isListOf(value: unknown, is: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function nameOf(id: string): string {
  return `${id}.shard.json`
}

async function removeWhenOld(path: string, nowMs: number): Promise<void> {
  try {
    if (nowMs - (await lstat(path)).mtimeMs > RETIRE_AFTER_MS) await rm(path, { force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Whoever reads sees the old file or the new one, whole; one that `isLasting` after the machine's sudden end too. */
async function replace(path: string, content: object, { isLasting = false } = {}): Promise<void> {
  const draft = `${path}.${process.pid}${DRAFT}`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(content))
    if (isLasting) await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}
