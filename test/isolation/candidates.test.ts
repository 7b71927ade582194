import { expect, test } from 'vitest'
import { createRandom } from '../../scripts/demo/random.ts'
import type { Column } from '../../scripts/isolation/model.ts'
import { candidatesFor, literalsIn } from '../../scripts/isolation/rows/candidates.ts'
import { quoteText, toCopyLine, toLiteral } from '../../scripts/isolation/rows/row.ts'

function column(change: Partial<Column>): Column {
  return {
    name: 'x',
    type: 'text',
    baseType: 'text',
    category: 'S',
    labels: [],
    isRequired: true,
    hasDefault: false,
    isGenerated: false,
    isIdentity: false,
    ...change,
  }
}

const check = (expression: string) => ({ name: 'x_check', columns: ['x'], expression })
const candidates = (change: Partial<Column>, ...expressions: string[]) =>
  candidatesFor(column(change), expressions.map(check), createRandom(1, 'test'))

test('literals are read as PostgreSQL writes them', () => {
  expect(literalsIn("((x = 'a'::text) OR (x = 'it''s'::text))")).toEqual(['a', "it's"])
})

test.each<[name: string, change: Partial<Column>, expression: string, isFitting: (text: string) => boolean]>([
  ['one of a list', {}, "(x = ANY (ARRAY['live'::text, 'test'::text]))", (text) => text === 'live'],
  ['a pattern', {}, "(x ~ '^[A-Z]{2}-[0-9]{4}$'::text)", (text) => /^[A-Z]{2}-[0-9]{4}$/.test(text)],
  ['a length', {}, '((length(x) >= 5) AND (length(x) <= 7))', (text) => text.length >= 5 && text.length <= 7],
  [
    'bytes of a length',
    { baseType: 'bytea', category: 'U' },
    '(octet_length(x) = 20)',
    (text) => text.length === 2 + 2 * 20,
  ],
  [
    'a number between bounds',
    { baseType: 'integer', category: 'N' },
    '((x >= 40) AND (x <= 50))',
    (text) => Number(text) >= 40 && Number(text) <= 50,
  ],
  [
    'a share',
    { baseType: 'numeric', category: 'N' },
    '((x > 0) AND (x < 1))',
    (text) => Number(text) > 0 && Number(text) < 1,
  ],
  ['a word of an enumeration', { category: 'E', labels: ['sun', 'rain'] }, 'true', (text) => text === 'rain'],
  [
    'a list of a length',
    { baseType: 'text[]', category: 'A' },
    '(cardinality(x) = 3)',
    (text) => text.split(',').length === 3,
  ],
])('there is %s among the guesses', (_, change, expression, isFitting) => {
  expect(candidates(change, expression).some(isFitting)).toBe(true)
})

test('a seed gives the same guesses again', () => {
  expect(candidates({})).toEqual(candidates({}))
})

test('values are written so that no text ends its literal or its line', () => {
  expect(quoteText("it's")).toBe("'it''s'")
  expect(quoteText('\\x00')).toBe(" E'\\\\x00'")
  expect(toLiteral({ type: 'uuid' }, null)).toBe('null::uuid')
  expect(toCopyLine({ a: 'x\ty\n\\', b: null }, ['a', 'b'])).toBe('x\\ty\\n\\\\\t\\N\n')
})
