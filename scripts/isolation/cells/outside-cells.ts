import type { TableException } from '../exceptions.ts'
import { accessOf, type Policy, type Relation } from '../model.ts'
import { quoteName, quoteRelation } from '../rows/row.ts'
import type { TableRows } from '../rows/seed.ts'
import { ROLES } from './actor.ts'
import type { Cell, Expectation } from './cell.ts'
import { anyRow, copyFrom, insert, isBound, keep, names, pickColumn, remove, select, update } from './statements.ts'
import { type Settings, settingOf } from './view-cells.ts'

type Operation = {
  name: string
  privilege: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE'
  toSql: (table: Relation, columns: readonly string[]) => string
}

/** None touches a row: what is asked is whether the role may at all. */
const OPERATIONS: readonly Operation[] = [
  { name: 'SELECT', privilege: 'SELECT', toSql: (table, columns) => `${select(table, columns, null)} where false` },
  // A privilege on a single column is enough to count rows.
  { name: 'SELECT of no column', privilege: 'SELECT', toSql: (table) => `${anyRow(table, null)} where false` },
  {
    name: 'COPY TO',
    privilege: 'SELECT',
    toSql: (table, columns) => `copy (${select(table, columns, null)} where false) to stdout`,
  },
  {
    name: 'INSERT',
    privilege: 'INSERT',
    toSql: (table, columns) =>
      `insert into ${quoteRelation(table.name)} (${names(columns)}) ${nothing(table, columns)}`,
  },
  {
    name: 'INSERT ON CONFLICT DO NOTHING',
    privilege: 'INSERT',
    toSql: (table, columns) =>
      `insert into ${quoteRelation(table.name)} (${names(columns)}) ${nothing(table, columns)} on conflict do nothing`,
  },
  {
    name: 'UPDATE',
    privilege: 'UPDATE',
    toSql: (table, [column = '']) => `update ${quoteRelation(table.name)} set ${quoteName(column)} = null where false`,
  },
  { name: 'DELETE', privilege: 'DELETE', toSql: ({ name }) => `delete from ${quoteRelation(name)} where false` },
  { name: 'TRUNCATE', privilege: 'TRUNCATE', toSql: ({ name }) => `truncate ${quoteRelation(name)}` },
  { name: 'COPY FROM', privilege: 'INSERT', toSql: copyFrom },
]

function nothing(table: Relation, columns: readonly string[]): string {
  const typed = columns.map((name) => `null::${table.columns.find((column) => column.name === name)?.type}`)
  return `select ${typed.join(', ')} where false`
}

/**
 * A table of the reviewed list: each role may do what the list says and nothing else. The owner and the migrator may do
 * anything with it, as with any table that is theirs and not under the policies.
 */
export function privilegeCells(table: Relation, exception: TableException, settings: Settings): Cell[] {
  const roles = ROLES.filter((role) => role !== 'skeldir_owner' && role !== 'skeldir_migrator')
  return (['none', 'own'] as const).flatMap((context) =>
    roles.flatMap((role) =>
      OPERATIONS.map((operation) => {
        const columns = columnsFor(table, exception.access[role] ?? [], operation.privilege)
        // A partition may have less than its root.
        const isAllowed = columns !== null && isHeld(table, role, operation.privilege)
        const isCopyUnderPolicies = operation.name === 'COPY FROM' && table.isEnabled
        const allowed = isCopyUnderPolicies ? { refused: ['0A000'] } : { seen: 0, written: 0 }
        const all = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
        return {
          relation: table.name,
          role,
          context,
          operation: operation.name,
          setting: settingOf(context, settings),
          sql: operation.toSql(table, columns ?? all),
          ...(operation.name === 'COPY FROM' && { copyLines: '' }),
          isGranted: isAllowed,
          expect: isAllowed ? allowed : { refused: ['42501'] },
          seesAll: true,
        }
      }),
    ),
  )
}

function isHeld(table: Relation, role: string, privilege: Operation['privilege']): boolean {
  const access = accessOf(table, role)
  const columns = { SELECT: access.select, INSERT: access.insert, UPDATE: access.update, DELETE: [], TRUNCATE: [] }
  return access.table.includes(privilege) || columns[privilege].length > 0
}

/** The columns that a reviewed line such as `UPDATE(answered_at, worker_id)` names; null where there is no such line. */
function columnsFor(table: Relation, reviewed: readonly string[], privilege: string): string[] | null {
  for (const line of reviewed) {
    if (line === privilege) return table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
    const list = new RegExp(`^${privilege}\\((.*)\\)$`).exec(line)?.[1]
    if (list !== undefined) return list.split(', ')
  }
  return null
}

/**
 * A table of the reviewed list that has policies of its own, with the rows that it holds: who is let through by a policy
 * whose condition is `true` reaches all of them, everybody else none, the owner included.
 */
export function openTableCells(table: Relation, rows: TableRows, total: number, settings: Settings): Cell[] {
  return (['none', 'own'] as const).flatMap((context) =>
    ROLES.flatMap((role) =>
      rowStatements(table, role, rows, total).map(({ operation, sql, isGranted, expect }) => ({
        relation: table.name,
        role,
        context,
        operation,
        setting: settingOf(context, settings),
        sql,
        isGranted,
        expect: isGranted ? expect : { refused: ['42501'] },
        seesAll: true,
      })),
    ),
  )
}

interface RowStatement {
  operation: string
  sql: string
  isGranted: boolean
  expect: Expectation
}

function rowStatements(table: Relation, role: string, { own, freshOther }: TableRows, total: number): RowStatement[] {
  const access = accessOf(table, role)
  const all = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
  const columns = access.insert.length > 0 ? all.filter((name) => access.insert.includes(name)) : all
  const column = pickColumn(table, access.update)
  const changing = isBound(table, column)
    ? keep(table, column, null)
    : update(table, column, own[0]?.[column] ?? null, null)
  const reach = (command: Policy['command']) => (isOpen(table, role, command) ? total : 0)
  const needsToRead = isBound(table, column) && !access.select.includes(column)
  return [
    {
      operation: 'SELECT every row',
      sql: select(table, access.select.length > 0 ? access.select : all, null),
      isGranted: access.select.length > 0,
      expect: { seen: reach('r') },
    },
    {
      operation: 'INSERT a row',
      sql: insert(table, freshOther, columns),
      isGranted: access.insert.length > 0,
      expect: isOpen(table, role, 'a') ? { written: 1 } : { refused: ['42501'] },
    },
    {
      operation: 'UPDATE every row',
      sql: changing,
      isGranted: access.update.includes(column) && !needsToRead,
      expect: { written: reach('w') },
    },
    {
      operation: 'DELETE every row',
      sql: remove(table, null),
      isGranted: access.table.includes('DELETE'),
      expect: { written: reach('d'), ...(isOpen(table, role, 'd') && { refused: ['23503', '23001'] }) },
    },
  ]
}

/** Whether a policy for the command lets the role reach every row. A condition other than `true` is met by none here. */
function isOpen({ policies, isEnabled }: Relation, role: string, command: Policy['command']): boolean {
  if (!isEnabled) return true
  return policies.some(
    ({ isPermissive, command: own, roles, using, check }) =>
      isPermissive &&
      (own === '*' || own === command) &&
      (roles.includes(role) || roles.includes('public')) &&
      (command === 'a' ? (check ?? using) : using) === 'true',
  )
}
