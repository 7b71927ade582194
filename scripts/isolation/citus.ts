import { hasTenant, isTable, type Model, TENANT_COLUMN } from './model.ts'
import type { Exceptions } from './structure/fault.ts'
import { standingOf } from './structure/relations.ts'

/** What stands between the schema and a distribution by tenant_id, and what would have to be done about it. */
export interface Note {
  rule: string
  detail: string
}

/**
 * Whether the tables could be distributed by tenant_id. Information, never a fault: the keys are checked as rules of
 * isolation anyway. Source: Citus, "Create and modify distributed objects" and "SQL support and workarounds".
 */
export function listCitusNotes(model: Model, exceptions: Exceptions): Note[] {
  const tables = model.relations.filter((relation) => standingOf(relation, exceptions) === 'tenant')
  const names = new Set(tables.map(({ name }) => name))
  const byName = new Map(model.relations.map((relation) => [relation.name, relation]))
  const notes: Note[] = []
  const note = (rule: string, found: readonly string[], meaning: string) => {
    if (found.length > 0) notes.push({ rule, detail: `${[...new Set(found)].join(', ')}: ${meaning}` })
  }
  const outward = tables.flatMap(({ name, foreignKeys }) =>
    foreignKeys.filter(({ target }) => !names.has(target)).map(({ target }) => `${target} (from ${name})`),
  )
  note('reference tables', outward, 'must be a reference table')
  const inward = model.relations
    .filter((relation) => isTable(relation) && !names.has(relation.name))
    .flatMap(({ name, foreignKeys }) =>
      foreignKeys.filter(({ target }) => names.has(target)).map(({ target }) => `${name} to ${target}`),
    )
  note('foreign keys into tenant tables', inward, 'a local or reference table cannot point to a distributed one')
  const small = tables.flatMap(({ name, columns }) =>
    columns.filter(({ isIdentity, type }) => isIdentity && type !== 'bigint').map((column) => `${name}.${column.name}`),
  )
  note('identities', small, 'must be bigint to be drawn on every node')
  const triggers = tables.flatMap(({ name, triggers: list }) => (list.length > 0 ? [name] : []))
  note('triggers', triggers, 'need citus.enable_unsafe_triggers; append-only rests on the missing grants without them')
  const views = model.relations.filter(({ kind }) => kind === 'm').map(({ name }) => name)
  note('materialized views', views, 'stay on the coordinator')
  const local = model.relations.filter(
    (relation) => isTable(relation) && !names.has(relation.root) && byName.get(relation.name)?.parent === null,
  )
  const withTenant = local.filter(hasTenant).map(({ name }) => name)
  note('local tables', withTenant, `have a ${TENANT_COLUMN} and stay on the coordinator`)
  const recursive = model.routines.filter(
    ({ body }) => /\bwith recursive\b/i.test(body) && tables.some(({ name }) => body.includes(name)),
  )
  note(
    'recursive queries',
    recursive.map(({ signature }) => signature),
    'cannot cross shards',
  )
  return notes
}
