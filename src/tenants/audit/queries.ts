import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'

export interface AuditRow {
  actorKind: 'user' | 'key' | 'operator' | 'system'
  actorId: string | null
  action: string
  targetKind: string | null
  targetId: string | null
  changes: readonly StoredChange[]
}

/** `before` and `after` are JSON texts; null where there is none, or it is secret. */
export interface StoredChange {
  pointer: string
  before: string | null
  after: string | null
}

/** In the tenant and with the correlation id of the transaction. */
export async function insertAuditEntry(tx: Tx, row: AuditRow): Promise<void> {
  await sql`
    insert into audit_log (tenant_id, actor_kind, actor_id, action, target_kind, target_id, correlation_id, changes)
    values (current_setting('app.current_tenant_id')::uuid, ${row.actorKind}, ${row.actorId}, ${row.action},
            ${row.targetKind}, ${row.targetId}, current_setting('app.correlation_id')::uuid,
            ${JSON.stringify(row.changes)}::jsonb)`.execute(tx)
}

export interface StoredEntry extends AuditRow {
  entryId: string
  occurredAt: Date
  /** Microseconds since 1970, as text: a `Date` would lose them, and with them the order. */
  occurredMicros: string
  correlationId: string
}

/** The order of the log. */
export type AuditPosition = readonly [occurredMicros: string, entryId: string]

export interface AuditFilter {
  action: string | undefined
  actorId: string | undefined
  /** Inclusive. */
  since: Date | undefined
  /** Exclusive. */
  until: Date | undefined
}

/** The newest first, those after `after`. */
export async function listAuditEntries(
  tx: Tx,
  tenantId: string,
  { action, actorId, since, until }: AuditFilter,
  { after, limit }: { after: AuditPosition | undefined; limit: number },
): Promise<StoredEntry[]> {
  let query = tx
    .selectFrom('audit_log')
    .select([
      'entry_id as entryId',
      'occurred_at as occurredAt',
      sql<string>`(extract(epoch from occurred_at) * 1000000)::bigint::text`.as('occurredMicros'),
      sql<AuditRow['actorKind']>`actor_kind`.as('actorKind'),
      'actor_id as actorId',
      'action',
      'target_kind as targetKind',
      'target_id as targetId',
      'correlation_id as correlationId',
      sql<StoredChange[]>`changes`.as('changes'),
    ])
    .where('tenant_id', '=', tenantId)
  if (action !== undefined) query = query.where('action', '=', action)
  if (actorId !== undefined) query = query.where('actor_id', '=', actorId)
  if (since !== undefined) query = query.where('occurred_at', '>=', since)
  if (until !== undefined) query = query.where('occurred_at', '<', until)
  if (after !== undefined) {
    const [micros, entryId] = after
    const occurredAt = sql`'epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond'`
    query = query.where(sql<boolean>`(occurred_at, entry_id) < (${occurredAt}, ${entryId}::uuid)`)
  }
  return query.orderBy('occurred_at', 'desc').orderBy('entry_id', 'desc').limit(limit).execute()
}
