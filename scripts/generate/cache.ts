import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { compareText } from './json.ts'

/** What one step was made from and what it wrote, as hashes. */
export interface StepRecord {
  inputs: string
  outputs: string
}

export type Cache = Record<string, StepRecord>

const FILE = '.skeldir/cache/generate.json'

export function readCache(root: string): Cache {
  try {
    return JSON.parse(readFileSync(join(root, FILE), 'utf8')) as Cache
  } catch {
    // No cache, or half of one: everything is made again.
    return {}
  }
}

export function writeCache(root: string, cache: Cache): void {
  writeAtomically(join(root, FILE), `${JSON.stringify(cache, null, 2)}\n`)
}

/** Another process sees the old file or the new one, never a part. */
export function writeAtomically(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true })
  const aside = `${path}.${process.pid}`
  writeFileSync(aside, content)
  renameSync(aside, path)
}

/** Of files and folders (all of their files) below `root`; one that does not exist counts as such. */
export function hashFiles(root: string, paths: readonly string[], extra = ''): string {
  const hash = createHash('sha256').update(extra)
  for (const path of paths.flatMap((path) => listFiles(root, path)).sort(compareText)) {
    const content = readText(join(root, path))
    hash.update(`\0${path}\0${content === null ? 'absent' : content.length}\0${content ?? ''}`)
  }
  return hash.digest('hex')
}

function listFiles(root: string, path: string): string[] {
  try {
    const entries = readdirSync(join(root, path), { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) =>
        `${path}${`${entry.parentPath}/${entry.name}`.slice(join(root, path).length)}`.split(sep).join('/'),
      )
  } catch {
    return [path]
  }
}

export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** `name@version` of the packages that shape the output, from the lock file. */
export function lockedVersions(root: string, names: readonly string[]): string {
  const lock = readText(join(root, 'package-lock.json'))
  const packages =
    lock === null ? {} : (JSON.parse(lock) as { packages: Record<string, { version?: string }> }).packages
  return names.map((name) => `${name}@${packages[`node_modules/${name}`]?.version ?? 'none'}`).join('\n')
}
