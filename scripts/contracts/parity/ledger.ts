import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isAlive } from '../../../src/os-process.ts'
import { hashFiles, readText, writeAtomically } from '../../generate/cache.ts'
import type { Witness } from './witness.ts'

/** What decides which answers the API tests meet, and how they are recorded. */
const INPUTS = [
  'generated',
  'src',
  'migrations',
  'test/api',
  'test/support',
  'scripts/contracts/parity/mask.ts',
  'scripts/contracts/parity/witness.ts',
]
const FOLDER = '.skeldir/parity'
const RUN = /^run-(\d+)-[0-9a-f]+$/

/** The answers of one complete, passed run of the API tests. */
interface Manifest {
  /** Hash of INPUTS. */
  inputs: string
  /** Folder of its files. */
  run: string
  recorded_at: string
}

export interface Recording {
  /** Of the witnesses: one NDJSON file for each process that has any. */
  folder: string
  /** Makes it the ledger, in place of the one before, of the sources as they were when it began. */
  keep(): void
  discard(): void
}

/** A folder for the answers of a run. Throws where nothing can be written. */
export function startRecording(root: string): Recording {
  removeLost(root)
  const run = `run-${process.pid}-${randomBytes(4).toString('hex')}`
  const folder = join(root, FOLDER, run)
  const inputs = hashInputs(root)
  mkdirSync(folder, { recursive: true })
  const discard = () => rmSync(folder, { recursive: true, force: true })
  return {
    folder,
    discard,
    keep() {
      const before = readManifest(root)
      const manifest: Manifest = { inputs, run, recorded_at: new Date().toISOString() }
      writeAtomically(fileOf(root), `${JSON.stringify(manifest, null, 2)}\n`)
      if (before !== null) rmSync(join(root, FOLDER, before.run), { recursive: true, force: true })
    },
  }
}

export interface Ledger {
  witnesses: Witness[]
  recordedAt: string
  /** Whether the sources are still those of the recording. */
  isCurrent: boolean
}

/** Null where there is none. */
export function readLedger(root: string): Ledger | null {
  const manifest = readManifest(root)
  if (manifest === null) return null
  const folder = join(root, FOLDER, manifest.run)
  try {
    const witnesses = readdirSync(folder)
      .filter((name) => name.endsWith('.ndjson'))
      .sort()
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Witness)
    return { witnesses, recordedAt: manifest.recorded_at, isCurrent: manifest.inputs === hashInputs(root) }
  } catch {
    // Removed by a newer run just now, or by hand: as if there were none.
    return null
  }
}

export function forgetLedger(root: string): void {
  rmSync(fileOf(root), { force: true })
}

function hashInputs(root: string): string {
  return hashFiles(root, INPUTS)
}

function fileOf(root: string): string {
  return join(root, FOLDER, 'ledger.json')
}

function readManifest(root: string): Manifest | null {
  try {
    return JSON.parse(readText(fileOf(root)) ?? 'null') as Manifest | null
  } catch {
    return null
  }
}

/** Folders of runs that were killed. */
function removeLost(root: string): void {
  const kept = readManifest(root)?.run
  let names: string[] = []
  try {
    names = readdirSync(join(root, FOLDER))
  } catch {
    return
  }
  for (const name of names) {
    const pid = Number(RUN.exec(name)?.[1])
    if (Number.isNaN(pid) || name === kept || isAlive(identify(pid))) continue
    rmSync(join(root, FOLDER, name), { recursive: true, force: true })
  }
}
