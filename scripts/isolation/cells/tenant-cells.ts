import { type Relation, TENANT_COLUMN } from '../model.ts'
import { type Row, toCopyLine } from '../rows/row.ts'
import type { Actor, Target } from './actor.ts'
import { type Cell, CONTEXTS, type Context, type Expectation } from './cell.ts'
import {
  anyRow,
  assign,
  copyFrom,
  copyTo,
  insert,
  isBound,
  keep,
  names,
  pickColumn,
  remove,
  select,
  update,
} from './statements.ts'

const DENIED = ['42501']
/** What is no uuid is refused where the policy is evaluated. */
const NOT_A_TENANT = ['22P02']
/** COPY FROM does not know policies, so PostgreSQL refuses it on a table that has them. */
const COPY_UNSUPPORTED = ['0A000']
/** An own row that others point to stays. */
const REFERENCED = ['23503', '23001']

interface Statement {
  sql: string
  /** Whether the privileges of the role allow it; policies aside. */
  isGranted: boolean
  copyLines?: string
}

interface Operation {
  name: string
  toStatement: (actor: Actor, target: Target, context: Context) => Statement
  /** What comes of it where the privileges allow it. */
  expect: (actor: Actor, target: Target, context: Context) => Expectation
}

/** The statements of one table in every role and context, `none` first: it can be tried in a new session only. */
export function tenantCells(actors: readonly Actor[], target: Target): Cell[] {
  return CONTEXTS.flatMap((context) =>
    actors.flatMap((actor) => OPERATIONS.map((operation) => toCell(operation, actor, target, context))),
  )
}

function toCell(operation: Operation, actor: Actor, target: Target, context: Context): Cell {
  const { isGranted, ...statement } = operation.toStatement(actor, target, context)
  const usesFresh = operation.name === 'INSERT' || operation.name === 'INSERT RETURNING'
  const tenant = usesFresh ? (target.freshOwn[TENANT_COLUMN] ?? target.ownTenant) : target.ownTenant
  return {
    relation: target.table.name,
    role: actor.role,
    context,
    operation: operation.name,
    setting: settingOf(context, tenant, target.garbage),
    ...statement,
    isGranted,
    expect: isGranted ? operation.expect(actor, target, context) : { refused: DENIED },
    seesAll: actor.reach === 'all',
  }
}

/** In the context `other` it is the own tenant that is set: the statement asks for rows of the other one. */
function settingOf(context: Context, tenantId: string, garbage: string): string | null {
  return { none: null, empty: '', garbage, own: tenantId, other: tenantId }[context]
}

const OPERATIONS: readonly Operation[] = [
  {
    name: 'SELECT',
    toStatement: (actor, target, context) => reading(actor, target, context, select),
    expect: expectReading,
  },
  {
    name: 'SELECT, row_security off',
    toStatement: (actor, target, context) => {
      const { sql, isGranted } = reading(actor, target, context, select)
      return { sql: `set local row_security = off; ${sql}`, isGranted }
    },
    // Instead of showing everything, PostgreSQL fails.
    expect: () => ({ refused: DENIED }),
  },
  {
    name: 'SELECT FOR UPDATE',
    toStatement: (actor, target, context) => {
      const { sql, isGranted } = reading(actor, target, context, select)
      return { sql: `${sql} for update`, isGranted: isGranted && actor.access.update.length > 0 }
    },
    expect: expectReading,
  },
  {
    name: 'COPY TO',
    toStatement: (actor, target, context) => reading(actor, target, context, copyTo),
    expect: expectReading,
  },
  {
    name: 'INSERT',
    toStatement: (actor, target, context) => inserting(actor, target, context),
    expect: expectInsert(1),
  },
  {
    name: 'INSERT RETURNING',
    toStatement: (actor, target, context) => {
      const { sql, isGranted } = inserting(actor, target, context)
      const columns = readable(actor, target.table)
      return { sql: `${sql} returning ${names(columns)}`, isGranted: isGranted && actor.access.select.length > 0 }
    },
    expect: expectInsert(1),
  },
  {
    name: 'INSERT ON CONFLICT DO NOTHING',
    toStatement: (actor, target, context) => repeating(actor, target, context, ' on conflict do nothing'),
    // Without a key of its own in the columns that the role may give, the row is another one.
    expect: (actor, target, context) => {
      const columns = insertable(actor, target.table)
      const isRepeated = target.table.keys.some((key) => key.columns.every((name) => columns.includes(name)))
      return expectInsert(isRepeated ? 0 : 1)(actor, target, context)
    },
  },
  {
    name: 'INSERT ON CONFLICT DO UPDATE',
    toStatement: (actor, target, context) => {
      const { table } = target
      // A key that the row repeats: a primary key that the role may not give is another one each time.
      const given = insertable(actor, table)
      const primaryFirst = table.keys.toSorted((a, b) => Number(b.isPrimary) - Number(a.isPrimary))
      const repeatedKey = primaryFirst.find(({ columns }) => columns.every((name) => given.includes(name)))
      const key = (repeatedKey ?? primaryFirst[0])?.columns ?? [TENANT_COLUMN]
      const column = pickColumn(table, actor.access.update)
      const rest = ` on conflict (${names(key)}) do update set ${assign(table, column, repeated(target, context)[column])}`
      const { sql, isGranted } = repeating(actor, target, context, rest)
      const { select: readableColumns, update: writable } = actor.access
      const isAllowed = writable.includes(column) && key.every((name) => readableColumns.includes(name))
      return { sql, isGranted: isGranted && isAllowed }
    },
    expect: expectInsert(1),
  },
  { name: 'UPDATE', toStatement: (actor, target, context) => changing(actor, target, context), expect: expectChange },
  {
    name: 'UPDATE RETURNING',
    toStatement: (actor, target, context) => {
      const { sql, isGranted } = changing(actor, target, context)
      const columns = readable(actor, target.table)
      return { sql: `${sql} returning ${names(columns)}`, isGranted: isGranted && actor.access.select.length > 0 }
    },
    expect: expectChange,
  },
  {
    name: 'UPDATE tenant_id',
    toStatement: (actor, { table, ownTenant, otherTenant }, context) => {
      const [to, from] = context === 'other' ? [ownTenant, otherTenant] : [otherTenant, null]
      const isGranted = actor.access.update.includes(TENANT_COLUMN) && canFilter(actor, from)
      return { sql: update(table, TENANT_COLUMN, to, from), isGranted }
    },
    expect: (actor, target, context) => {
      if (context === 'own' && actor.reach === 'tenant') return { refused: DENIED }
      return expectChange(actor, target, context)
    },
  },
  {
    name: 'DELETE',
    toStatement: (actor, { table, otherTenant }, context) => {
      const tenant = context === 'other' ? otherTenant : null
      return {
        sql: remove(table, tenant),
        isGranted: actor.access.table.includes('DELETE') && canFilter(actor, tenant),
      }
    },
    expect: (actor, target, context) => {
      const expected = expectChange(actor, target, context)
      return context === 'own' && actor.reach === 'tenant' ? { ...expected, refused: REFERENCED } : expected
    },
  },
  {
    name: 'TRUNCATE',
    toStatement: (actor, { table }) => ({
      sql: `truncate ${table.name}`,
      isGranted: actor.access.table.includes('TRUNCATE'),
    }),
    // The owner could drop the table as well; a trigger or a foreign key may stop it. Nobody else has the privilege.
    expect: () => ({ written: 0, refused: [...DENIED, '0A000'] }),
  },
  {
    name: 'COPY FROM',
    toStatement: (actor, target, context) => {
      const row = context === 'other' ? target.freshOther : target.freshOwn
      const columns = insertable(actor, target.table)
      return {
        sql: copyFrom(target.table, columns),
        copyLines: toCopyLine(row, columns),
        isGranted: actor.access.insert.length > 0,
      }
    },
    expect: () => ({ refused: COPY_UNSUPPORTED }),
  },
]

/** Columns that the role may read; where it may read none, all: to be refused. */
export function readable({ access }: Actor, table: Relation): string[] {
  return access.select.length > 0 ? access.select : table.columns.map(({ name }) => name)
}

export function insertable({ access }: Actor, table: Relation): string[] {
  const all = table.columns.filter(({ isGenerated }) => !isGenerated).map(({ name }) => name)
  const allowed = all.filter((name) => access.insert.includes(name))
  return allowed.length > 0 ? allowed : all
}

function canFilter({ access }: Actor, tenantId: string | null): boolean {
  return tenantId === null || access.select.includes(TENANT_COLUMN)
}

type Reading = (table: Relation, columns: readonly string[], tenantId: string | null) => string

function reading(actor: Actor, { table, otherTenant }: Target, context: Context, toSql: Reading): Statement {
  const tenant = context === 'other' ? otherTenant : null
  // Whoever may read no column is asked for none: a privilege on a single one is enough to count rows.
  const isDenied = actor.access.select.length === 0
  const sql = isDenied && toSql === select ? anyRow(table, tenant) : toSql(table, readable(actor, table), tenant)
  return { sql, isGranted: actor.access.select.length > 0 && canFilter(actor, tenant) }
}

function expectReading({ reach }: Actor, { own, other, total }: Target, context: Context): Expectation {
  if (reach === 'nothing') return { seen: 0 }
  if (reach === 'all') return { seen: context === 'other' ? other.length : total }
  if (context === 'garbage') return { refused: NOT_A_TENANT }
  return { seen: context === 'own' ? own.length : 0 }
}

function inserting(actor: Actor, target: Target, context: Context): Statement {
  const row = context === 'other' ? target.freshOther : target.freshOwn
  const columns = insertable(actor, target.table)
  return { sql: insert(target.table, row, columns), isGranted: actor.access.insert.length > 0 }
}

function repeated({ own, other }: Target, context: Context): Row {
  return (context === 'other' ? other[0] : own[0]) ?? {}
}

/** A row that is there already. */
function repeating(actor: Actor, target: Target, context: Context, rest: string): Statement {
  const columns = insertable(actor, target.table)
  return {
    sql: insert(target.table, repeated(target, context), columns, rest),
    isGranted: actor.access.insert.length > 0,
  }
}

function expectInsert(written: number): Operation['expect'] {
  return ({ reach }, _, context) => {
    if (context === 'own' && reach === 'tenant') return { written }
    return { refused: context === 'garbage' && reach === 'tenant' ? NOT_A_TENANT : DENIED }
  }
}

function changing(actor: Actor, target: Target, context: Context): Statement {
  const { table, otherTenant } = target
  const tenant = context === 'other' ? otherTenant : null
  const column = pickColumn(table, actor.access.update)
  const isGranted = actor.access.update.includes(column) && canFilter(actor, tenant)
  // A key cannot have one value in several rows: each keeps its own, which has to be read.
  if (isBound(table, column))
    return { sql: keep(table, column, tenant), isGranted: isGranted && actor.access.select.includes(column) }
  const value = repeated(target, context)[column] ?? null
  return { sql: update(table, column, value, tenant), isGranted }
}

function expectChange({ reach }: Actor, { own }: Target, context: Context): Expectation {
  if (reach !== 'tenant') return { written: 0 }
  if (context === 'garbage') return { refused: NOT_A_TENANT }
  return { written: context === 'own' ? own.length : 0 }
}
