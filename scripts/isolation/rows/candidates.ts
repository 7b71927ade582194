import { HEX, type Random, uuid } from '../../demo/random.ts'
import type { Check, Column } from '../model.ts'
import { sampleOf } from './pattern.ts'

const LOWER = 'abcdefghijklmnopqrstuvwxyz'
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const BASE64URL = `${UPPER}${LOWER}0123456789_-`
const DAY_MS = 86_400_000
/** Times lie in the 10 years from here: fixed, so that a seed gives the same rows on every day. */
const EPOCH = Date.UTC(2020, 0, 1)

/**
 * Values to try for a column, most telling first, in PostgreSQL's text form. They are guesses from the type and from
 * the literals, numbers and patterns of the CHECKs that name the column; those CHECKs decide which of them can be used.
 */
export function candidatesFor(column: Column, checks: readonly Check[], random: Random): string[] {
  const texts = checks.map(({ expression }) => expression)
  const numbers = [...new Set(texts.flatMap(numbersIn))]
  const { baseType, category } = column
  if (category === 'E') return random.shuffle(column.labels)
  if (category === 'A') return arraysOf(column, texts, numbers, random)
  if (category === 'N') return [...new Set([...fractions(baseType), ...integers(numbers, random)])].map(String)
  switch (baseType) {
    case 'uuid':
      return [uuid(random), uuid(random)]
    case 'boolean':
      return random.shuffle(['true', 'false'])
    case 'bytea':
      return [32, 16, ...numbers].filter(isLength).map((length) => `\\x${random.text(length * 2, HEX)}`)
    case 'jsonb':
    case 'json':
      return [`{"canary": "${random.text(20, LOWER)}"}`, `["${random.text(20, LOWER)}"]`, '{}', '[]']
    case 'date':
      return instants(random).map((at) => at.toISOString().slice(0, 10))
    case 'timestamp with time zone':
    case 'timestamp without time zone':
      return instants(random).map((at) => at.toISOString())
    case 'time without time zone':
      return ['12:34:56']
    case 'interval':
      return ['1 day', '01:00:00']
    case 'inet':
    case 'cidr':
      return [`192.0.2.${random.integer(1, 254)}`]
    default:
      return category === 'S' ? words(texts, numbers, random) : []
  }
}

const isLength = (number: number) => Number.isInteger(number) && number >= 1 && number <= 4_096

/** A share of something is as likely a meaning of a fractional type as an amount. */
function fractions(type: string): number[] {
  return /^(numeric|real|double)/.test(type) ? [0.25, 0.5, 0.75] : []
}

function integers(numbers: readonly number[], random: Random): number[] {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  const between = numbers.length < 2 ? [] : [1, 2, 3].map(() => random.integer(Math.ceil(least), Math.floor(most)))
  const near = numbers.flatMap((number) => [number, number + 1, number - 1])
  return [random.integer(2, 900), ...between, ...near, 1, 0, 2, -1].filter((number) => Number.isSafeInteger(number))
}

function instants(random: Random): Date[] {
  const first = EPOCH + random.integer(0, 3_650) * DAY_MS
  // The far ends come last: something that a CHECK wants before or after any other time.
  return [first, first + DAY_MS, first + 30 * DAY_MS, EPOCH + 4_000 * DAY_MS, EPOCH - DAY_MS].map((at) => new Date(at))
}

function words(expressions: readonly string[], numbers: readonly number[], random: Random): string[] {
  const quoted = expressions.flatMap(literalsIn)
  const patterns = expressions.flatMap(patternsIn)
  const isPattern = new Set(patterns)
  const matching = patterns.flatMap((pattern) =>
    [0, 1, 2].map(() => sampleOf(pattern, random)).filter((text) => text !== undefined),
  )
  const lengths = [24, 12, 3, ...numbers, ...numbers.map((number) => number - 1)].filter(isLength)
  const shaped = [
    random.text(3, UPPER),
    random.text(64, HEX),
    random.text(43, BASE64URL),
    uuid(random),
    `https://${random.text(12, LOWER)}.example`,
    `${random.text(12, LOWER)}@example.test`,
    'UTC',
  ]
  const literals = random.shuffle(quoted.filter((text) => !isPattern.has(text)))
  return [...new Set([...matching, ...lengths.map((length) => random.text(length, LOWER)), ...literals, ...shaped])]
}

function arraysOf(
  column: Column,
  expressions: readonly string[],
  numbers: readonly number[],
  random: Random,
): string[] {
  const element = column.baseType.replace(/\[\]$/, '')
  const category = /int|numeric|real|double/.test(element) ? 'N' : element === 'uuid' || element === 'bytea' ? 'U' : 'S'
  const inner: Column = { ...column, baseType: element, category, labels: [] }
  const checks = expressions.map((expression) => ({ name: '', columns: [], expression }))
  const items = candidatesFor(inner, checks, random).slice(0, 12)
  const lengths = [1, ...numbers].filter((number) => number >= 1 && number <= 20)
  return [...items.flatMap((item) => lengths.map((length) => toArray(item, length))), '{}']
}

function toArray(item: string, length: number): string {
  const quoted = `"${item.replace(/["\\]/g, '\\$&')}"`
  return `{${Array.from({ length }, () => quoted).join(',')}}`
}

/** String literals of an expression as pg_get_expr prints it. */
export function literalsIn(expression: string): string[] {
  return [...expression.matchAll(/'((?:[^']|'')*)'/g)].map(([, text = '']) => text.replaceAll("''", "'"))
}

/** Literals that a text is matched against. */
function patternsIn(expression: string): string[] {
  return [...expression.matchAll(/~\*? '((?:[^']|'')*)'/g)].map(([, text = '']) => text.replaceAll("''", "'"))
}

function numbersIn(expression: string): number[] {
  const bare = expression.replace(/'(?:[^']|'')*'/g, "''")
  return [...bare.matchAll(/(?<![\w.])-?\d+(?:\.\d+)?/g)].map(([text]) => Number(text))
}
