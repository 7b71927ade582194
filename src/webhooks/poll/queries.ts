import { type RawBuilder, sql } from 'kysely'
import type { Vendor } from '../../context.ts'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'
import type { CanonicalEvent } from '../normalize/canonical-event.ts'
import type { DeliveryRhythm } from './silence.ts'

/** All of this file is asked as app_ingest, but for the two lists of tenants. */
export interface PolledEndpoint {
  endpointId: string
  vendor: Vendor
  mode: 'live' | 'test'
  shopDomain: string | null
  createdAt: Date
  lastDeliveryAt: Date | null
  polledUntil: Date | null
  credential: { keyVersion: number; sealed: Buffer } | null
}

/** The endpoints of the tenant that take deliveries, the oldest first. */
export async function listPolledEndpoints(
  tx: Tx,
  tenantId: string,
  vendor: Vendor | undefined,
): Promise<PolledEndpoint[]> {
  const { rows } = await sql<Omit<PolledEndpoint, 'credential'> & { keyVersion: number | null; sealed: Buffer | null }>`
    select e.endpoint_id      as "endpointId",
           e.vendor,
           e.mode,
           e.shop_domain      as "shopDomain",
           e.created_at       as "createdAt",
           e.last_delivery_at as "lastDeliveryAt",
           c.polled_until     as "polledUntil",
           p.key_version      as "keyVersion",
           p.sealed
    from webhook_endpoints as e
    left join poll_cursors as c on c.tenant_id = e.tenant_id and c.endpoint_id = e.endpoint_id
    left join poll_credentials as p on p.tenant_id = e.tenant_id and p.endpoint_id = e.endpoint_id
    where e.tenant_id = ${tenantId}
      and e.deleted_at is null
      and (${vendor ?? null}::text is null or e.vendor = ${vendor ?? null})
    order by e.created_at, e.endpoint_id`.execute(tx)
  return rows.map(({ keyVersion, sealed, ...row }) => ({
    ...row,
    credential: keyVersion === null || sealed === null ? null : { keyVersion, sealed },
  }))
}

export async function setCredential(
  tx: Tx,
  {
    tenantId,
    endpointId,
    keyVersion,
    sealed,
  }: { tenantId: string; endpointId: string; keyVersion: number; sealed: Buffer },
): Promise<void> {
  await sql`
    insert into poll_credentials (tenant_id, endpoint_id, key_version, sealed)
    values (${tenantId}, ${endpointId}, ${keyVersion}, ${sealed})
    on conflict (tenant_id, endpoint_id) do update
    set key_version = excluded.key_version, sealed = excluded.sealed, updated_at = now()`.execute(tx)
}

/**
 * Moves the cursor over a window that was read to its end, if it reaches the cursor: what lies between would never be read
 * again. An endpoint without a cursor gets one where `isFirst` says that the window begins early enough.
 */
export async function passWindow(
  tx: Tx,
  {
    tenantId,
    endpointId,
    since,
    until,
    isFirst,
  }: { tenantId: string; endpointId: string; since: Date; until: Date; isFirst: boolean },
): Promise<void> {
  await sql`
    insert into poll_cursors (tenant_id, endpoint_id, polled_until)
    select ${tenantId}::uuid, ${endpointId}::uuid, ${until}::timestamptz
    where ${isFirst}
    on conflict (tenant_id, endpoint_id) do nothing`.execute(tx)
  await sql`
    update poll_cursors
    set polled_until = ${until}, updated_at = now()
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId}
      and polled_until >= ${since} and polled_until < ${until}`.execute(tx)
}

/** What lies before `until` is given up: the vendor no longer lists it. False where the cursor is there already. */
export async function skipTo(tx: Tx, tenantId: string, endpointId: string, until: Date): Promise<boolean> {
  const { rows } = await sql`
    update poll_cursors set polled_until = ${until}, updated_at = now()
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId} and polled_until < ${until}
    returning 1`.execute(tx)
  return rows.length > 0
}

/**
 * Whether deliveries said this of these facts, or what stands before it, by their index: of a movement of money by its own
 * key, of a state of an order by the order's. Whoever told of it, and by whichever delivery. A newer version that says the
 * same is known, but for one of a whole list, which says of others, too, that they are none.
 */
export async function findKnown(tx: Tx, tenantId: string, events: readonly CanonicalEvent[]): Promise<boolean[]> {
  const facts = events.map((event, ordinal) => ({
    ordinal,
    type: event.type,
    entry_key: event.entryKey,
    order_key: event.orderKey,
    same_as: event.sameAs,
    list: event.list,
    version_at: event.versionAt,
    prevails: event.prevails,
    said: saidBy(event),
  }))
  const { rows } = await sql<{ isKnown: boolean }>`
    select (f.same_as is null or exists (
             select from canonical_events as c
             where c.tenant_id = ${tenantId} and c.order_key = f.order_key and c.same_as = f.same_as))
           and case
             when f.entry_key is null then exists (
               select from canonical_events as c
               where c.tenant_id = ${tenantId} and c.order_key = f.order_key and c.type = f.type)
             else coalesce(
               (s.prevails, s.version_at) > (f.prevails, coalesce(f.version_at, '-infinity'))
               or s.is_same and (f.list is distinct from 'whole'
                                 or (s.prevails, s.version_at) = (f.prevails, coalesce(f.version_at, '-infinity'))),
               false)
           end as "isKnown"
    from jsonb_to_recordset(${JSON.stringify(facts)}::jsonb)
      as f (ordinal integer, type text, entry_key text, order_key text, same_as text, list text, version_at timestamptz,
            prevails boolean, said jsonb)
    left join lateral (
      select c.prevails, coalesce(c.version_at, '-infinity') as version_at,
             jsonb_build_array(c.order_key, c.amount_minor::text, c.currency, c.outcome, c.counts, c.list_key) = f.said as is_same
      from canonical_events as c
      where c.tenant_id = ${tenantId}
        and c.entry_key = f.entry_key
        and c.type = f.type
        and c.list is not distinct from f.list
      order by 1 desc, 2 desc, 3 desc
      limit 1
    ) as s on true
    order by f.ordinal`.execute(tx)
  return rows.map(({ isKnown }) => isKnown)
}

function saidBy({ orderKey, amountMinor, currency, outcome, counts, listKey }: CanonicalEvent): unknown[] {
  return [orderKey, amountMinor?.toString() ?? null, currency, outcome, counts, listKey]
}

/** Of this content, whether it was brought by a poll before, or by a delivery with this id. */
export async function isStored(tx: Tx, tenantId: string, endpointId: string, ids: readonly string[]): Promise<boolean> {
  const { rows } = await sql`
    select external_id from webhook_events
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId} and external_id = any (${ids}::text[])
    limit 1`.execute(tx)
  return rows.length > 0
}

/** The same of dead events. */
export async function isDead(tx: Tx, tenantId: string, endpointId: string, ids: readonly string[]): Promise<boolean> {
  const { rows } = await sql`
    select external_id from dead_events
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId} and external_id = any (${ids}::text[])
    limit 1`.execute(tx)
  return rows.length > 0
}

export interface Finding {
  topic: string
  seen: number
  /** Without what cannot be read. */
  listed: number
  missing: number
  recovered: number
  /** Listed, of a form that cannot be read, and not a dead event before; unless the poll is a dry one, now it is. */
  unreadable: number
  /** What the books lacked, by currency; refunds and disputes are negative. */
  missingMinor: Record<string, bigint>
}

export async function insertFindings(
  tx: Tx,
  window: { tenantId: string; runId: string; endpointId: string; since: Date; until: Date; isWhole: boolean },
  findings: readonly Finding[],
): Promise<void> {
  for (const { topic, seen, listed, missing, recovered, unreadable, missingMinor } of findings) {
    const money = Object.fromEntries(Object.entries(missingMinor).map(([currency, minor]) => [currency, String(minor)]))
    await sql`
      insert into poll_findings (tenant_id, run_id, endpoint_id, topic, listed_since, listed_until, is_whole, seen, listed,
                                 missing, recovered, unreadable, missing_money)
      values (${window.tenantId}, ${window.runId}, ${window.endpointId}, ${topic}, ${window.since}, ${window.until},
              ${window.isWhole}, ${seen}, ${listed}, ${missing}, ${recovered}, ${unreadable},
              ${JSON.stringify(money)}::jsonb)`.execute(tx)
  }
}

/** As app_worker: the tenants of which a live endpoint has a credential. */
export function listPolledTenants(lookup: Lookup): Promise<string[]> {
  return idsOf(lookup, sql`select tenant_id as "tenantId" from internal.list_polled_tenants()`)
}

/** As app_worker: the tenants of which a live endpoint took its last delivery before then. */
export function listQuietTenants(lookup: Lookup, quietSince: Date): Promise<string[]> {
  return idsOf(lookup, sql`select tenant_id as "tenantId" from internal.list_quiet_tenants(${quietSince})`)
}

async function idsOf(lookup: Lookup, query: RawBuilder<unknown>): Promise<string[]> {
  const { rows } = await (query as RawBuilder<{ tenantId: string }>).execute(lookup)
  return rows.map(({ tenantId }) => tenantId)
}

/** How an endpoint's deliveries came in the 28 days before. */
export async function learnGap(tx: Tx, tenantId: string, endpointId: string, at: Date): Promise<DeliveryRhythm> {
  const { rows } = await sql<DeliveryRhythm>`
    select gaps, p99_seconds as "p99Seconds", longest_seconds as "longestSeconds"
    from internal.learn_delivery_gap(${tenantId}, ${endpointId}, ${at})`.execute(tx)
  return rows[0] as DeliveryRhythm
}

/** Seconds after which this silence was noticed; undefined while it was not. */
export async function findSilence(
  tx: Tx,
  tenantId: string,
  endpointId: string,
  silentSince: Date,
): Promise<number | undefined> {
  const { rows } = await sql<{ limitSeconds: number }>`
    select limit_seconds as "limitSeconds"
    from endpoint_silences
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId} and silent_since = ${silentSince}`.execute(tx)
  return rows[0]?.limitSeconds
}

/** False when this silence was noticed before. */
export async function insertSilence(
  tx: Tx,
  silence: { tenantId: string; endpointId: string; silentSince: Date; noticedAt: Date; limitSeconds: number },
): Promise<boolean> {
  const { rows } = await sql`
    insert into endpoint_silences (tenant_id, endpoint_id, silent_since, noticed_at, limit_seconds)
    values (${silence.tenantId}, ${silence.endpointId}, ${silence.silentSince}, ${silence.noticedAt}, ${silence.limitSeconds})
    on conflict do nothing
    returning endpoint_id`.execute(tx)
  return rows.length === 1
}

export interface UntoldSilence {
  endpointId: string
  vendor: Vendor
  silentSince: Date
  limitSeconds: number
  attempts: number
  /** Who took it, as `tellOf` gave them. */
  toldTargets: string[]
}

/** Silences that not everybody was told of, of fewer than `maxAttempts`. */
export async function listUntold(tx: Tx, tenantId: string, maxAttempts: number): Promise<UntoldSilence[]> {
  const { rows } = await sql<UntoldSilence>`
    select s.endpoint_id as "endpointId", e.vendor, s.silent_since as "silentSince", s.limit_seconds as "limitSeconds",
           s.attempts, s.told_targets as "toldTargets"
    from endpoint_silences as s
    join webhook_endpoints as e on e.tenant_id = s.tenant_id and e.endpoint_id = s.endpoint_id
    where s.tenant_id = ${tenantId} and s.told_at is null and s.attempts < ${maxAttempts}
    order by s.silent_since, s.endpoint_id`.execute(tx)
  return rows
}

/** `toldAt` null: somebody has not taken it yet. */
export async function setTold(
  tx: Tx,
  {
    tenantId,
    endpointId,
    silentSince,
    toldTargets,
    toldAt,
  }: { tenantId: string; endpointId: string; silentSince: Date; toldTargets: string[]; toldAt: Date | null },
): Promise<void> {
  await sql`
    update endpoint_silences
    set attempts = attempts + 1, told_targets = ${toldTargets}::text[], told_at = ${toldAt}
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId} and silent_since = ${silentSince}`.execute(tx)
}
