import type pg from 'pg'
import type { Random } from '../../demo/random.ts'
import type { Check, Column, Relation } from '../model.ts'
import { candidatesFor } from './candidates.ts'
import { FACTORIES } from './factories.ts'
import { quoteName, quoteText, type Row, toLiteral } from './row.ts'

/** Combinations of values that one statement tries, at most. */
const COMBINATIONS = 50_000
const CANDIDATES = 24

/** No values meet the CHECKs of a table: the generator has to learn something, or rows/factories.ts to hold a line. */
export class RowError extends Error {
  override name = 'RowError'
}

/**
 * Values for the columns of `table` that `fixed` does not give, such that all its CHECKs hold. Columns with a default
 * keep it unless a CHECK relates them to another column; ids are always given, so that a seed decides them.
 * Throws RowError where none of the candidates fits.
 */
export async function solveRow(
  client: pg.Client,
  table: Relation,
  fixed: Row,
  random: Random,
  { isSparse = false }: { isSparse?: boolean } = {},
): Promise<Row> {
  const row: Row = { ...fixed, ...FACTORIES[table.name] }
  const related = new Set(table.checks.filter(({ columns }) => columns.length > 1).flatMap(({ columns }) => columns))
  const free = table.columns.filter(
    ({ name, isGenerated, hasDefault, baseType }) =>
      row[name] === undefined && !isGenerated && (!hasDefault || baseType === 'uuid' || related.has(name)),
  )
  for (const group of groupByChecks(free, table.checks))
    Object.assign(row, await solveGroup(client, table, group, row, random, isSparse))
  return row
}

/** Columns that a CHECK ties together are solved together. */
function groupByChecks(columns: readonly Column[], checks: readonly Check[]): Column[][] {
  let groups = columns.map((column) => [column])
  for (const check of checks) {
    const touches = (group: readonly Column[]) => group.some(({ name }) => check.columns.includes(name))
    const tied = groups.filter(touches)
    if (tied.length > 1) groups = [...groups.filter((group) => !touches(group)), tied.flat()]
  }
  return groups
}

async function solveGroup(
  client: pg.Client,
  table: Relation,
  group: readonly Column[],
  known: Row,
  random: Random,
  isSparse: boolean,
): Promise<Row> {
  const names = new Set(group.map(({ name }) => name))
  const checks = table.checks.filter(({ columns }) => columns.some((name) => names.has(name)))
  const limit = Math.min(CANDIDATES, Math.floor(COMBINATIONS ** (1 / group.length)))
  const lists: (string | null)[][] = []
  for (const column of group) {
    const own = checks.filter(({ columns }) => columns.length === 1 && columns[0] === column.name)
    const all = candidatesFor(
      column,
      checks.filter(({ columns }) => columns.includes(column.name)),
      random,
    )
    const fitting: (string | null)[] = await keepFitting(client, column, all, own)
    const some = fitting.slice(0, limit)
    lists.push(column.isRequired ? some : isSparse ? [null, ...some] : [...some, null])
    if (column.isRequired && some.length === 0)
      throw new RowError(
        `${table.name}: no value for ${column.name} (${column.type}) meets ${own.map(({ expression }) => expression).join(' and ')}`,
      )
  }
  const between = checks.filter(({ columns }) => columns.length > 1)
  const first = lists.map(([value = null]) => value)
  const values = between.length === 0 ? first : await findCombination(client, table, group, lists, between, known)
  return Object.fromEntries(group.map(({ name }, index) => [name, values[index] ?? null]))
}

async function keepFitting(
  client: pg.Client,
  column: Column,
  all: readonly string[],
  checks: readonly Check[],
): Promise<string[]> {
  if (checks.length === 0) return [...all]
  const conditions = checks.map(({ expression }) => `(${expression}) is not false`).join(' and ')
  const { rows } = await client.query<{ value: string }>(
    `select value from (select c.value, c.at, c.value::${column.type} as ${quoteName(column.name)}
                        from unnest($1::text[]) with ordinality as c(value, at)) as candidate
     where ${conditions} order by at`,
    [all],
  )
  return rows.map(({ value }) => value)
}

async function findCombination(
  client: pg.Client,
  table: Relation,
  group: readonly Column[],
  lists: readonly (string | null)[][],
  checks: readonly Check[],
  known: Row,
): Promise<(string | null)[]> {
  const own = new Set(group.map(({ name }) => name))
  const others = [...new Set(checks.flatMap(({ columns }) => columns))].filter((name) => !own.has(name))
  const given = others.map((name) => {
    const column = table.columns.find((candidate) => candidate.name === name) as Column
    return `${toLiteral(column, known[name])} as ${quoteName(name)}`
  })
  const sources = lists.map(
    (list, index) =>
      `unnest(array[${list.map((value) => (value === null ? 'null' : quoteText(value))).join(', ')}]::text[]) with ordinality as c${index}(value, at)`,
  )
  const typed = group.map(({ name, type }, index) => `c${index}.value::${type} as ${quoteName(name)}`)
  const places = lists.map((_, index) => `c${index}.at`)
  const { rows } = await client.query<{ values: (string | null)[] }>(
    `select values from (select array[${lists.map((_, index) => `c${index}.value`).join(', ')}] as values,
                                ${places.join(' + ')} as rank, ${[...typed, ...given].join(', ')}
                         from ${sources.join(' cross join ')}) as candidate
     where ${checks.map(({ expression }) => `(${expression}) is not false`).join(' and ')}
     order by rank, values limit 1`,
  )
  const [found] = rows
  if (found === undefined)
    throw new RowError(
      `${table.name}: no values for ${[...own].join(', ')} meet ${checks.map(({ expression }) => expression).join(' and ')}`,
    )
  return found.values
}
