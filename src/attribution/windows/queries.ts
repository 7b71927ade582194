import { type RawBuilder, sql } from 'kysely'
import { startOfDay } from '../../db/start-of-day.ts'
import type { Tx } from '../../db/tenant.ts'
import type { Diagnostics } from './measure.ts'
import type { ChannelRow, LedgerChannel, WindowTotals } from './rows.ts'
import type { ReportWindow } from './window.ts'

export interface WindowSpan {
  startsAt: Date
  /** Excluded. */
  endsAt: Date
}

/** The instants of the window's days in its time zone. */
export async function readSpan(tx: Tx, { from, to, timeZone }: ReportWindow): Promise<WindowSpan> {
  const { rows } = await sql<WindowSpan>`
    select ${startOfDay(sql`${from}::date`, sql`${timeZone}::text`)} as "startsAt",
           ${startOfDay(sql`(${to}::date + 1)`, sql`${timeZone}::text`)} as "endsAt"`.execute(tx)
  return rows[0] as WindowSpan
}

/** Whether more than so many touches lie in the window and the lookback before it. */
export async function hasMoreTouches(
  tx: Tx,
  tenantId: string,
  { startsAt, endsAt, lookbackDays }: WindowSpan & { lookbackDays: number },
  limit: number,
): Promise<boolean> {
  const { rows } = await sql<{ isSo: boolean }>`
    select exists (
      select from touchpoints as t
      where t.tenant_id = ${tenantId} and t.occurred_at < ${endsAt}
        and t.occurred_at >= ${startsAt}::timestamptz - make_interval(hours => ${lookbackDays * 24}::integer)
      offset ${limit}
    ) as "isSo"`.execute(tx)
  return rows[0]?.isSo === true
}

/** An order of which a touch of the window may be. */
export interface OrderRow {
  orderKey: string
  revision: number
  /** Microseconds since 1970. */
  orderedAtUs: number
  /** Minor units; null where the order is not of this currency, or has no rate into it. */
  netMinor: string | null
}

/** Those from a lookback before the window to one after it, by time: so their credits lie together, as they were published. */
export async function listOrders(
  tx: Tx,
  tenantId: string,
  window: ReportWindow & WindowSpan & { editionId: string; lookbackDays: number },
): Promise<OrderRow[]> {
  const { startsAt, endsAt, lookbackDays } = window
  const { rows } = await sql<OrderRow>`
    select o.order_key as "orderKey", o.revision, ${us('o.ordered_at')}::float8 as "orderedAtUs", ${netOf(window)}::text as "netMinor"
    from attribution_orders as o
    where o.tenant_id = ${tenantId} and o.edition_id = ${window.editionId}
      and o.ordered_at > '-infinity'
      and o.ordered_at >= ${startsAt}::timestamptz - make_interval(hours => ${lookbackDays * 24}::integer)
      and o.ordered_at <= ${endsAt}::timestamptz + make_interval(hours => ${lookbackDays * 24}::integer)
    order by o.ordered_at`.execute(tx)
  return rows
}

/** Of an order, in minor units. */
function netOf({ currency, isConverted }: ReportWindow): RawBuilder<unknown> {
  if (isConverted) return sql`(select sum(r) from unnest(o.reporting_minor) as r)`
  const place = sql`array_position(o.currencies, ${currency})`
  return sql`(o.captured_minor[${place}] - o.refunded_minor[${place}])`
}

/**
 * For the statements below: each is planned for its own arrays of keys, which Postgres then looks up, or searches by a hash, however
 * few rows it believes that there are; and none is compiled first.
 */
export async function prepareToRead(tx: Tx): Promise<void> {
  await sql`select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)`.execute(tx)
}

/** The other keys that these orders go by. */
export async function listMembers(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[],
): Promise<{ orderKey: string; member: string }[]> {
  const { rows } = await sql<{ orderKey: string; member: string }>`
    select g.group_key as "orderKey", g.order_key as member
    from order_groups as g
    where g.tenant_id = ${tenantId} and g.group_key = any(${orderKeys as string[]}::text[])`.execute(tx)
  return rows
}

/** Whose the orders by these keys are, in hexadecimal; those of which nobody is known are missing, and several may be known. */
export async function listIdentities(
  tx: Tx,
  tenantId: string,
  keys: readonly string[],
): Promise<{ key: string; identity: string }[]> {
  const { rows } = await sql<{ key: string; identity: string }>`
    select f.order_key as key, encode(f.identity, 'hex') as identity
    from order_facts as f
    where f.tenant_id = ${tenantId} and f.order_key = any(${keys as string[]}::text[]) and f.identity is not null`.execute(
    tx,
  )
  return rows
}

/** Touches that a ledger entry of an order credits, or some of them: the journey in parts, oldest first. */
export interface OrderTouches {
  orderKey: string
  entryKey: string
  /** Separated by commas. */
  channels: string
  /** When, as `readTimes` reads it. */
  touchedAt: Buffer
}

/** Of those of these orders that have any, by order and entry: under each entry of an order stand the same touches. */
export async function listOrderTouches(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  orders: readonly OrderRow[],
): Promise<OrderTouches[]> {
  const isTheirs = sql`c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and ${isCreditOf(orders)}`
  const { rows } = await sql<OrderTouches>`
    select c.order_key as "orderKey", c.entry_key as "entryKey", c.position, array_to_string(c.channels, ',') as channels,
           array_send(c.touched_at) as "touchedAt"
    from attribution_entry_credits as c
    where ${isTheirs} and c.touched_at is not null
    union all
    select c.order_key, c.entry_key, 0, string_agg(c.channel, ',' order by c.position),
           array_send(array_agg(c.touched_at order by c.position))
    from attribution_touch_credits as c
    where ${isTheirs} and c.touched_at is not null
    group by c.order_key, c.entry_key
    order by 1, 2, 3`.execute(tx)
  return rows
}

/** What the credits of these orders say of each channel. */
export async function sumCredits(
  tx: Tx,
  { tenantId, editionId, models }: { tenantId: string; editionId: string; models: number },
  { currency, isConverted }: ReportWindow,
  orders: readonly OrderRow[],
): Promise<LedgerChannel[]> {
  const revenue = isConverted ? 'reporting_minor' : 'revenue_minor'
  const sums = (column: string) => {
    const each = Array.from(
      { length: models },
      (_, model) => sql`sum(c.${sql.ref(column)}[c.models_before + ${sql.lit(model + 1)}])::text`,
    )
    return sql`array[${sql.join(each)}]`
  }
  const { rows } = await sql<{ channel: string; micro: string[]; revenue: string[] }>`
    select c.channel, ${sums('conversion_micro')} as micro, ${sums(revenue)} as revenue
    from attribution_credits_by_touch as c
    where c.tenant_id = ${tenantId} and c.edition_id = ${editionId} and ${isCreditOf(orders)}
      and ${isConverted ? sql`c.reporting_minor is not null` : sql`c.currency = ${currency}`}
    group by c.channel`.execute(tx)
  return rows.map(({ channel, micro, revenue }) => ({
    channel,
    conversionMicro: micro.map(BigInt),
    revenueMinor: revenue.map(BigInt),
  }))
}

/** The index finds all revisions of an order. */
function isCreditOf(orders: readonly OrderRow[]): RawBuilder<unknown> {
  const keys = orders.map(({ orderKey }) => orderKey)
  const revisions = orders.map(({ orderKey, revision }) => `${orderKey} ${revision}`)
  return sql`c.order_key = any(${keys}::text[]) and c.order_key || ' ' || c.revision = any(${revisions}::text[])`
}

/** All touches of a visitor in a span, oldest first. */
export interface VisitorTouches {
  /** Hexadecimal. */
  identity: string
  /** Separated by commas. */
  channels: string
  /** When, as `readTimes` reads it. */
  touchedAt: Buffer
}

/**
 * Begins to read the visitors of a span in the order of their identities, for `fetchVisitorTouches` in the same transaction.
 * Touches of one moment are in no certain order: the index alone is read, which tells none (a million touches: 0.6 s of
 * processor time instead of 4.2).
 */
export async function openVisitorTouches(
  tx: Tx,
  tenantId: string,
  { from, until }: { from: Date; until: Date },
): Promise<void> {
  await sql`
    declare visitor_touches no scroll cursor for
    select encode(t.identity, 'hex') as identity, string_agg(t.channel, ',' order by t.occurred_at) as channels,
           array_send(array_agg(t.occurred_at order by t.occurred_at))                              as "touchedAt"
    from touchpoints as t
    where t.tenant_id = ${tenantId} and t.identity is not null and t.occurred_at >= ${from} and t.occurred_at < ${until}
    group by t.identity
    order by t.identity`.execute(tx)
}

/** The next so many; none at the end. */
export async function fetchVisitorTouches(tx: Tx, limit: number): Promise<VisitorTouches[]> {
  const { rows } = await sql<VisitorTouches>`fetch ${sql.lit(limit)} from visitor_touches`.execute(tx)
  return rows
}

export async function closeVisitorTouches(tx: Tx): Promise<void> {
  await sql`close visitor_touches`.execute(tx)
}

/** The channels of all touches of these visitors (hexadecimal) in a span, oldest first, those of one moment by their ids. */
export async function listSortedChannels(
  tx: Tx,
  tenantId: string,
  { identities, from, until }: { identities: readonly string[]; from: Date; until: Date },
): Promise<{ identity: string; channels: string }[]> {
  const { rows } = await sql<{ identity: string; channels: string }>`
    select encode(t.identity, 'hex') as identity,
           string_agg(t.channel, ',' order by t.occurred_at, t.external_id collate "C", t.origin) as channels
    from touchpoints as t
    where t.tenant_id = ${tenantId} and t.identity = any(${identities.map((identity) => Buffer.from(identity, 'hex'))}::bytea[])
      and t.occurred_at >= ${from} and t.occurred_at < ${until}
    group by t.identity`.execute(tx)
  return rows
}

function us(time: string): RawBuilder<unknown> {
  return sql`(extract(epoch from ${sql.ref(time)}) * 1000000)::bigint`
}

/** A run over a window without the figures of its channels. */
export interface WindowRunRow {
  windowRunId: string
  editionId: string
  startsAt: Date
  /** Excluded. */
  endsAt: Date
  /** Everything recorded up to here was seen. */
  dataCutoff: Date
  createdAt: Date
  /** With a capture in the currency, those without a touch included. */
  orders: number
  netMinor: bigint
  /** Share of the net revenue that has a touch; null where that is 0. */
  coverage: number | null
  /** 0: there are no intervals. */
  replicates: number
  seed: string
  /** Lower-case hexadecimal. */
  inputHash: string
  outputHash: string
  diagnostics: Diagnostics
  /** Of the edition, up to which the run is known to hold. */
  publication: number
  checkedAt: Date
}

/** The run that answers for a window in an edition. */
export async function findPublishedWindow(
  tx: Tx,
  tenantId: string,
  window: ReportWindow & { editionId: string },
): Promise<WindowRunRow | undefined> {
  const { rows } = await sql<WindowRunRow>`
    select r.window_run_id as "windowRunId", r.edition_id as "editionId", r.starts_at as "startsAt", r.ends_at as "endsAt",
           r.data_cutoff as "dataCutoff", r.created_at as "createdAt", r.orders, r.net_minor as "netMinor", r.coverage::float8 as coverage, r.replicates,
           r.seed, encode(r.input_sha256, 'hex') as "inputHash", encode(r.output_sha256, 'hex') as "outputHash", r.diagnostics,
           p.publication, p.checked_at as "checkedAt"
    from published_windows as p
    join attribution_window_runs as r on r.tenant_id = p.tenant_id and r.window_run_id = p.window_run_id
    where p.tenant_id = ${tenantId} and p.edition_id = ${window.editionId} and ${isWindow(window)}`.execute(tx)
  return rows[0]
}

/** By model and channel; the models of single orders come before Markov. */
export async function listWindowChannels(tx: Tx, tenantId: string, windowRunId: string): Promise<ChannelRow[]> {
  const { rows } = await sql<ChannelRow>`
    select c.model, c.channel, c.conversion_micro as "conversionMicro", c.revenue_minor as "revenueMinor", c.share::float8 as share,
           c.lower::float8 as lower, c.upper::float8 as upper,
           c.sample_size as "sampleSize", c.grade
    from attribution_window_channels as c
    where c.tenant_id = ${tenantId} and c.window_run_id = ${windowRunId}
    order by c.model collate "C", c.channel collate "C"`.execute(tx)
  return rows
}

export interface NewWindowRun {
  tenantId: string
  editionId: string
  window: ReportWindow & WindowSpan
  dataCutoff: Date
  totals: WindowTotals
  coverage: number | null
  replicates: number
  seed: string
  inputSha256: Buffer
  outputSha256: Buffer
  diagnostics: Diagnostics
  channels: readonly ChannelRow[]
}

/** Writes a run with its channels. Returns its id. */
export async function insertWindowRun(tx: Tx, run: NewWindowRun): Promise<string> {
  const { tenantId, window, totals, channels } = run
  const { rows } = await sql<{ windowRunId: string }>`
    insert into attribution_window_runs (tenant_id, edition_id, first_day, last_day, time_zone, currency, is_converted, starts_at, ends_at,
                                         data_cutoff, orders, attributed_orders, net_minor, coverage, replicates, seed, input_sha256,
                                         output_sha256, diagnostics)
    values (${tenantId}::uuid, ${run.editionId}::uuid, ${columnsOf(window)}, ${window.startsAt}, ${window.endsAt}, ${run.dataCutoff},
            ${totals.orders}, ${totals.attributedOrders}, ${String(totals.netMinor)}::bigint, ${run.coverage}, ${run.replicates},
            ${run.seed}, ${run.inputSha256}, ${run.outputSha256}, ${JSON.stringify(run.diagnostics)}::jsonb)
    returning window_run_id as "windowRunId"`.execute(tx)
  const { windowRunId } = rows[0] as { windowRunId: string }
  const lines = channels.map(({ conversionMicro, revenueMinor, sampleSize, ...line }) => ({
    ...line,
    conversion_micro: String(conversionMicro),
    revenue_minor: String(revenueMinor),
    sample_size: sampleSize,
  }))
  await sql`
    insert into attribution_window_channels (tenant_id, window_run_id, model, channel, conversion_micro, revenue_minor, share, lower, upper,
                                             sample_size, grade)
    select ${tenantId}::uuid, ${windowRunId}::uuid, c.model, c.channel, c.conversion_micro, c.revenue_minor, c.share, c.lower, c.upper,
           c.sample_size, c.grade
    from jsonb_to_recordset(${JSON.stringify(lines)}::jsonb) as c (
      model text, channel text, conversion_micro bigint, revenue_minor bigint, share numeric, lower numeric, upper numeric, sample_size integer, grade text)`.execute(
    tx,
  )
  return windowRunId
}

/** From the commit on the run answers for its window, and is known to hold up to this publication of the edition. */
export async function publishWindow(
  tx: Tx,
  tenantId: string,
  {
    window,
    editionId,
    windowRunId,
    publication,
  }: { window: ReportWindow; editionId: string; windowRunId: string; publication: number },
): Promise<void> {
  await sql`
    insert into published_windows (tenant_id, edition_id, first_day, last_day, time_zone, currency, is_converted, window_run_id, publication,
                                   checked_at)
    values (${tenantId}::uuid, ${editionId}::uuid, ${columnsOf(window)}, ${windowRunId}::uuid, ${publication}, clock_timestamp())
    on conflict (tenant_id, edition_id, first_day, last_day, time_zone, currency, is_converted) do update
      set window_run_id = excluded.window_run_id, publication = excluded.publication, checked_at = excluded.checked_at`.execute(
    tx,
  )
}

/**
 * Remembers that somebody asks for a window, where that is not known for the last hour, or not since `checkedAt`: many reports
 * ask for the same one.
 */
export async function setAsked(tx: Tx, tenantId: string, window: ReportWindow, checkedAt: Date | null): Promise<void> {
  await sql`
    insert into attribution_windows as w (tenant_id, first_day, last_day, time_zone, currency, is_converted, last_asked_at)
    values (${tenantId}::uuid, ${columnsOf(window)}, clock_timestamp())
    on conflict (tenant_id, first_day, last_day, time_zone, currency, is_converted) do update
      set last_asked_at = excluded.last_asked_at
      where w.last_asked_at < excluded.last_asked_at - interval '1 hour' or w.last_asked_at <= ${checkedAt}::timestamptz`.execute(
    tx,
  )
}

export interface AskedWindow extends ReportWindow {
  /** Asked for since its run was compared with the data, and that run is older than the last publication; or it has none. */
  isWaiting: boolean
}

/** Forgets the windows that nobody asked for in so many days, and lists at most `limit` others: those asked for last. */
export async function listAskedWindows(
  tx: Tx,
  tenantId: string,
  { editionId, publications, days, limit }: { editionId: string; publications: number; days: number; limit: number },
): Promise<AskedWindow[]> {
  await sql`
    delete from attribution_windows
    where tenant_id = ${tenantId} and last_asked_at < now() - make_interval(days => ${days}::integer)`.execute(tx)
  const { rows } = await sql<AskedWindow>`
    select w.first_day::text as "from", w.last_day::text as "to", w.time_zone as "timeZone", w.currency, w.is_converted as "isConverted",
           p.window_run_id is null or (p.publication < ${publications} and w.last_asked_at > p.checked_at) as "isWaiting"
    from attribution_windows as w
    left join published_windows as p
      on p.tenant_id = ${tenantId} and p.edition_id = ${editionId} and p.first_day = w.first_day and p.last_day = w.last_day
     and p.time_zone = w.time_zone and p.currency = w.currency and p.is_converted = w.is_converted
    where w.tenant_id = ${tenantId}
    order by w.last_asked_at desc, w.first_day, w.last_day, w.time_zone, w.currency, w.is_converted
    limit ${limit}`.execute(tx)
  return rows
}

function columnsOf({ from, to, timeZone, currency, isConverted }: ReportWindow): RawBuilder<unknown> {
  return sql`${from}::date, ${to}::date, ${timeZone}, ${currency}, ${isConverted}`
}

function isWindow({ from, to, timeZone, currency, isConverted }: ReportWindow): RawBuilder<unknown> {
  const column = (name: string) => sql.ref(`p.${name}`)
  return sql`${column('first_day')} = ${from}::date and ${column('last_day')} = ${to}::date and ${column('time_zone')} = ${timeZone}
        and ${column('currency')} = ${currency} and ${column('is_converted')} = ${isConverted}`
}
