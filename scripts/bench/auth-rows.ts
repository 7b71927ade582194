import pg from 'pg'
import { hashPassword } from '../../src/auth/password.ts'

/** Of each kind of thing that a tenant has; an id is asked for several times, as a guesser would. */
export const IDS = 200

/** What somebody of another tenant may ask for by its id. */
export interface Ids {
  jobs: string[]
  orders: string[]
  sessions: string[]
  keys: string[]
  members: string[]
}

export interface People {
  /** Of everybody who has an account. */
  password: string
  /** Members of our tenant who may log in, and who may not any more. */
  active: string[]
  disabled: string[]
  /** Members of the other tenant only. */
  elsewhere: string[]
}

/**
 * Fills the database as the superuser, set by set: both tenants have as much of everything, so that whoever looks for
 * another's row looks through as many of their own. `people` of each kind. Gives what the other tenant has.
 */
export async function fillForAuth(
  adminUrl: string,
  { ours, other, people }: { ours: string; other: string; people: number },
): Promise<{ ids: Ids; people: People }> {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'skeldir bench' })
  client.on('error', () => {})
  await client.connect()
  const read = async (text: string, values: unknown[]) =>
    (await client.query<{ id: string }>(text, values)).rows.map(({ id }) => id)
  try {
    // Orders stand for themselves: the deliveries that proved them are not asked for.
    await client.query("set session_replication_role = replica; set timezone = 'UTC'")
    const things = async (tenantId: string, firstOrder: number): Promise<Ids> => ({
      jobs: await read(JOBS, [tenantId, IDS]),
      orders: await read(ORDERS, [tenantId, IDS, firstOrder]),
      sessions: await read(SESSIONS, [tenantId, IDS]),
      keys: await read(KEYS, [tenantId, IDS]),
      members: await read(MEMBERS, [tenantId, IDS]),
    })
    await things(ours, 10_000)
    const ids = await things(other, 20_000)
    const password = 'correct horse battery staple'
    const hash = await hashPassword(password)
    const group = (name: string, tenantId: string, status: string) =>
      read(PEOPLE, [name, people, hash, status, tenantId])
    const active = await group('active', ours, 'active')
    const disabled = await group('disabled', ours, 'disabled')
    const elsewhere = await group('elsewhere', other, 'active')
    await client.query('set session_replication_role = default')
    await client.query('vacuum analyze')
    return { ids, people: { password, active, disabled, elsewhere } }
  } finally {
    await client.end()
  }
}

const JOBS = `
  insert into attribution_recompute_jobs (tenant_id, window_start, window_end, model_version, requested_by)
  select $1, d, d + interval '1 day', '1.0.0', gen_random_uuid()
  from generate_series(1, $2::integer) as n cross join lateral (select timestamptz '2026-01-01' + n * interval '1 day' as d) as day
  returning job_id as id`

const ORDERS = `
  with orders as (
    select $1::uuid as tenant_id, 'shopify:' || ($3::integer + n) as order_key, gen_random_uuid() as event_id
    from generate_series(1, $2::integer) as n
  ),
  facts as (
    insert into order_facts (tenant_id, order_key, event_id, currency, ordered_at)
    select tenant_id, order_key, event_id, 'USD', timestamptz '2026-01-01' from orders
  )
  insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
  select tenant_id, 'capture/' || order_key, order_key, 'capture', 1999, 'USD', 'shopify', event_id, timestamptz '2026-01-01'
  from orders
  returning order_key as id`

const SESSIONS = `
  insert into sessions (tenant_id, session_id, user_id, created_at, last_used_at, expires_at)
  select $1, gen_random_uuid(), gen_random_uuid(), now(), now(), now() + interval '30 days'
  from generate_series(1, $2::integer)
  returning session_id as id`

const KEYS = `
  insert into api_keys (tenant_id, name, prefix, secret_hash, scopes)
  select $1::uuid, 'Benchmark', 'skd_', sha256(uuid_send($1::uuid) || int4send(n)), array['events:write']
  from generate_series(1, $2::integer) as n
  returning key_id as id`

const MEMBERS = `
  with people as (
    insert into users (email, password_hash)
    select n || '@' || $1::uuid || '.example', 'none' from generate_series(1, $2::integer) as n
    returning user_id
  )
  insert into memberships (tenant_id, user_id, role)
  select $1::uuid, user_id, 'viewer' from people
  returning user_id as id`

const PEOPLE = `
  with people as (
    insert into users (email, password_hash, status)
    select $1::text || '-' || lpad(n::text, 5, '0') || '@bench.example', $3::text, $4::text from generate_series(1, $2::integer) as n
    returning user_id, email
  ),
  members as (
    insert into memberships (tenant_id, user_id, role) select $5::uuid, user_id, 'viewer' from people
  )
  select email as id from people order by email`
