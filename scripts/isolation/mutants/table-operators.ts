import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import { type Relation, TENANT_COLUMN } from '../model.ts'
import { quoteName, quoteRelation } from '../rows/row.ts'
import type { TableRows } from '../rows/seed.ts'
import { type Mutant, tableMutant } from './mutant.ts'
import { mutatePolicy } from './policy-operators.ts'

const TRIGGER_REFUSES = 'a trigger refuses TRUNCATE to everybody'
const ALL_READ = 'every role reads the table already'
const NOBODY_INSERTS = 'no role may insert into the table'

/**
 * Every planted fault of one table. `relations` are those of the model, `rows` what the table was filled with. A table
 * outside of the template has policies and grants, but no keys that would have to start with a tenant.
 */
export function mutateTable(
  table: Relation,
  rows: TableRows,
  relations: readonly Relation[],
  { isOutside = false } = {},
): Mutant[] {
  return [
    ...table.policies.flatMap((policy) => mutatePolicy(table, policy)),
    ...mutateSwitches(table),
    ...mutateGrants(table, relations),
    ...(isOutside ? [] : [...mutateKeys(table, rows), ...mutateForeignKeys(table, rows, relations)]),
  ]
}

function mutateSwitches(table: Relation): Mutant[] {
  const alter = `alter table ${quoteRelation(table.name)}`
  return [
    tableMutant(table, 'not forced', [`${alter} no force row level security`]),
    tableMutant(table, 'disabled', [`${alter} disable row level security`]),
  ]
}

function mutateGrants(table: Relation, relations: readonly Relation[]): Mutant[] {
  const on = quoteRelation(table.name)
  const stranger = RUNTIME_ROLES.find((role) => table.access[role] === undefined)
  const listed = RUNTIME_ROLES.find((role) => table.access[role] !== undefined)
  const allRead = RUNTIME_ROLES.every((role) => (table.access[role]?.select.length ?? 0) > 0)
  // A table that others point to fails in another way before any trigger does.
  const isTarget = relations.some(
    ({ name, foreignKeys }) => name !== table.name && foreignKeys.some(({ target }) => target === table.name),
  )
  const refusesTruncate =
    !isTarget && table.triggers.some(({ name }) => name.includes('truncate')) ? TRIGGER_REFUSES : null
  return [
    ...(stranger === undefined
      ? []
      : [
          tableMutant(table, `SELECT granted to ${stranger}`, [`grant select on ${on} to ${stranger}`]),
          tableMutant(table, `a column granted to ${stranger}`, [
            `grant select (${quoteName(table.columns[0]?.name ?? '')}) on ${on} to ${stranger}`,
          ]),
        ]),
    tableMutant(table, 'SELECT granted to PUBLIC', [`grant select on ${on} to public`], allRead ? ALL_READ : null),
    ...(listed === undefined
      ? []
      : [
          tableMutant(
            table,
            `TRUNCATE granted to ${listed}`,
            [`grant truncate on ${on} to ${listed}`],
            refusesTruncate,
          ),
        ]),
  ]
}

function inserts(table: Relation): boolean {
  return RUNTIME_ROLES.some((role) => (table.access[role]?.insert.length ?? 0) > 0)
}

/** A column of its own whose values differ in all rows: it could be made unique by mistake. */
function distinctColumn(table: Relation, { own, other }: TableRows): string | undefined {
  const bound = new Set(table.foreignKeys.flatMap(({ columns }) => columns))
  const all = [...own, ...other]
  // What nobody may give is another value each time, so that no statement could tell.
  const isGiven = (name: string) =>
    !inserts(table) || RUNTIME_ROLES.some((role) => table.access[role]?.insert.includes(name))
  return table.columns.find(({ name, isRequired, category }) => {
    const values = all.map((row) => row[name])
    // A time or a number that another row shares would make the index fail, or the insert for a reason of its own.
    return (
      isRequired &&
      isGiven(name) &&
      !bound.has(name) &&
      name !== TENANT_COLUMN &&
      !['D', 'N', 'B'].includes(category) &&
      new Set(values).size === values.length
    )
  })?.name
}

function mutateKeys(table: Relation, rows: TableRows): Mutant[] {
  const column = distinctColumn(table, rows)
  if (column === undefined) return []
  const sql = `create unique index planted_key on ${quoteRelation(table.name)} (${quoteName(column)})`
  return [tableMutant(table, `${column} unique across tenants`, [sql], inserts(table) ? null : NOBODY_INSERTS)]
}

/** The first foreign key that carries the tenant and one id, and that the rows have, without the tenant. */
function mutateForeignKeys(table: Relation, { own, other }: TableRows, relations: readonly Relation[]): Mutant[] {
  const isFilled = (column: string | undefined) => own.some((row) => (row[column ?? ''] ?? null) !== null)
  const key = table.foreignKeys.find(
    ({ columns }) => columns.length === 2 && columns[0] === TENANT_COLUMN && isFilled(columns[1]),
  )
  const target = relations.find(({ name }) => name === key?.target)
  if (key === undefined || target === undefined || own.length + other.length === 0) return []
  const [column, targetColumn] = [quoteName(key.columns[1] as string), quoteName(key.targetColumns[1] as string)]
  return [
    tableMutant(
      table,
      `${key.name} without the tenant`,
      [
        `create unique index planted_target on ${quoteRelation(target.name)} (${targetColumn})`,
        `alter table ${quoteRelation(table.name)} drop constraint ${quoteName(key.name)}`,
        `alter table ${quoteRelation(table.name)} add constraint ${quoteName(key.name)} foreign key (${column}) references ${quoteRelation(target.name)} (${targetColumn})`,
      ],
      inserts(table) ? null : NOBODY_INSERTS,
    ),
  ]
}
