import type pg from 'pg'
import { createRandom, type Random, uuid } from '../../demo/random.ts'
import { hasTenant, isTable, type Model, type Relation, TENANT_COLUMN } from '../model.ts'
import { literalsIn } from './candidates.ts'
import { ADDS_ROWS } from './factories.ts'
import { columnOf, quoteName, quoteRelation, type Row, toLiteral } from './row.ts'
import { RowError, solveRow } from './solve.ts'

/** A value that another row has already, or a trigger that refuses it, is drawn again this often. */
const ATTEMPTS = 30
const NEW_PARENTS_AFTER = 5
/** The tenant that looks has one row in each table, the one that is looked for two: counts alone tell them apart. */
const ROWS = { own: 1, other: 2 } as const

export interface TableRows {
  /** Rows of the tenant whose context is set. */
  own: Row[]
  /** Rows of another tenant. */
  other: Row[]
  /** A row that could be inserted, and its tenant: another one where a tenant has one row only. */
  freshOwn: Row
  freshOther: Row
}

export interface Seed {
  ownTenant: string
  otherTenant: string
  tables: Map<string, TableRows>
  /** How many rows each relation holds, of all tenants. */
  totals: Map<string, number>
  /** Texts that occur in rows of the other tenant and nowhere else: seen anywhere, they are a leak. */
  markers: string[]
}

/**
 * Fills `tables` (and what they point to) with rows of two tenants, made from the catalogue. `client` is a superuser,
 * whom no policy stops; CHECKs, foreign keys and triggers all hold. Throws RowError for a table that it cannot fill.
 */
export async function seedRows(
  client: pg.Client,
  model: Model,
  tables: readonly Relation[],
  seed: number,
): Promise<Seed> {
  const seeder = createSeeder(client, model, seed)
  const ownTenant = uuid(createRandom(seed, 'isolation own tenant'))
  const otherTenant = uuid(createRandom(seed, 'isolation other tenant'))
  const rows = new Map<string, TableRows>()
  for (const table of tables) {
    const own = await seeder.fill(table, ownTenant, ROWS.own)
    await seeder.fill(table, otherTenant, 1)
    if (!isSingleton(table)) await seeder.fill(table, otherTenant, ROWS.other).catch(orFull)
    const other = seeder.rowsOf(table.name, otherTenant)
    rows.set(table.name, { own, other, freshOwn: {}, freshOther: {} })
  }
  for (const table of tables) {
    const draft = async (tenantId: string, label: string) => {
      if (!isSingleton(table)) {
        const row = await seeder.draft(table, tenantId).catch(orFull)
        if (row !== null) return row
      }
      return seeder.draft(table, uuid(createRandom(seed, `isolation ${table.name} ${label}`)))
    }
    Object.assign(rows.get(table.name) as TableRows, {
      freshOwn: await draft(ownTenant, 'own'),
      freshOther: await draft(otherTenant, 'other'),
    })
  }
  // Rows that were needed for others to point to may have come later than the table's own turn.
  for (const table of tables) {
    const known = rows.get(table.name) as TableRows
    known.own = seeder.rowsOf(table.name, ownTenant)
    known.other = seeder.rowsOf(table.name, otherTenant)
  }
  await client.query('analyze')
  const totals = new Map<string, number>()
  for (const relation of model.relations.filter(isTable)) {
    const { rows: counted } = await client.query(`select count(*)::integer as n from ${quoteRelation(relation.name)}`)
    totals.set(relation.name, counted[0].n)
  }
  const filled = model.relations.filter(isTable).map((table) => ({
    table,
    own: [...seeder.rowsOf(table.name, ownTenant), rows.get(table.name)?.freshOwn ?? {}],
    other: seeder.rowsOf(table.name, otherTenant),
  }))
  return { ownTenant, otherTenant, tables: rows, totals, markers: findMarkers(filled) }
}

/** Null where every value that a key can have is taken. Throws any other error again. */
function orFull(error: Error): null {
  if ((error.cause as { code?: string } | undefined)?.code === '23505') return null
  throw error
}

/** Whether a tenant can have one row only. */
export function isSingleton(table: Relation): boolean {
  return table.keys.some(({ columns }) => columns.length === 1 && columns[0] === TENANT_COLUMN)
}

interface Seeder {
  /** Inserts until the tenant has `count` rows, and gives them. */
  fill(table: Relation, tenantId: string, count: number): Promise<Row[]>
  /** A row that could be inserted; it is not there afterwards. */
  draft(table: Relation, tenantId: string): Promise<Row>
  rowsOf(table: string, tenantId: string): Row[]
}

function createSeeder(client: pg.Client, { relations }: Model, seed: number): Seeder {
  const byName = new Map(relations.map((relation) => [relation.name, relation]))
  const made = new Map<string, Row[]>()
  const rowsOf = (table: string, tenantId: string) => made.get(`${table} ${tenantId}`) ?? []
  const onTheWay = new Set<string>()

  /** One row more where `more`: a table whose whole key is taken over has one row for each of its parents'. */
  const fillParents = async (table: Relation, tenantId: string, more: boolean): Promise<void> => {
    onTheWay.add(table.name)
    for (const { target } of table.foreignKeys) {
      const parent = byName.get(target)
      if (parent === undefined) throw new RowError(`${table.name} points to ${target}, which is not a table of ours`)
      const count = more && !isSingleton(parent) ? rowsOf(target, tenantId).length + 1 : 1
      if (!onTheWay.has(target)) await fill(parent, tenantId, count)
    }
    onTheWay.delete(table.name)
  }

  const insert = async (
    table: Relation,
    tenantId: string,
    label: string,
    { end, isSparse }: { end: 'commit' | 'rollback'; isSparse: boolean },
  ): Promise<Row> => {
    let last: unknown
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      await fillParents(table, tenantId, attempt === NEW_PARENTS_AFTER)
      const random = createRandom(seed, `isolation ${table.name} ${tenantId} ${label} ${attempt}`)
      const fixed = findFixed(table, tenantId, random, rowsOf)
      const row = await solveRow(client, table, fixed, random, { isSparse: isSparse || attempt > ATTEMPTS / 2 })
      await client.query('begin')
      try {
        const inserted = await insertRow(client, table, row)
        await client.query(end)
        return inserted
      } catch (error) {
        await client.query('rollback')
        last = error
      }
    }
    throw new RowError(`${table.name}: no row could be inserted: ${(last as Error).message}`, { cause: last })
  }

  const fill = async (table: Relation, tenantId: string, count: number): Promise<Row[]> => {
    const key = `${table.name} ${tenantId}`
    const rows = made.get(key) ?? []
    made.set(key, rows)
    while (rows.length < count) {
      // The first row has a value in every column, the next ones have none where none is needed: both are rows to find.
      const row = await insert(table, tenantId, String(rows.length), { end: 'commit', isSparse: rows.length > 0 })
      rows.push(row)
    }
    return rows
  }
  return {
    fill,
    rowsOf,
    draft: (table, tenantId) => insert(table, tenantId, 'fresh', { end: 'rollback', isSparse: false }),
  }
}

/** The columns that a row takes over: its tenant, and the keys of the rows that it points to. */
function findFixed(table: Relation, tenantId: string, random: Random, rowsOf: Seeder['rowsOf']): Row {
  const fixed: Row = {}
  if (hasTenant(table)) fixed[TENANT_COLUMN] = tenantId
  for (const { name, columns, target, targetColumns } of table.foreignKeys) {
    const parents = rowsOf(target, tenantId)
    const optional = columns.filter((column) => !columnOf(table, column).isRequired)
    if (parents.length > 0) {
      const parent = random.pick(parents)
      columns.forEach((column, at) => {
        fixed[column] = parent[targetColumns[at] as string] ?? null
      })
    } else if (optional.length > 0) for (const column of optional) fixed[column] = null
    else throw new RowError(`${table.name}: ${name} needs a row of ${target}, and that one of ${table.name}`)
  }
  return fixed
}

async function insertRow(client: pg.Client, table: Relation, row: Row): Promise<Row> {
  const columns = Object.keys(row)
  const all = table.columns.map(({ name }) => `${quoteName(name)}::text`)
  if (ADDS_ROWS.has(table.name)) await client.query('set session_replication_role = replica')
  const { rows } = await client
    .query<Row>(
      `insert into ${quoteRelation(table.name)} (${columns.map(quoteName).join(', ')})
     values (${columns.map((name) => toLiteral(columnOf(table, name), row[name])).join(', ')}) returning ${all.join(', ')}`,
    )
    .finally(() => (ADDS_ROWS.has(table.name) ? client.query('reset session_replication_role') : undefined))
  return rows[0] as Row
}

/** Short texts, numbers and times may be equal by chance. */
const MARKER_LENGTH = 10

/** Texts of `other` rows that no row of `own` has, and no CHECK names. */
function findMarkers(tables: Iterable<{ table: Relation; own: readonly Row[]; other: readonly Row[] }>): string[] {
  const known = new Set<string>()
  const found = new Set<string>()
  for (const { table, own, other } of tables) {
    for (const { expression } of table.checks) for (const text of literalsIn(expression)) known.add(text)
    const names = table.columns
      .filter(({ category }) => !['D', 'N', 'B', 'T'].includes(category))
      .map(({ name }) => name)
    const textsOf = (rows: readonly Row[]) => rows.flatMap((row) => names.map((name) => row[name] ?? ''))
    for (const text of textsOf(own)) known.add(text)
    for (const text of textsOf(other)) if (text.length >= MARKER_LENGTH) found.add(text)
  }
  const all = [...known].join('\n')
  return [...found].filter((text) => !all.includes(text))
}
