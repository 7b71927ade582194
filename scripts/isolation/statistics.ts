import type pg from 'pg'
import { RUNTIME_ROLES } from '../../src/db/bootstrap.ts'
import type { Urls } from './matrix.ts'
import type { Relation } from './model.ts'
import { quoteRelation, quoteText } from './rows/row.ts'
import type { Seed } from './rows/seed.ts'
import { openSession } from './session.ts'

/** What a role can find out from what PostgreSQL keeps about rows, rather than from rows. */
export interface Oracle {
  id: string
  /** accepted: it tells, and the reviewed list says why that stays. open: it tells, and nothing says so. */
  status: 'closed' | 'accepted' | 'open' | 'unneeded'
  detail: string
}

/** Asks each oracle as every runtime role, in the own tenant's context, about the other tenant. */
export async function askOracles(
  urls: Urls,
  tables: readonly Relation[],
  seed: Seed,
  accepted: Readonly<Record<string, string>>,
): Promise<Oracle[]> {
  const told = new Map<string, string>()
  const note = (id: string, detail: string | null) => {
    if (detail !== null && !told.has(id)) told.set(id, detail)
  }
  for (const role of RUNTIME_ROLES) {
    const session = await openSession(urls.of(role))
    try {
      await session.client.query(`set local app.current_tenant_id = ${quoteText(seed.ownTenant)}`)
      for (const [id, ask] of Object.entries(ORACLES)) note(id, await ask(session.client, { role, tables, seed, urls }))
    } finally {
      await session.end()
    }
  }
  return Object.keys(ORACLES).map((id) => {
    const detail = told.get(id)
    const reason = accepted[id]
    if (detail === undefined)
      return reason === undefined
        ? { id, status: 'closed', detail: 'tells nothing' }
        : { id, status: 'unneeded', detail: 'tells nothing, and is on the reviewed list' }
    return reason === undefined
      ? { id, status: 'open', detail }
      : { id, status: 'accepted', detail: `${detail}: ${reason}` }
  })
}

interface Question {
  role: string
  tables: readonly Relation[]
  seed: Seed
  urls: Urls
}

/** Each gives what the role found out, or null. */
const ORACLES: Record<string, (client: pg.Client, question: Question) => Promise<string | null>> = {
  'column statistics': async (client, { role, tables }) => {
    const names = tables.map(({ name }) => quoteText(name)).join(', ')
    const views = ['pg_stats', 'pg_stats_ext', 'pg_stats_ext_exprs']
    for (const view of views) {
      const { rows } = await client.query(
        `select schemaname || '.' || tablename as name from pg_catalog.${view} where schemaname || '.' || tablename in (${names})`,
      )
      if (rows.length > 0) return `${role} reads values of ${rows[0].name} in ${view}`
    }
    return null
  },
  'statements of others': async (client, { role, seed, urls }) => {
    const other = await openSession(urls.of(role))
    try {
      // As inTenant does it: the tenant is a parameter, never part of the text.
      await other.client.query("select set_config('app.current_tenant_id', $1, true)", [seed.otherTenant])
      const { rows } = await client.query<{ query: string }>(
        "select query from pg_stat_activity where application_name = 'skeldir isolation'",
      )
      return rows.some(({ query }) => query.includes(seed.otherTenant))
        ? `${role} sees the other tenant's id in pg_stat_activity`
        : null
    } finally {
      await other.end()
    }
  },
  explain: async (client, { role, tables, seed }) => {
    for (const { name, access } of tables) {
      if (access[role]?.select.includes('tenant_id') !== true) continue
      const there = await estimate(client, name, seed.otherTenant)
      const nowhere = await estimate(client, name, '00000000-0000-4000-8000-000000000000')
      if (there !== nowhere)
        return `${role} is told an estimate of ${there} rows of ${name} for the other tenant, of ${nowhere} for one that has none`
    }
    return null
  },
  counters: async (client, { role, tables }) => {
    const names = tables.map(({ name }) => `${quoteText(name)}::regclass`).join(', ')
    const { rows } = await client.query<{ name: string; n: number }>(
      `select oid::regclass::text as name, reltuples::integer as n from pg_class where oid in (${names}) and reltuples > 1 limit 1`,
    )
    return rows[0] === undefined ? null : `${role} reads that ${rows[0].name} has ${rows[0].n} rows`
  },
}

async function estimate(client: pg.Client, table: string, tenantId: string): Promise<number> {
  const { rows } = await client.query(
    `explain (format json) select 1 from ${quoteRelation(table)} where tenant_id = ${quoteText(tenantId)}::uuid`,
  )
  const [{ Plan }] = rows[0]['QUERY PLAN'] as [{ Plan: { 'Plan Rows': number } }]
  return Plan['Plan Rows']
}
