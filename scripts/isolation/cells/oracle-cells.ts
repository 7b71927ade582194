import { type Column, type ForeignKey, type Key, type Relation, TENANT_COLUMN } from '../model.ts'
import { columnOf, quoteRelation, quoteText, type Row } from '../rows/row.ts'
import type { Actor, Target } from './actor.ts'
import type { Cell, Expectation } from './cell.ts'
import { insert } from './statements.ts'
import { insertable } from './tenant-cells.ts'

/** An id that no row has. */
const NOBODY = '00000000-0000-4000-8000-000000000000'

/**
 * What a role could learn of another tenant's rows without seeing one: whether a key is taken, whether a row is there to
 * point to, and what a condition meets before the policy hides it. Only roles that the table's policies list.
 */
export function oracleCells(actors: readonly Actor[], target: Target): Cell[] {
  return actors
    .filter(({ reach }) => reach === 'tenant')
    .flatMap((actor) => {
      const writes = actor.access.insert.length > 0 ? [uniqueCell, existenceCell] : []
      const cells = writes.map((make) => make(actor, target)).filter((cell) => cell !== null)
      return [...cells, ...foreignKeyCells(actor, target), ...conditionCells(actor, target)]
    })
}

function toCell(
  actor: Actor,
  target: Target,
  cell: { operation: string; sql: string; expect: Expectation; twin?: string; tenant?: string },
): Cell {
  const { tenant = target.ownTenant, ...rest } = cell
  return {
    relation: target.table.name,
    role: actor.role,
    context: 'own',
    setting: tenant,
    seesAll: false,
    isGranted: true,
    ...rest,
  }
}

/** The other tenant's keys, used by one's own row: they must be free, or the refusal tells that they are taken. */
function uniqueCell(actor: Actor, target: Target): Cell | null {
  const { table, other, own, freshOwn } = target
  const row = { ...other[0] }
  for (const { columns, targetColumns } of table.foreignKeys)
    if (targetColumns.includes(TENANT_COLUMN)) for (const name of columns) row[name] = freshOwn[name] ?? null
  row[TENANT_COLUMN] = freshOwn[TENANT_COLUMN] ?? null
  if (own.some((mine) => table.keys.some((key) => collides(key, mine, row)))) return null
  return toCell(actor, target, {
    operation: 'oracle: unique key',
    sql: insert(table, row, insertable(actor, table), ' on conflict do nothing'),
    expect: { written: 1 },
    tenant: row[TENANT_COLUMN] ?? target.ownTenant,
  })
}

/** Whether two rows cannot both be there. A condition of an index that is not understood counts as met. */
function collides({ columns, predicate }: Key, left: Row, right: Row): boolean {
  const [, column = '', negation] = /^\("?(\w+)"? IS (NOT )?NULL\)$/.exec(predicate ?? '') ?? []
  const isIn = (row: Row) => column === '' || (row[column] === null) === (negation === undefined)
  return isIn(left) && isIn(right) && columns.every((name) => left[name] === right[name])
}

/** Writing the other tenant's row fails alike, whether there is such a row or not. */
function existenceCell(actor: Actor, target: Target): Cell | null {
  const { table, other, freshOther } = target
  const columns = insertable(actor, table)
  return toCell(actor, target, {
    operation: 'oracle: existence',
    sql: insert(table, other[0] ?? {}, columns, ' on conflict do nothing'),
    twin: insert(table, freshOther, columns, ' on conflict do nothing'),
    expect: { refused: ['42501'] },
  })
}

/** Pointing to the other tenant's row fails alike, whether there is such a row or not. */
function foreignKeyCells(actor: Actor, target: Target): Cell[] {
  const { table, other, own, freshOwn } = target
  if (actor.access.insert.length === 0) return []
  const columns = insertable(actor, table)
  return table.foreignKeys.flatMap((key) => {
    const pointing = pointTo(key, freshOwn, other[0] ?? {})
    const nowhere = pointing === null ? null : pointNowhere(table, key, freshOwn, pointing)
    if (
      pointing === null ||
      nowhere === null ||
      own.some((mine) => key.columns.every((name) => mine[name] === pointing[name]))
    )
      return []
    const cell = {
      operation: `oracle: foreign key ${key.name}`,
      sql: insert(table, pointing, columns),
      twin: insert(table, nowhere, columns),
      expect: { refused: ['23503'] },
      tenant: freshOwn[TENANT_COLUMN] ?? target.ownTenant,
    }
    return [toCell(actor, target, cell)]
  })
}

/** Null for a key that is the tenant alone, or that does not carry it. */
function pointTo({ columns, targetColumns }: ForeignKey, row: Row, there: Row): Row | null {
  const others = columns.filter((name) => name !== TENANT_COLUMN)
  if (others.length === 0 || !targetColumns.includes(TENANT_COLUMN)) return null
  if (others.some((name) => there[name] === null || there[name] === undefined)) return null
  return { ...row, ...Object.fromEntries(others.map((name) => [name, there[name] ?? null])) }
}

function pointNowhere(table: Relation, { columns }: ForeignKey, own: Row, pointing: Row): Row | null {
  const name = columns.find((column) => column !== TENANT_COLUMN) as string
  const value = absent(columnOf(table, name), pointing[name] ?? '')
  return value === null ? null : { ...own, ...pointing, [name]: value }
}

function absent({ baseType, category }: Column, value: string): string | null {
  if (baseType === 'uuid') return NOBODY
  if (category === 'N') return String(Number(value) + 1_000)
  return category === 'S' && value.length > 0 ? `${value.slice(0, -1)}${value.endsWith('z') ? 'y' : 'z'}` : null
}

/** A condition that fails on the other tenant's row: it must not be tried before the policy has hidden the row. */
function conditionCells(actor: Actor, target: Target): Cell[] {
  const { table, own, otherTenant } = target
  if (!actor.access.select.includes(TENANT_COLUMN)) return []
  const trap = `case when ${TENANT_COLUMN} = ${quoteText(otherTenant)}::uuid then 0 else 1 end`
  return [
    toCell(actor, target, {
      operation: 'oracle: error in a condition',
      sql: `select 1 from ${quoteRelation(table.name)} where 1 / (${trap}) = 1`,
      expect: { seen: own.length },
    }),
  ]
}
