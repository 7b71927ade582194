import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/** What the gates look at. */
const PARTS = [
  'api-contracts',
  'generated',
  'mocks',
  'src',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'compose.yaml',
]

/** A copy of the repository that shares nothing with it but the installed packages. */
export function copyRepository(root: string, target: string): void {
  mkdirSync(target, { recursive: true })
  for (const part of PARTS) {
    if (existsSync(join(root, part))) cpSync(join(root, part), join(target, part), { recursive: true })
  }
  linkPackages(root, target)
}

/**
 * A copy of a copy, with some files changed. The others are hard links, which costs milliseconds; nothing may write into
 * them, so what changes is a new file.
 */
export function copyWithEdits(pristine: string, target: string, edits: Readonly<Record<string, string | null>>): void {
  mkdirSync(target, { recursive: true })
  for (const part of PARTS) if (existsSync(join(pristine, part))) link(pristine, target, part, edits)
  linkPackages(pristine, target)
  for (const [path, text] of Object.entries(edits)) {
    if (text === null) continue
    mkdirSync(dirname(join(target, path)), { recursive: true })
    writeFileSync(join(target, path), text, { flag: 'wx' })
  }
}

function link(from: string, to: string, path: string, edits: Readonly<Record<string, string | null>>): void {
  if (Object.hasOwn(edits, path)) return
  const entries = listFolder(join(from, path))
  if (entries === null) {
    linkFile(join(from, path), join(to, path))
    return
  }
  mkdirSync(join(to, path))
  for (const entry of entries) link(from, to, `${path}/${entry}`, edits)
}

function listFolder(path: string): string[] | null {
  try {
    return readdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return null
    throw error
  }
}

/** File systems without hard links get a copy. */
function linkFile(from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to)
  }
}

function linkPackages(root: string, target: string): void {
  symlinkSync(join(root, 'node_modules'), join(target, 'node_modules'), 'junction')
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
