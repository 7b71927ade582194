import { type Relation, TENANT_COLUMN } from '../model.ts'
import { columnOf, quoteName, quoteRelation, quoteText, type Row, toLiteral } from '../rows/row.ts'

export const names = (columns: readonly string[]) => columns.map(quoteName).join(', ')

export function whereTenant(tenantId: string | null): string {
  return tenantId === null ? '' : ` where ${TENANT_COLUMN} = ${quoteText(tenantId)}::uuid`
}

export function select(table: Relation, columns: readonly string[], tenantId: string | null): string {
  return `select ${names(columns)} from ${quoteRelation(table.name)}${whereTenant(tenantId)}`
}

export function anyRow(table: Relation, tenantId: string | null): string {
  return `select 1 from ${quoteRelation(table.name)}${whereTenant(tenantId)}`
}

export function insert(table: Relation, row: Row, columns: readonly string[], rest = ''): string {
  const values = columns.map((name) => toLiteral(columnOf(table, name), row[name]))
  return `insert into ${quoteRelation(table.name)} (${names(columns)}) values (${values.join(', ')})${rest}`
}

export function assign(table: Relation, column: string, value: string | null | undefined): string {
  return `${quoteName(column)} = ${toLiteral(columnOf(table, column), value)}`
}

export function update(table: Relation, column: string, value: string | null, tenantId: string | null): string {
  return `update ${quoteRelation(table.name)} set ${assign(table, column, value)}${whereTenant(tenantId)}`
}

export function remove(table: Relation, tenantId: string | null): string {
  return `delete from ${quoteRelation(table.name)}${whereTenant(tenantId)}`
}

export function copyTo(table: Relation, columns: readonly string[], tenantId: string | null): string {
  // The direct form does not know generated columns.
  const stored = columns.filter((name) => !columnOf(table, name).isGenerated || columnOf(table, name).isIdentity)
  const source = `${quoteRelation(table.name)} (${names(stored)})`
  return table.kind === 'r' && tenantId === null
    ? `copy ${source} to stdout`
    : `copy (${select(table, columns, tenantId)}) to stdout`
}

export function copyFrom(table: Relation, columns: readonly string[]): string {
  return `copy ${quoteRelation(table.name)} (${names(columns)}) from stdin`
}

/** Whether a key or a foreign key has the column. */
export function isBound(table: Relation, column: string): boolean {
  return [...table.keys, ...table.foreignKeys].some(({ columns }) => columns.includes(column))
}

/** Changes every row, and nothing in it. */
export function keep(table: Relation, column: string, tenantId: string | null): string {
  const name = quoteName(column)
  return `update ${quoteRelation(table.name)} set ${name} = ${name}${whereTenant(tenantId)}`
}

/** A column that no key and no foreign key needs, among those allowed; else any of them; else any column at all. */
export function pickColumn(table: Relation, allowed: readonly string[]): string {
  const isPlain = (name: string) => !isBound(table, name) && !columnOf(table, name).isGenerated
  const all = table.columns.map(({ name }) => name)
  const found = allowed.find(isPlain) ?? allowed.find((name) => name !== TENANT_COLUMN) ?? all.find(isPlain) ?? all[0]
  if (found === undefined) throw new Error(`${table.name} has no columns`)
  return found
}
