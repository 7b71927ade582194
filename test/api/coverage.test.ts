import { readdirSync, readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { operations } from '../../generated/operations.ts'
import { notImplementedOperations } from '../../src/main/not-implemented.ts'

/** Proven by their own files; the others are 501 (not-implemented.test.ts). */
const implemented = Object.entries(operations).filter(([operationId]) => !(operationId in notImplementedOperations))

/**
 * The statuses that a test file claims: the numbers that the titles of its tests begin with. Read from the syntax, so
 * that a test in a comment, a skipped one, or one without an assertion claims nothing.
 */
function claimedStatuses(source: string): Set<number> {
  const claimed = new Set<number>()
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isTest(node.expression)) {
      const [title, body] = node.arguments
      const status =
        title !== undefined && ts.isStringLiteralLike(title) ? /^(\d{3}): /.exec(title.text)?.[1] : undefined
      if (status !== undefined && body !== undefined && asserts(body)) claimed.add(Number(status))
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('any.test.ts', source, ts.ScriptTarget.Latest))
  return claimed
}

/** `test` and `test.each(rows)`, but not `test.skip`, `test.todo` and the like. */
function isTest(callee: ts.Expression): boolean {
  if (ts.isIdentifier(callee)) return callee.text === 'test'
  const isEach = ts.isCallExpression(callee) && ts.isPropertyAccessExpression(callee.expression)
  if (!isEach) return false
  const { expression, name } = callee.expression as ts.PropertyAccessExpression
  return name.text === 'each' && isTest(expression)
}

function asserts(node: ts.Node): boolean {
  if (ts.isIdentifier(node) && /^expect/.test(node.text)) return true
  return ts.forEachChild(node, asserts) ?? false
}

const files = readdirSync(import.meta.dirname).filter(
  (name) => name.endsWith('.test.ts') && name !== 'coverage.test.ts' && name !== 'not-implemented.test.ts',
)

test('every operation has a test file, and every test file an operation', () => {
  expect(implemented.length).toBeGreaterThan(0)
  expect(files.map((name) => name.replace('.test.ts', '')).sort()).toEqual(implemented.map(([id]) => id).sort())
})

describe('each declared status is claimed by a test, and no other', () => {
  test.each(implemented)('%s', (operationId, { replies }) => {
    const claimed = claimedStatuses(readFileSync(new URL(`${operationId}.test.ts`, import.meta.url), 'utf8'))
    expect([...claimed].sort()).toEqual(Object.keys(replies).map(Number).sort())
  })
})

test('what claims a status, and what does not', () => {
  const claims = (source: string) => [...claimedStatuses(source)]
  expect(claims(`test('200: a', () => { expect(1).toBe(1) })`)).toEqual([200])
  expect(claims(`test.each([1])('404: %s', async (n) => { expectProblem(n, 'not_found') })`)).toEqual([404])
  expect(claims(`// test('200: a', () => { expect(1).toBe(1) })`)).toEqual([])
  expect(claims(`test.skip('200: a', () => { expect(1).toBe(1) })`)).toEqual([])
  expect(claims(`test.skip.each([1])('200: a', () => { expect(1).toBe(1) })`)).toEqual([])
  expect(claims(`test.todo('200: a')`)).toEqual([])
  expect(claims(`test('200: a', () => { call() })`)).toEqual([])
  expect(claims(`test('a 200', () => { expect(1).toBe(1) })`)).toEqual([])
})
