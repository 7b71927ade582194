import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { LOG_FIELDS } from '../../src/log.ts'

const root = join(import.meta.dirname, '../..')
const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'child', 'setBindings'])

/** The fields that calls of a log name, `log.warn({ code })`: spread objects are left to the log itself. */
function fieldsOf(source: string): string[] {
  const fields: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isLog(node.expression)) {
      const [first] = node.arguments
      if (first !== undefined && ts.isObjectLiteralExpression(first))
        for (const property of first.properties) if (property.name !== undefined) fields.push(property.name.getText())
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('any.ts', source, ts.ScriptTarget.Latest, true))
  return fields
}

function isLog(callee: ts.Expression): boolean {
  if (!ts.isPropertyAccessExpression(callee) || !LEVELS.has(callee.name.text)) return false
  const owner = callee.expression
  return ts.isIdentifier(owner)
    ? owner.text === 'log'
    : ts.isPropertyAccessExpression(owner) && owner.name.text === 'log'
}

test('every field that is logged by name is on the list, so that none is lost', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'src/**/*.ts'], {
    cwd: root,
  })
    .toString()
    .split('\n')
    .filter((name) => name !== '' && !name.endsWith('.test.ts') && !name.startsWith('src/console/'))
  let seen = 0
  const lost: string[] = []
  for (const name of files) {
    for (const field of fieldsOf(readFileSync(join(root, name), 'utf8'))) {
      seen += 1
      if (!LOG_FIELDS.has(field)) lost.push(`${name}: ${field}`)
    }
  }
  expect(seen).toBeGreaterThan(50)
  expect(lost).toEqual([])
})

test('what counts as a field', () => {
  expect(fieldsOf('ctx.log.warn({ code, body: 1, ...rest }, "x"); log.child({ id }); console.log({ a })')).toEqual([
    'code',
    'body',
    'id',
  ])
})
