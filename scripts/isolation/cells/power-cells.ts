import { RUNTIME_ROLES } from '../../../src/db/bootstrap.ts'
import type { Model, Relation } from '../model.ts'
import { quoteName, quoteRelation } from '../rows/row.ts'
import type { Cell } from './cell.ts'

/** SET ROLE and SET SESSION AUTHORIZATION ask who logged in, so they say nothing in a session that took its role. */
const LOGIN_ONLY = ['set role', 'set session']

/**
 * What no role of the running platform may do, whoever's rows it is about: make objects, become another role, switch
 * policies off, read what PostgreSQL keeps of all rows, or leave the database for the server's files and programs.
 */
export function powerCells(
  { schemas, relations }: Pick<Model, 'schemas' | 'relations'>,
  tables: readonly Relation[],
): Cell[] {
  const table = tables.find(({ policies }) => policies.some(({ name }) => name === 'tenant_only'))
  return RUNTIME_ROLES.flatMap((role) => {
    const statements = [
      ...schemas.map(({ name }) => `create table ${quoteName(name)}.planted (n integer)`),
      ...schemas.map(
        ({ name }) => `create function ${quoteName(name)}.planted() returns integer language sql return 1`,
      ),
      'create temporary table planted (n integer)',
      'create schema planted',
      'set role skeldir_owner',
      'set role skeldir_control',
      'set role skeldir_migrator',
      'set session authorization skeldir_owner',
      `alter role ${role} bypassrls`,
      `alter role ${role} superuser`,
      'create role planted',
      `grant skeldir_owner to ${role}`,
      'set local session_replication_role = replica',
      ...(table === undefined ? [] : switches(table)),
      'select 1 from pg_catalog.pg_authid',
      'select 1 from pg_catalog.pg_statistic',
      "select pg_read_file('PG_VERSION')",
      "copy (select 1) to program 'true'",
      "copy (select 1) to '/dev/null'",
      ...sequences(relations, role),
    ]
    return statements.map((sql) => ({
      relation: 'database',
      role,
      context: 'none' as const,
      operation: sql.replace(/ \(select 1\)|"/g, ''),
      setting: null,
      sql,
      expect: { refused: ['42501'] },
      isGranted: false,
      seesAll: true,
    }))
  })
}

export function needsLogin({ sql }: Cell): boolean {
  return LOGIN_ONLY.some((start) => sql.startsWith(start))
}

function switches({ name }: Relation): string[] {
  const table = quoteRelation(name)
  return [
    `alter table ${table} disable row level security`,
    `alter table ${table} no force row level security`,
    `alter table ${table} disable trigger all`,
    `drop policy tenant_only on ${table}`,
    `create policy planted on ${table} using (true)`,
  ]
}

/** A sequence tells whoever may draw from it how many numbers all others drew. The queue's are its worker's. */
function sequences(relations: readonly Relation[], role: string): string[] {
  return relations
    .filter(({ kind, name }) => kind === 'S' && !(role === 'app_worker' && name.startsWith('pgboss.')))
    .flatMap(({ name }) => [
      `select last_value from ${quoteRelation(name)}`,
      `select nextval('${quoteRelation(name)}')`,
    ])
}
