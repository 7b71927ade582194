import { sql } from 'kysely'
import type { Tx } from '../db/tenant.ts'

export interface ErrorRow {
  fingerprint: Buffer
  release: string | null
  client: string | null
  seenAt: Date
  keyVersion: number
  sealed: Buffer
}

/** Stores it, or counts it with the one that is known; the latest report is the one that is kept. */
export async function countError(
  tx: Tx,
  tenantId: string,
  { fingerprint, release, client, seenAt, keyVersion, sealed }: ErrorRow,
): Promise<{ errorId: string; occurrences: bigint }> {
  const { rows } = await sql<{ errorId: string; occurrences: bigint }>`
    insert into browser_errors as e (tenant_id, fingerprint, release, client, first_seen_at, last_seen_at, key_version, sealed)
    values (${tenantId}, ${fingerprint}, ${release}, ${client}, ${seenAt}, ${seenAt}, ${keyVersion}, ${sealed})
    on conflict (tenant_id, fingerprint) do update
      set occurrences = e.occurrences + 1,
          client = excluded.client,
          first_seen_at = least(e.first_seen_at, excluded.first_seen_at),
          last_seen_at = greatest(e.last_seen_at, excluded.last_seen_at),
          key_version = excluded.key_version,
          sealed = excluded.sealed
    returning error_id as "errorId", occurrences`.execute(tx)
  return rows[0] as { errorId: string; occurrences: bigint }
}

/** All but the `kept` that were seen last. */
export async function removeOldest(tx: Tx, tenantId: string, kept: number): Promise<void> {
  await sql`
    delete from browser_errors
    where tenant_id = ${tenantId}
      and error_id in (select error_id from browser_errors
                       where tenant_id = ${tenantId}
                       order by last_seen_at desc, error_id desc
                       offset ${kept})`.execute(tx)
}

export interface StoredError extends Omit<ErrorRow, 'seenAt'> {
  errorId: string
  occurrences: bigint
  firstSeenAt: Date
  lastSeenAt: Date
  /** Microseconds since 1970, as text: a `Date` would lose them, and with them the order. */
  lastSeenMicros: string
}

/** The order of the list. */
export type ErrorPosition = readonly [lastSeenMicros: string, errorId: string]

export interface ErrorFilter {
  release: string | undefined
  /** Inclusive. */
  since: Date | undefined
}

/** Those that are within the tenant's retention; the one seen last first, those after `after`. */
export async function listErrorRows(
  tx: Tx,
  tenantId: string,
  { release, since }: ErrorFilter,
  { after, limit, now }: { after: ErrorPosition | undefined; limit: number; now: Date },
): Promise<StoredError[]> {
  let query = tx
    .selectFrom('browser_errors')
    .select([
      'error_id as errorId',
      'fingerprint',
      'release',
      'client',
      sql<bigint>`occurrences`.as('occurrences'),
      'first_seen_at as firstSeenAt',
      'last_seen_at as lastSeenAt',
      sql<string>`(extract(epoch from last_seen_at) * 1000000)::bigint::text`.as('lastSeenMicros'),
      'key_version as keyVersion',
      'sealed',
    ])
    .where('tenant_id', '=', tenantId)
    .where(
      sql<boolean>`last_seen_at >= ${now}::timestamptz - (select make_interval(days => t.retention_days) from tenants as t
                                                         where t.tenant_id = ${tenantId})`,
    )
  if (release !== undefined) query = query.where('release', '=', release)
  if (since !== undefined) query = query.where('last_seen_at', '>=', since)
  if (after !== undefined) {
    const [micros, errorId] = after
    const seenAt = sql`'epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond'`
    query = query.where(sql<boolean>`(last_seen_at, error_id) < (${seenAt}, ${errorId}::uuid)`)
  }
  return query.orderBy('last_seen_at', 'desc').orderBy('error_id', 'desc').limit(limit).execute()
}
