import { globSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { costOf } from './support/regex-cost.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Not linear, and why nobody else can make it wait: by file and regular expression. */
const OF_OUR_OWN: Record<string, string> = {
  'mocks/contract.ts /^export const operations = (\\{\\n.*\\n\\}) as const satisfies /ms':
    'reads generated/operations.ts',
  'src/db/embedded.ts /pre-existing shared memory block|lock file .* already exists/': 'reads what postgres says',
  'src/db/embedded-home.ts /\\b(\\d+\\.\\d+)/': 'reads what `postgres --version` says',
  "src/db/embedded-home.ts new RegExp(`^${name}:[^:]*:(\\\\d+):(\\\\d+):`, 'm')": 'reads /etc/passwd',
  'src/http/static/reference.ts /\\n\\/\\/# sourceMappingURL=.*\\s*$/': 'reads the file of a package, once',
  'src/webhooks/simulator/vendor-json.ts /^( *)((?:"(?:[^"\\\\]|\\\\.)*": )?)(\\[\\]|\\{\\})(,?)$/gm':
    'reads what the simulator wrote',
}

interface Found {
  /** File and text. */
  name: string
  /** Undefined where it cannot be read from the file. */
  regex: { source: string; flags: string } | undefined
}

/** Every regular expression of what runs: literals, and `new RegExp` of texts and constants of the same file. */
function listRegexes(): Found[] {
  const files = globSync(['src/**/*.{ts,tsx}', 'mocks/**/*.ts', 'generated/validators.js'], { cwd: root })
  return files.filter((file) => !file.endsWith('.test.ts')).flatMap((file) => readRegexes(file.replaceAll(sep, '/')))
}

function readRegexes(file: string): Found[] {
  const parsed = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true)
  const constants = new Map<string, string>()
  const found = new Map<string, Found>()
  const add = (text: string, regex: Found['regex']) => found.set(text, { name: `${file} ${text}`, regex })
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined) {
      const value = evaluate(node.initializer, constants)
      if (value !== undefined && ts.isVariableDeclarationList(node.parent) && node.parent.parent.parent === parsed)
        constants.set(node.name.getText(), value)
    }
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/')
      add(node.text, { source: node.text.slice(1, end), flags: node.text.slice(end + 1) })
    } else if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText() === 'RegExp') {
      const [source, flags] = (node.arguments ?? []).map((part) => evaluate(part, constants))
      add(node.getText(), source === undefined ? undefined : { source, flags: flags ?? '' })
    }
    ts.forEachChild(node, visit)
  }
  visit(parsed)
  return [...found.values()]
}

function evaluate(node: ts.Expression, constants: ReadonlyMap<string, string>): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isIdentifier(node)) return constants.get(node.text)
  if (!ts.isTemplateExpression(node)) return undefined
  const parts = node.templateSpans.map(({ expression, literal }) => {
    const value = evaluate(expression, constants)
    return value === undefined ? undefined : value + literal.text
  })
  return parts.includes(undefined) ? undefined : node.head.text + parts.join('')
}

describe('what is said of the cost is so', () => {
  test.each([
    /\s+/,
    /^a+$/,
    /foo\d+x/,
    /\d+/,
    /^(a|ab)*c/,
    /^(?:\w+\s)*\w*$/,
    /^(?:a{1,3}){1,3}$/,
    /^(?=[\s\S]{0,8192}$)(?:\/(?:[^~/]|~0|~1)*)*$/,
    /"(?:[^"\\]|\\.)*"/y,
    /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
    /(?:^|,)x\s*(?:,|$)/,
  ])('linear: %s', ({ source, flags }) => {
    expect(costOf(source, flags)).toBe('linear')
  })

  test.each([
    / +$/,
    /\d+x/,
    /^\s*x?\s*$/,
    /^[^@]+@[^@]+\.[^@]+$/,
    /"(?:[^"\\]|\\.)*"/,
    /^(?=a*a*$)x/,
    /^\d{1,5000}\w{1,5000}$/,
    /^\S*\w*!/,
  ])('polynomial: %s', ({ source, flags }) => {
    expect(costOf(source, flags)).toBe('polynomial')
  })

  test.each([
    /(a+)+$/,
    /^(a*)*b/,
    /^(a|a)*b/,
    /^(a|ab|b)*c/,
    /^(x+x+)+y/,
    /^(\w+\s?)*$/,
    /^(?:a?b?)*c/,
    /^(?!(?:a+)+b)/,
    /^(([a-z])+.)+[A-Z]([a-z])+$/,
    /^(?:a{1,100}){1,100}b/,
  ])('exponential: %s', ({ source, flags }) => {
    expect(costOf(source, flags)).toBe('exponential')
  })

  test.each(['(a)\\1', '\\p{L}+', 'a**', '(a', 'a)'])('%s is not guessed at', (source) => {
    expect(() => costOf(source, '')).toThrow()
  })
})

test('nobody can make a regular expression wait: each is linear in its text, or reads our own', () => {
  const regexes = listRegexes()
  expect(regexes.length).toBeGreaterThan(150)
  const slow = regexes.filter(({ regex }) => regex === undefined || costOf(regex.source, regex.flags) !== 'linear')
  expect(slow.map(({ name }) => name).sort()).toEqual(Object.keys(OF_OUR_OWN).sort())
})
