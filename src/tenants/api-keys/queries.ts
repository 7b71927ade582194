import { sql } from 'kysely'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'

export interface ApiKeyRow {
  keyId: string
  name: string
  prefix: string
  scopes: string[]
  createdAt: Date
  expiresAt: Date | null
  lastUsedAt: Date | null
  revokedAt: Date | null
}

/** Microseconds since 1970 as text, and the id: the order of the list. A `Date` would lose the microseconds. */
export type ApiKeyPosition = readonly [createdMicros: string, keyId: string]

/** The newest first, those after `after`. */
export async function listApiKeys(
  tx: Tx,
  tenantId: string,
  { after, limit }: { after: ApiKeyPosition | undefined; limit: number },
): Promise<(ApiKeyRow & { createdMicros: string })[]> {
  const [micros, keyId] = after ?? [null, null]
  const { rows } = await sql<ApiKeyRow & { createdMicros: string }>`
    select key_id       as "keyId",
           name,
           prefix,
           scopes,
           created_at   as "createdAt",
           expires_at   as "expiresAt",
           last_used_at as "lastUsedAt",
           revoked_at   as "revokedAt",
           (extract(epoch from created_at) * 1000000)::bigint::text as "createdMicros"
    from api_keys
    where tenant_id = ${tenantId}
      and (${micros}::bigint is null
           or (created_at, key_id) < ('epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond', ${keyId}::uuid))
    order by created_at desc, key_id desc
    limit ${limit}`.execute(tx)
  return rows
}

export async function insertApiKey(
  tx: Tx,
  key: { tenantId: string; name: string; prefix: string; secretHash: Buffer; scopes: string[]; expiresAt: Date | null },
): Promise<{ keyId: string; createdAt: Date }> {
  return tx
    .insertInto('api_keys')
    .values({
      tenant_id: key.tenantId,
      name: key.name,
      prefix: key.prefix,
      secret_hash: key.secretHash,
      scopes: key.scopes,
      expires_at: key.expiresAt,
    })
    .returning(['key_id as keyId', 'created_at as createdAt'])
    .executeTakeFirstOrThrow()
}

/** False when there is no such key, or it was revoked before. */
export async function setRevoked(tx: Tx, tenantId: string, keyId: string, revokedAt: Date): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('api_keys')
    .set({ revoked_at: revokedAt })
    .where('tenant_id', '=', tenantId)
    .where('key_id', '=', keyId)
    .where('revoked_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Locks a key that works at `now`; undefined when there is none. */
export async function lockLiveKey(
  tx: Tx,
  tenantId: string,
  keyId: string,
  now: Date,
): Promise<{ expiresAt: Date | null } | undefined> {
  return tx
    .selectFrom('api_keys')
    .select('expires_at as expiresAt')
    .where('tenant_id', '=', tenantId)
    .where('key_id', '=', keyId)
    .where('revoked_at', 'is', null)
    .where((or) => or.or([or('expires_at', 'is', null), or('expires_at', '>', now)]))
    .forUpdate()
    .executeTakeFirst()
}

export async function setExpiry(tx: Tx, tenantId: string, keyId: string, expiresAt: Date): Promise<void> {
  await tx
    .updateTable('api_keys')
    .set({ expires_at: expiresAt })
    .where('tenant_id', '=', tenantId)
    .where('key_id', '=', keyId)
    .execute()
}

export interface FoundKey {
  tenantId: string
  keyId: string
  scopes: string[]
  expiresAt: Date | null
}

/** A key that works, before the tenant is known. */
export async function findApiKey(lookup: Lookup, secretHash: Buffer): Promise<FoundKey | undefined> {
  const { rows } = await sql<FoundKey>`
    select tenant_id as "tenantId", key_id as "keyId", scopes, expires_at as "expiresAt"
    from internal.find_api_key(${secretHash})`.execute(lookup)
  return rows[0]
}

export interface KeyUse {
  tenantId: string
  keyId: string
  usedAt: Date
}

/** Keys of any tenants, in one statement; a use that is not newer than what is known changes nothing. */
export async function recordKeyUse(lookup: Lookup, uses: readonly KeyUse[]): Promise<void> {
  await sql`
    select internal.record_api_key_use(
      ${uses.map(({ tenantId }) => tenantId)}::uuid[],
      ${uses.map(({ keyId }) => keyId)}::uuid[],
      ${uses.map(({ usedAt }) => usedAt.toISOString())}::timestamptz[])`.execute(lookup)
}
