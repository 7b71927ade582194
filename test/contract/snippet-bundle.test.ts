import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { makeSnippet } from '../../scripts/generate/snippet.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Bytes over the wire, once for each visitor of each shop; 2.95 kB when this was written. */
const BUDGET = 3_000

test('/collect.js is one small classic script, which a strict content security policy allows', async () => {
  const [[path, script] = ['', ''], ...others] = await makeSnippet(root)
  expect([path, others]).toEqual(['generated/snippet/collect.js', []])
  expect(gzipSync(script).length).toBeLessThan(BUDGET)
  // Nothing at the top level that a page could collide with, no folder of this machine, and nothing that makes code of text.
  expect(script).toMatch(/^\(function\(\)\{[\s\S]*\}\)\(\);\n$/)
  expect(script).not.toMatch(
    /\beval\b|\bFunction\(|innerHTML|insertAdjacentHTML|document\.write|createElement\(.script|sourceMappingURL|\bimport\b/,
  )
  expect(script.includes(root)).toBe(false)
})
