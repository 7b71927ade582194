import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { makeConsole } from '../../scripts/generate/console.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** What the bundle is made from. */
const SOURCES = ['src/console', 'src/money.ts', 'generated/client', 'tsconfig.json', 'package.json']
/** Bytes over the wire; 26 kB when this was written. */
const BUDGET = 40_000

test('the same bytes each time, in another folder, and in any environment', async ({ onTestFinished }) => {
  onTestFinished(() => void vi.unstubAllEnvs())
  const elsewhere = mkdtempSync(join(tmpdir(), 'skeldir-console-'))
  onTestFinished(() => rmSync(elsewhere, { recursive: true }))
  for (const source of SOURCES) cpSync(join(root, source), join(elsewhere, source), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(elsewhere, 'node_modules'), 'junction')
  const first = await hashConsole(root)
  expect(Object.keys(first)).toEqual([
    'generated/console/app.css',
    'generated/console/app.js',
    'generated/console/icon.svg',
    'generated/console/index.html',
  ])
  expect(await hashConsole(elsewhere)).toEqual(first)
  for (const environment of ['production', 'development', undefined]) {
    vi.stubEnv('NODE_ENV', environment)
    expect(await hashConsole(root), `NODE_ENV=${environment}`).toEqual(first)
  }
})

/** A difference of two bundles is nothing to read. */
async function hashConsole(folder: string): Promise<Record<string, string>> {
  const files = [...(await makeConsole(folder))]
  return Object.fromEntries(files.map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')]))
}

test('names no folder and loads nothing from elsewhere, and is small', async () => {
  const files = await makeConsole(root)
  for (const [path, text] of files) {
    expect(text.includes(root), path).toBe(false)
    const reaches = /@import|url\(\s*["']?(?:https?:)?\/\/|sourceMappingURL|\bimport\s*\(/.exec(text)
    expect(reaches?.[0], path).toBeUndefined()
  }
  expect(gzipSync(files.get('generated/console/app.js') ?? '').length).toBeLessThan(BUDGET)
})

test('a root without a console has no bundle', async ({ onTestFinished }) => {
  const empty = mkdtempSync(join(tmpdir(), 'skeldir-console-'))
  onTestFinished(() => rmSync(empty, { recursive: true }))
  expect(await makeConsole(empty)).toEqual(new Map())
})
