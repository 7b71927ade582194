import type pg from 'pg'
import { getConstructionPlans, getMigrationPlans } from 'pg-boss'
import pgBoss from 'pg-boss/package.json' with { type: 'json' }
import { DELETE_AFTER_SECONDS, queues, RETENTION_SECONDS } from './queues.ts'

const SCHEMA = 'pgboss'

/** `create_queue` leaves a queue that exists as it is. A policy cannot be changed: it decided which jobs were let in. */
const UPDATE_QUEUE = `
  update ${SCHEMA}.queue as q
  set retry_limit = w."retryLimit", retry_delay = w."retryDelay", retry_backoff = w."retryBackoff",
      retry_delay_max = w."retryDelayMax", expire_seconds = w."expireInSeconds", retention_seconds = w."retentionSeconds",
      deletion_seconds = w."deleteAfterSeconds", dead_letter = w."deadLetter", heartbeat_seconds = w."heartbeatSeconds",
      notify = w."notify",
      updated_on = now()
  from jsonb_to_record($2::jsonb) as w (
    "retryLimit" integer, "retryDelay" integer, "retryBackoff" boolean, "retryDelayMax" integer, "expireInSeconds" integer,
    "retentionSeconds" integer, "deleteAfterSeconds" integer, "deadLetter" text, "heartbeatSeconds" integer,
    "notify" boolean)
  where q.name = $1
    and (q.retry_limit, q.retry_delay, q.retry_backoff, q.retry_delay_max, q.expire_seconds, q.retention_seconds,
         q.deletion_seconds, q.dead_letter, q.heartbeat_seconds, q.notify)
      is distinct from
        (w."retryLimit", w."retryDelay", w."retryBackoff", w."retryDelayMax", w."expireInSeconds", w."retentionSeconds",
         w."deleteAfterSeconds", w."deadLetter", w."heartbeatSeconds", w."notify")`

/** Who is at work is looked for each second: without an index that is every job of the last week. */
const INDEX_ACTIVE = `
  do $$ begin
    if to_regclass('${SCHEMA}.job_common_active_idx') is null then
      create index job_common_active_idx on ${SCHEMA}.job_common (name) where state = 'active';
    end if;
  end $$`

/**
 * What pg-boss has for those who use more of it, and what costs every job (measured: `npm run bench -- queue`). Each second it
 * would count all jobs of the last week for figures that nobody here reads; the foreign keys say of a job what the functions that
 * add one look up anyway; and INDEX_ACTIVE serves what job_common_i7 would. Ids that ascend keep what is new of the primary key
 * together, where the server can make them (Postgres 18). Tables are touched only where there is something to change: to alter
 * one waits for every job that is being taken, and lets none be taken meanwhile.
 */
const LIGHTEN = `
  update ${SCHEMA}.version set monitor_backoff_on = 'infinity' where monitor_backoff_on is distinct from 'infinity';
  drop index if exists ${SCHEMA}.job_common_i7;
  do $$
  declare
    jobs regclass;
  begin
    if exists (select from pg_constraint
               where conrelid = '${SCHEMA}.job_common'::regclass and conname in ('q_fkey', 'dlq_fkey')) then
      alter table ${SCHEMA}.job_common drop constraint if exists q_fkey, drop constraint if exists dlq_fkey;
    end if;
    if current_setting('server_version_num')::integer >= 180000 then
      for jobs in
        select d.adrelid
        from pg_attrdef as d
        join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum and a.attname = 'id'
        where d.adrelid in ('${SCHEMA}.job'::regclass, '${SCHEMA}.job_common'::regclass)
          and pg_get_expr(d.adbin, d.adrelid) <> 'uuidv7()'
      loop
        execute format('alter table %s alter column id set default uuidv7()', jobs);
      end loop;
    end if;
  end $$`

/**
 * Brings the queue's schema and its queues up to date, as skeldir_owner. pg-boss prints the SQL, we run it: at run time
 * it neither creates nor migrates anything, so no runtime role needs the right to. Can be repeated.
 */
export async function installQueue(client: pg.Client): Promise<void> {
  await client.query('set role skeldir_owner')
  try {
    const { rows } = await client.query<{ known: boolean }>(
      `select to_regclass('${SCHEMA}.version') is not null as known`,
    )
    if (rows[0]?.known === true) {
      const current = await client.query<{ version: number }>(`select version from ${SCHEMA}.version`)
      const version = current.rows[0]?.version ?? 0
      if (version < pgBoss.pgboss.schema) await client.query(getMigrationPlans(SCHEMA, version))
    } else {
      await client.query(getConstructionPlans(SCHEMA))
    }
    await client.query(INDEX_ACTIVE)
    await client.query(LIGHTEN)
    for (const queue of queues) {
      const { name, ...options } = queue
      const row = {
        ...options,
        retryBackoff: true,
        notify: queue.notify ?? false,
        deleteAfterSeconds: queue.deleteAfterSeconds ?? DELETE_AFTER_SECONDS,
        retentionSeconds: RETENTION_SECONDS,
      }
      await client.query(`select ${SCHEMA}.create_queue($1, $2::jsonb)`, [name, JSON.stringify(row)])
      await client.query(UPDATE_QUEUE, [name, JSON.stringify(row)])
    }
  } finally {
    await client.query('reset role')
  }
}
