import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '../db/tenant.ts'
import type { Credit, CurrencyTotal, Entry, Journey } from './credit.ts'
import { LOOKBACK_HOURS, type Model } from './models.ts'

/** One recompute at a time per tenant; held until the transaction ends. */
export async function lockTenant(tx: Tx, tenantId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('attribution/' || ${tenantId}, 0))`.execute(tx)
}

export interface Span {
  from: Date
  /** Included. */
  to: Date
}

/**
 * The UTC days (YYYY-MM-DD) on which an order lies, or lay before a fact moved it, that is in one of the spans, is
 * named, or is a later one of the same visitor as a named one: that uses touches up, or gives them back. Ascending.
 */
export async function listOrderDays(
  tx: Tx,
  tenantId: string,
  { spans, orderKeys }: { spans: readonly Span[]; orderKeys: readonly string[] },
): Promise<string[]> {
  const { rows } = await sql<{ day: string }>`
    with named as (  -- with the facts of all keys of the same order
      select f.identity, f.ordered_at
      from order_facts as f
      where f.tenant_id = ${tenantId}
        and f.order_key in (select unnest(${orderKeys as string[]}::text[])
                            union
                            select other.order_key from order_groups as g
                            join order_groups as other on other.tenant_id = ${tenantId} and other.group_key = g.group_key
                            where g.tenant_id = ${tenantId} and g.order_key = any (${orderKeys as string[]}::text[]))
    ),
    touched as (
      select f.ordered_at
      from unnest(${spans.map(({ from }) => from)}::timestamptz[], ${spans.map(({ to }) => to)}::timestamptz[])
             as span (first_at, last_at)
      join order_facts as f on f.tenant_id = ${tenantId} and f.ordered_at between span.first_at and span.last_at
      union all
      select ordered_at
      from named
      union all
      select f.ordered_at
      from order_facts as f
      where f.tenant_id = ${tenantId}
        and f.order_key in (select g.order_key from order_facts as g
                            where g.tenant_id = ${tenantId} and g.identity in (select n.identity from named as n))
        and exists (select from named as n
                    where f.ordered_at between n.ordered_at and n.ordered_at + make_interval(hours => ${LOOKBACK_HOURS}))
    )
    select distinct to_char(ordered_at at time zone 'UTC', 'YYYY-MM-DD') as day
    from touched
    order by day`.execute(tx)
  return rows.map(({ day }) => day)
}

export interface Inputs {
  journeys: Journey[]
  /** Everything committed before this moment was seen. */
  dataCutoff: Date
}

interface InputRow {
  orderKey: string
  orderedAt: string
  entries: (Omit<Entry, 'amountMinor'> & { amountMinor: string })[]
  touches: { externalId: string; occurredAt: string; channel: string }[]
}

/** The keys of some orders: the one that each goes by, and those of its vendors. */
function membersOf(tenantId: string, orders: 'candidates' | 'theirs'): RawBuilder<unknown> {
  return sql`
      select order_key, order_key as member from ${sql.table(orders)}
      union
      select g.group_key, g.order_key
      from order_groups as g
      where g.tenant_id = ${tenantId} and g.group_key in (select order_key from ${sql.table(orders)})`
}

/** Of these orders those that have a capture which was not corrected to nothing. */
function paidOf(tenantId: string, members: 'members' | 'their_members'): RawBuilder<unknown> {
  return sql`
        select n.order_key from ${sql.table(members)} as n
        join ledger_entries as l on l.tenant_id = ${tenantId} and l.order_key = n.member and l.kind = 'capture'
        group by n.order_key
        having sum(l.amount_minor) <> 0`
}

/**
 * Orders of one UTC day that have a capture, with their ledger entries and their eligible touches. One statement, so
 * that all of it comes from the same snapshot.
 *
 * A touch is eligible for an order of the same identity when it is not later than the order, not more than the
 * lookback before it, and no earlier order of that identity used it up. Where an order has none of these, those count
 * that it brought itself. Times are compared as instants.
 */
export async function readInputs(tx: Tx, tenantId: string, day: string): Promise<Inputs> {
  const { rows } = await sql<{ dataCutoff: Date; rows: InputRow[] }>`
    with candidates as (  -- an order that several vendors report goes by one of its keys
      select distinct coalesce(g.group_key, f.order_key) as order_key
      from order_facts as f
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
      where f.tenant_id = ${tenantId}
        and f.ordered_at >= ${day}::date::timestamp at time zone 'UTC'
        and f.ordered_at < (${day}::date + 1)::timestamp at time zone 'UTC'
    ),
    members as (
      ${membersOf(tenantId, 'candidates')}
    ),
    orders as (
      select m.order_key, array_agg(distinct m.member) as members, min(f.ordered_at) as ordered_at,
             decode(min(encode(f.identity, 'hex')), 'hex') as identity
      from members as m
      join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = m.member
      where m.order_key in (${paidOf(tenantId, 'members')})
      group by m.order_key
      having min(f.ordered_at) >= ${day}::date::timestamp at time zone 'UTC'
    ),
    theirs as (  -- every order of these identities
      select distinct coalesce(g.group_key, f.order_key) as order_key
      from order_facts as f
      left join order_groups as g on g.tenant_id = ${tenantId} and g.order_key = f.order_key
      where f.tenant_id = ${tenantId}
        and f.identity in (select o.identity from orders as o where o.identity is not null)
    ),
    their_members as (
      ${membersOf(tenantId, 'theirs')}
    ),
    conversions as (  -- the one before has used up the touches until then
      select m.order_key,
             lag(min(f.ordered_at)) over (partition by min(encode(f.identity, 'hex'))
                                          order by min(f.ordered_at), m.order_key collate "C") as previous_at
      from their_members as m
      join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = m.member
      where m.order_key in (${paidOf(tenantId, 'their_members')})
      group by m.order_key
    )
    select statement_timestamp() as "dataCutoff",
           coalesce(json_agg(json_build_object(
             'orderKey', o.order_key,
             'orderedAt', to_char(o.ordered_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
             'entries', entries.list,
             'touches', coalesce(touches.list, '[]'::json)) order by o.order_key collate "C"), '[]'::json) as rows
    from orders as o
    left join conversions as c on c.order_key = o.order_key
    cross join lateral (  -- captures, then what changed them in order of time
      select json_agg(json_build_object('entryKey', e.entry_key, 'kind', e.kind, 'amountMinor', e.amount_minor::text,
                                        'currency', e.currency, 'reverses', e.reverses)
                      order by e.kind <> 'capture', e.changed_at, e.kind, e.entry_key collate "C") as list
      from (
        select coalesce(l.corrects_entry_key, l.entry_key) as entry_key,
               l.kind,
               l.currency,
               l.reverses_entry_key as reverses,
               sum(l.amount_minor) as amount_minor,
               case when l.kind <> 'capture' then
                 min(least(l.occurred_at, (select min(c.occurred_at) from canonical_events as c
                                           where c.tenant_id = ${tenantId} and c.entry_key = l.entry_key
                                             and c.counts and c.amount_minor is distinct from 0))) end as changed_at
        from ledger_entries as l
        where l.tenant_id = ${tenantId}
          and l.order_key = any (o.members)
          and not exists (select from uncounted_entries as u
                          where u.tenant_id = ${tenantId} and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
        group by 1, l.kind, l.currency, l.reverses_entry_key
        having sum(l.amount_minor) <> 0
      ) as e
    ) as entries
    cross join lateral (
      select json_agg(json_build_object('externalId', t.external_id, 'channel', t.channel, 'occurredAt',
                                        to_char(t.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
                      order by t.occurred_at, t.external_id collate "C", t.channel collate "C") as list
      from (
        select found.*, min(found.distance) over () as nearest
        from (
          select external_id, channel, occurred_at, 1 as distance  -- of the visitor
          from touchpoints
          where tenant_id = ${tenantId}
            and identity = o.identity
            and (c.previous_at is null or occurred_at > c.previous_at)
          union all
          select external_id, channel, occurred_at, 2  -- that the order itself brought
          from touchpoints
          where tenant_id = ${tenantId}
            and identity is null
            and order_key = any (o.members)
        ) as found
        where found.occurred_at between o.ordered_at - make_interval(hours => ${LOOKBACK_HOURS}) and o.ordered_at
      ) as t
      where t.distance = t.nearest
    ) as touches`.execute(tx)
  const row = rows[0]
  if (row === undefined) throw new Error('an aggregate without groups gives one row')
  const journeys = row.rows.map((order) => ({
    ...order,
    entries: order.entries.map((entry) => ({ ...entry, amountMinor: BigInt(entry.amountMinor) })),
  }))
  return { journeys, dataCutoff: row.dataCutoff }
}

/** The input hash of the run that answers for a day, or undefined when none does. */
export async function findPublishedInputHash(
  tx: Tx,
  tenantId: string,
  model: Model,
  day: string,
): Promise<string | undefined> {
  const row = await tx
    .selectFrom('published_runs as p')
    .innerJoin('attribution_runs as r', (join) =>
      join.onRef('r.tenant_id', '=', 'p.tenant_id').onRef('r.run_id', '=', 'p.run_id'),
    )
    .select('r.input_hash as inputHash')
    .where('p.tenant_id', '=', tenantId)
    .where('p.model', '=', model)
    .where('p.window_start', '=', startOfDay(day))
    .executeTakeFirst()
  return row?.inputHash
}

export interface NewRun {
  tenantId: string
  model: Model
  modelVersion: string
  day: string
  dataCutoff: Date
  inputHash: string
  outputHash: string
  orders: number
}

/** Writes a run with its totals and credits, and makes it the one that answers. */
export async function publishRun(
  tx: Tx,
  run: NewRun,
  totals: readonly CurrencyTotal[],
  credits: readonly Credit[],
): Promise<void> {
  const { tenantId, model } = run
  const windowStart = startOfDay(run.day)
  const { runId } = await tx
    .insertInto('attribution_runs')
    .values({
      tenant_id: tenantId,
      model,
      model_version: run.modelVersion,
      window_start: windowStart,
      window_end: new Date(windowStart.getTime() + DAY_MS),
      data_cutoff: run.dataCutoff,
      input_hash: run.inputHash,
      output_hash: run.outputHash,
      orders: run.orders,
    })
    .returning('run_id as runId')
    .executeTakeFirstOrThrow()
  if (totals.length > 0) {
    await tx
      .insertInto('attribution_run_totals')
      .values(
        totals.map((total) => ({
          tenant_id: tenantId,
          run_id: runId,
          currency: total.currency,
          orders: total.orders,
          attributed_orders: total.attributedOrders,
          captured_minor: total.capturedMinor,
          refunded_minor: total.refundedMinor,
          over_refunded_minor: total.overRefundedMinor,
          net_minor: total.netMinor,
          attributed_minor: total.attributedMinor,
        })),
      )
      .execute()
  }
  await insertCredits(tx, tenantId, runId, credits)
  await tx
    .insertInto('published_runs')
    .values({ tenant_id: tenantId, model, window_start: windowStart, run_id: runId })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'model', 'window_start']).doUpdateSet({ run_id: runId, published_at: sql`now()` }),
    )
    .execute()
}

/** One parameter per column and statement, whatever the number of rows. */
async function insertCredits(tx: Tx, tenantId: string, runId: string, credits: readonly Credit[]): Promise<void> {
  if (credits.length === 0) return
  const rows = credits.map((credit) => ({
    order_key: credit.orderKey,
    entry_key: credit.entryKey,
    position: credit.position,
    channel: credit.channel,
    touch_external_id: credit.touchExternalId,
    touched_at: credit.touchedAt,
    ordered_at: credit.orderedAt,
    currency: credit.currency,
    revenue_minor: String(credit.revenueMinor),
    conversion_micro: String(credit.conversionMicro),
  }))
  await sql`
    insert into attribution_credits (tenant_id, run_id, order_key, entry_key, position, channel, touch_external_id,
                                     touched_at, ordered_at, currency, revenue_minor, conversion_micro)
    select ${tenantId}, ${runId}, c.order_key, c.entry_key, c.position, c.channel, c.touch_external_id, c.touched_at,
           c.ordered_at, c.currency, c.revenue_minor, c.conversion_micro
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (
      order_key text, entry_key text, position integer, channel text, touch_external_id text, touched_at timestamptz,
      ordered_at timestamptz, currency text, revenue_minor bigint, conversion_micro bigint)`.execute(tx)
}

export interface RunRow {
  runId: string
  model: Model
  modelVersion: string
  windowStart: Date
  windowEnd: Date
  dataCutoff: Date
  inputHash: string
  outputHash: string
  orders: number
  totals: TotalRow[]
}

/** Minor units as text: JSON has no integers above 2^53. */
export interface TotalRow {
  currency: string
  orders: number
  attributedOrders: number
  netMinor: string
  attributedMinor: string
  overRefundedMinor: string
}

/** The runs that answer for a span of days (both included), by day and model. */
export async function listPublishedRuns(
  tx: Tx,
  tenantId: string,
  { from, to, model }: { from: string; to: string; model: Model | null },
): Promise<RunRow[]> {
  const { rows } = await sql<RunRow>`
    select r.run_id        as "runId",
           r.model,
           r.model_version as "modelVersion",
           r.window_start  as "windowStart",
           r.window_end    as "windowEnd",
           r.data_cutoff   as "dataCutoff",
           r.input_hash    as "inputHash",
           r.output_hash   as "outputHash",
           r.orders,
           coalesce(t.list, '[]'::json) as totals
    from published_runs as p
    join attribution_runs as r on r.tenant_id = p.tenant_id and r.run_id = p.run_id
    cross join lateral (
      select json_agg(json_build_object('currency', t.currency, 'orders', t.orders, 'attributedOrders', t.attributed_orders,
                                        'netMinor', t.net_minor::text, 'attributedMinor', t.attributed_minor::text,
                                        'overRefundedMinor', t.over_refunded_minor::text) order by t.currency) as list
      from attribution_run_totals as t
      where t.tenant_id = r.tenant_id and t.run_id = r.run_id
    ) as t
    where p.tenant_id = ${tenantId}
      and p.window_start between ${startOfDay(from)} and ${startOfDay(to)}
      and (${model}::text is null or p.model = ${model})
    order by r.window_start, r.model`.execute(tx)
  return rows
}

export interface ChannelRow {
  channel: string
  conversionMicro: bigint
  revenueMinor: bigint
}

/** The credits of published runs by channel, most revenue first. */
export async function sumByChannel(
  tx: Tx,
  tenantId: string,
  { from, to, model, currency }: { from: string; to: string; model: Model; currency: string },
): Promise<ChannelRow[]> {
  const { rows } = await sql<ChannelRow>`
    select c.channel,
           sum(c.conversion_micro)::bigint as "conversionMicro",
           sum(c.revenue_minor)::bigint    as "revenueMinor"
    from published_runs as p
    join attribution_credits as c on c.tenant_id = p.tenant_id and c.run_id = p.run_id
    where p.tenant_id = ${tenantId}
      and p.model = ${model}
      and p.window_start between ${startOfDay(from)} and ${startOfDay(to)}
      and c.currency = ${currency}
    group by c.channel
    order by sum(c.revenue_minor) desc, c.channel collate "C"`.execute(tx)
  return rows
}

export interface OrderRow {
  /** The key that the whole order goes by. */
  orderKey: string
  orderedAt: Date
  currency: string
  hasIdentity: boolean
  capturedMinor: bigint
  refundedMinor: bigint
}

/**
 * An order with money, in the currency of its first capture, by any of its keys. Refunded is what went away for whatever
 * reason: refunds, and disputes less those won.
 */
export async function findOrder(tx: Tx, tenantId: string, orderKey: string): Promise<OrderRow | undefined> {
  const { rows } = await sql<OrderRow>`
    with own as (
      select coalesce((select group_key from order_groups where tenant_id = ${tenantId} and order_key = ${orderKey}),
                      ${orderKey}) as order_key
    ),
    members as (
      select order_key as member from own
      union
      select g.order_key from own join order_groups as g on g.tenant_id = ${tenantId} and g.group_key = own.order_key
    ),
    facts as (
      select min(f.ordered_at) as ordered_at, count(f.identity) > 0 as has_identity
      from members as m
      join order_facts as f on f.tenant_id = ${tenantId} and f.order_key = m.member
      having count(*) > 0
    ),
    money as (
      select l.currency,
             sum(l.amount_minor) filter (where l.kind = 'capture')::bigint as captured_minor,
             coalesce(-sum(l.amount_minor) filter (where l.kind <> 'capture'), 0)::bigint as refunded_minor
      from members as m
      join ledger_entries as l on l.tenant_id = ${tenantId} and l.order_key = m.member
      where not exists (select from uncounted_entries as u
                        where u.tenant_id = ${tenantId} and u.entry_key = coalesce(l.corrects_entry_key, l.entry_key))
      group by l.currency
      having sum(l.amount_minor) filter (where l.kind = 'capture') <> 0
      order by l.currency
      limit 1
    )
    select own.order_key as "orderKey", f.ordered_at as "orderedAt", m.currency, f.has_identity as "hasIdentity",
           m.captured_minor as "capturedMinor", m.refunded_minor as "refundedMinor"
    from own
    cross join facts as f
    cross join money as m`.execute(tx)
  return rows[0]
}

export interface OrderCreditRow {
  model: Model
  modelVersion: string
  runId: string
  position: number
  channel: string
  touchExternalId: string | null
  touchedAt: Date | null
  conversionMicro: bigint
  revenueMinor: bigint
}

/** What each touch of an order gets, all its ledger entries together, by model and position. */
export async function listOrderCredits(
  tx: Tx,
  tenantId: string,
  orderKey: string,
  day: string,
  currency: string,
): Promise<OrderCreditRow[]> {
  const { rows } = await sql<OrderCreditRow>`
    select p.model,
           r.model_version              as "modelVersion",
           p.run_id                     as "runId",
           c.position,
           c.channel,
           c.touch_external_id          as "touchExternalId",
           c.touched_at                 as "touchedAt",
           sum(c.conversion_micro)::bigint as "conversionMicro",
           sum(c.revenue_minor)::bigint    as "revenueMinor"
    from published_runs as p
    join attribution_runs as r on r.tenant_id = p.tenant_id and r.run_id = p.run_id
    join attribution_credits as c on c.tenant_id = p.tenant_id and c.run_id = p.run_id
    where p.tenant_id = ${tenantId}
      and p.window_start = ${startOfDay(day)}
      and c.order_key = ${orderKey}
      and c.currency = ${currency}
    group by p.model, r.model_version, p.run_id, c.position, c.channel, c.touch_external_id, c.touched_at
    order by p.model, c.position`.execute(tx)
  return rows
}

export interface RecomputeJobRow {
  jobId: string
  status: 'queued' | 'running' | 'succeeded' | 'failed'
  windowStart: Date
  windowEnd: Date
  runCount: number
  requestedAt: Date
  finishedAt: Date | null
}

/** Makes the job, or queues the one there is for these days again. */
export async function upsertRecomputeJob(
  tx: Tx,
  job: { tenantId: string; from: string; to: string; modelVersion: string; requestedBy: string },
): Promise<string> {
  const row = await tx
    .insertInto('attribution_recompute_jobs')
    .values({
      tenant_id: job.tenantId,
      window_start: startOfDay(job.from),
      window_end: new Date(startOfDay(job.to).getTime() + DAY_MS),
      model_version: job.modelVersion,
      requested_by: job.requestedBy,
    })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'window_start', 'window_end', 'model_version']).doUpdateSet({
        status: 'queued',
        requested_by: job.requestedBy,
        requested_at: sql`now()`,
        finished_at: null,
        run_id: null,
        run_attempt: null,
      }),
    )
    .returning('job_id as jobId')
    .executeTakeFirstOrThrow()
  return row.jobId
}

export async function findRecomputeJob(tx: Tx, tenantId: string, jobId: string): Promise<RecomputeJobRow | undefined> {
  const row = await tx
    .selectFrom('attribution_recompute_jobs')
    .select([
      'job_id as jobId',
      'status',
      'window_start as windowStart',
      'window_end as windowEnd',
      'run_count as runCount',
      'requested_at as requestedAt',
      'finished_at as finishedAt',
    ])
    .where('tenant_id', '=', tenantId)
    .where('job_id', '=', jobId)
    .executeTakeFirst()
  return row as RecomputeJobRow | undefined
}

/** One attempt at a recompute. */
export interface RecomputeRun {
  jobId: string
  runId: string
  attempt: number
}

/** False: a later attempt of this run has begun. */
export async function beginRecompute(tx: Tx, tenantId: string, run: RecomputeRun): Promise<boolean> {
  const { rows } = await sql`
    update attribution_recompute_jobs
    set status = 'running', finished_at = null, run_id = ${run.runId}::uuid, run_attempt = ${run.attempt}
    where tenant_id = ${tenantId}::uuid and job_id = ${run.jobId}::uuid
      and (run_id is distinct from ${run.runId}::uuid or run_attempt <= ${run.attempt})
    returning job_id`.execute(tx)
  return rows.length > 0
}

/** Of the attempt that works on it only: what one that was given up says later does not count. */
export async function succeedRecompute(tx: Tx, tenantId: string, run: RecomputeRun): Promise<void> {
  await sql`
    update attribution_recompute_jobs
    set status = 'succeeded', run_count = run_count + 1, finished_at = now()
    where tenant_id = ${tenantId}::uuid and job_id = ${run.jobId}::uuid and status = 'running'
      and run_id = ${run.runId}::uuid and run_attempt = ${run.attempt}`.execute(tx)
}

/** Of a run that is given up, for an id that is none too: one that waits, or that this run began. What somebody else's request began meanwhile goes on. */
export async function failRecompute(tx: Tx, tenantId: string, jobId: string, runId: string): Promise<void> {
  await sql`
    update attribution_recompute_jobs
    set status = 'failed', finished_at = now()
    where tenant_id = ${tenantId}::uuid and job_id::text = ${jobId}
      and (status = 'queued' or (status = 'running' and run_id = ${runId}::uuid))`.execute(tx)
}

const DAY_MS = 86_400_000

/** 00:00 UTC of a day written YYYY-MM-DD. */
function startOfDay(day: string): Date {
  return new Date(`${day}T00:00:00Z`)
}
