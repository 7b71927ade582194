import type pg from 'pg'
import { createRandom } from '../../demo/random.ts'
import { ROLES } from '../cells/actor.ts'
import type { Cell, Outcome } from '../cells/cell.ts'
import { isTable, type Model, type Relation, type Routine, TENANT_COLUMN } from '../model.ts'
import { quoteName, quoteRelation, quoteText, type Row } from '../rows/row.ts'
import type { Seed } from '../rows/seed.ts'
import type { Session } from '../session.ts'
import type { Exceptions } from '../structure/fault.ts'
import { attemptsFor, type KnownValue, knownValues } from './arguments.ts'

/** The library's own functions run as whoever calls them; its worker may call them, and owns the queue. */
const QUEUE_SCHEMA = 'pgboss'

export interface CallFinding {
  call: Cell
  detail: string
}

/**
 * Calls of every function by every role, outside of a tenant and inside one's own. Who may not call is refused; who may
 * gets nothing of another tenant back, and changes nothing of it; outside of a tenant nothing changes at all.
 */
export function callsOf(
  routines: readonly Routine[],
  exceptions: Exceptions,
  seed: Seed,
  known: readonly KnownValue[],
  random: number,
  count: number,
): Cell[] {
  return routines
    .filter(({ isTrigger, kind }) => !isTrigger && (kind === 'f' || kind === 'p'))
    .flatMap((routine) => {
      const reviewed = exceptions.DEFINERS[routine.signature]
      const reach = exceptions.SWITCHERS[routine.signature] === undefined ? (reviewed?.reach ?? 'context') : 'all'
      const attempts = attemptsFor(routine, {
        seed,
        known,
        reach,
        random: createRandom(random, routine.signature),
        count,
      })
      return ROLES.filter((role) => role !== 'skeldir_owner' && role !== 'skeldir_migrator').flatMap((role) => {
        const isRuntime = role !== 'skeldir_control'
        const isAllowed = isRuntime ? (reviewed?.roles ?? routine.executors).includes(role) : mayControl(routine)
        if (isAllowed && (routine.schema === QUEUE_SCHEMA || !isRuntime || reach === 'all')) return []
        const tried = isAllowed ? attempts : attempts.slice(0, 1)
        return tried.flatMap(({ name, sql }) =>
          ([null, seed.ownTenant] as const).map((setting) => ({
            relation: routine.signature,
            role,
            context: setting === null ? ('none' as const) : ('own' as const),
            operation: `call with ${name}`,
            setting,
            sql,
            expect: isAllowed ? {} : { refused: ['42501'] },
            isGranted: isAllowed,
            isReadOnly: setting === null && reviewed?.writesOutside === undefined,
            seesAll: false,
          })),
        )
      })
    })
}

function mayControl({ owner, executors }: Routine): boolean {
  return owner === 'skeldir_control' || executors.includes('skeldir_control')
}

/** Makes the calls as a superuser who takes each role, and looks after each what became of the other tenant's rows. */
export async function runCalls(
  session: Session,
  calls: readonly Cell[],
  seed: Seed,
  fingerprint: string,
  { onlyFirst = false } = {},
): Promise<CallFinding[]> {
  const findings: CallFinding[] = []
  await session.client.query('rollback to savepoint cell')
  const prepared = { name: 'fingerprint', text: fingerprint }
  const before = await readState(session, prepared)
  for (const call of calls) {
    const outcome = await session.run(call)
    const detail =
      judgeCall(call, outcome, seed) ?? (outcome.ok ? await findChange(session, call, before, prepared) : null)
    if (detail === null) continue
    findings.push({ call, detail })
    if (onlyFirst) break
  }
  return findings
}

interface State {
  /** Of rows that name the other tenant, and of all rows. */
  theirs: string
  all: string
}

/** Prepared once: to plan a statement that names every table takes longer than to run it. */
async function readState(session: Session, fingerprint: pg.QueryConfig): Promise<State> {
  const { rows } = await session.client.query<State>(fingerprint)
  return { theirs: rows.map(({ theirs }) => theirs).join(), all: rows.map(({ all }) => all).join() }
}

async function findChange(
  session: Session,
  call: Cell,
  before: State,
  fingerprint: pg.QueryConfig,
): Promise<string | null> {
  await session.client.query('set local role none; set local app.current_tenant_id = default')
  const after = await readState(session, fingerprint)
  if (after.theirs !== before.theirs) return 'changes rows of another tenant'
  return call.isReadOnly === true && after.all !== before.all ? 'writes outside of a tenant' : null
}

function judgeCall(call: Cell, outcome: Outcome, { markers }: Seed): string | null {
  const text = outcome.ok ? outcome.rows.map((row) => row.join('\n')).join('\n') : outcome.text
  const shown = markers.find((marker) => text.includes(marker) && !call.sql.includes(quoteText(marker).slice(1, -1)))
  if (shown !== undefined) return `answers ${shown} of another tenant`
  const { refused } = call.expect
  if (refused === undefined) return null
  if (outcome.ok) return 'may be called'
  return refused.includes(outcome.code)
    ? null
    : `fails with ${outcome.code} ${outcome.text.split('\n')[0]}, not for want of a privilege`
}

/**
 * Sums up every row of all tables, and those of the other tenant: where a table has no tenant, those that name it. A row of
 * one's own may hold any id in its other columns, as a random call gives them.
 */
export function fingerprintOf({ relations }: Pick<Model, 'relations'>, { otherTenant }: Seed): string {
  const tables = relations.filter((relation) => isTable(relation) && relation.root === relation.name)
  return tables
    .map(({ name, columns }) => {
      const isTheirs = columns.some((column) => column.name === TENANT_COLUMN)
        ? `t.${TENANT_COLUMN} = ${quoteText(otherTenant)}`
        : `t::text like ${quoteText(`%${otherTenant}%`)}`
      return `select coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as all,
                coalesce(md5(string_agg(t::text, ',' order by t::text) filter (where ${isTheirs})), '') as theirs
         from ${quoteRelation(name)} as t`
    })
    .join(' union all ')
}

/** Values to call functions with: the other tenant's rows, and a few of the tables that belong to nobody. */
export async function readKnownValues(
  client: pg.Client,
  { relations }: Pick<Model, 'relations'>,
  seed: Seed,
): Promise<KnownValue[]> {
  const tables = relations.filter((relation) => isTable(relation) && relation.root === relation.name)
  const known: { name: string; types: Map<string, string>; rows: Row[] }[] = []
  for (const table of tables) {
    const rows = seed.tables.get(table.name)?.other ?? (await readSome(client, table))
    known.push({
      name: table.name,
      types: new Map(table.columns.map(({ name, type }) => [name, type])),
      rows: [...rows],
    })
  }
  return knownValues(known)
}

async function readSome(client: pg.Client, table: Relation): Promise<Row[]> {
  const columns = table.columns.map(({ name }) => `${quoteName(name)}::text`)
  return (await client.query<Row>(`select ${columns.join(', ')} from ${quoteRelation(table.name)} limit 5`)).rows
}
