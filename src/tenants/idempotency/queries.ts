import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'
import type { WrappedTenantKey } from '../../secrets/keyring.ts'

export interface ClaimRow {
  tenantId: string
  keyHash: Buffer
  operationId: string
  /** The first is stored; each says that it is the same request. */
  requestHashes: readonly [Buffer, ...Buffer[]]
  claimId: string
}

/** Seconds for which a process at work has a key to itself; longer than any request runs. */
const CLAIM_SECONDS = 60
/** For which an answer is given again. */
const KEPT_HOURS = 24

/**
 * Claims a key that is free, expired, or left behind by the same request without an effect. The clock is that of the
 * database, which all processes share. False: it is somebody else's.
 */
export async function claimKey(tx: Tx, row: ClaimRow): Promise<boolean> {
  const { rows } = await sql`
    insert into idempotency_keys as k
      (tenant_id, key_hash, operation_id, request_hash, claim_id, claimed_until, expires_at)
    values (${row.tenantId}, ${row.keyHash}, ${row.operationId}, ${row.requestHashes[0]}, ${row.claimId},
            clock_timestamp() + make_interval(secs => ${CLAIM_SECONDS}),
            clock_timestamp() + make_interval(hours => ${KEPT_HOURS}))
    on conflict (tenant_id, key_hash) do update
    set operation_id = excluded.operation_id, request_hash = excluded.request_hash, claim_id = excluded.claim_id,
        claimed_until = excluded.claimed_until, expires_at = excluded.expires_at,
        effect_at = null, key_version = null, sealed = null
    where k.expires_at <= clock_timestamp()
       or (k.request_hash = any(${[...row.requestHashes]}::bytea[]) and k.claimed_until <= clock_timestamp()
           and k.effect_at is null and k.sealed is null)
    returning k.claim_id`.execute(tx)
  return rows.length === 1
}

export interface KnownKey {
  requestHash: Buffer
  /** Whether whoever claimed it had time enough. */
  isOver: boolean
  hasEffect: boolean
  answer: { sealed: Buffer; key: WrappedTenantKey } | null
}

export async function findKey(tx: Tx, tenantId: string, keyHash: Buffer): Promise<KnownKey | undefined> {
  const { rows } = await sql<{
    requestHash: Buffer
    isOver: boolean
    hasEffect: boolean
    sealed: Buffer | null
    version: number
    wrappingKid: string
    wrappedKey: Buffer
  }>`
    select i.request_hash                         as "requestHash",
           i.claimed_until <= clock_timestamp()   as "isOver",
           i.effect_at is not null                as "hasEffect",
           i.sealed,
           k.key_version                          as "version",
           k.wrapping_kid                         as "wrappingKid",
           k.wrapped_key                          as "wrappedKey"
    from idempotency_keys as i
    left join tenant_keys as k on k.tenant_id = i.tenant_id and k.key_version = i.key_version
    where i.tenant_id = ${tenantId} and i.key_hash = ${keyHash}`.execute(tx)
  const [row] = rows
  if (row === undefined) return undefined
  const { requestHash, isOver, hasEffect, sealed, version, wrappingKid, wrappedKey } = row
  const answer = sealed === null ? null : { sealed, key: { tenantId, version, wrappingKid, wrappedKey } }
  return { requestHash, isOver, hasEffect, answer }
}

/** False: the claim is lost. */
export async function enterEffect(tx: Tx, { tenantId, keyHash, claimId }: ClaimRow): Promise<boolean> {
  const { rows } = await sql<{ isOurs: boolean }>`
    select internal.enter_effect(${tenantId}, ${keyHash}, ${claimId}) as "isOurs"`.execute(tx)
  return rows[0]?.isOurs === true
}

/** Nothing where the claim is lost. */
export async function storeAnswer(
  tx: Tx,
  { tenantId, keyHash, claimId }: ClaimRow,
  { keyVersion, sealed }: { keyVersion: number; sealed: Buffer },
): Promise<void> {
  await tx
    .updateTable('idempotency_keys')
    .set({ key_version: keyVersion, sealed })
    .where('tenant_id', '=', tenantId)
    .where('key_hash', '=', keyHash)
    .where('claim_id', '=', claimId)
    .execute()
}

/** Gives the key back, unless the request has had an effect. */
export async function releaseKey(tx: Tx, { tenantId, keyHash, claimId }: ClaimRow): Promise<void> {
  await tx
    .deleteFrom('idempotency_keys')
    .where('tenant_id', '=', tenantId)
    .where('key_hash', '=', keyHash)
    .where('claim_id', '=', claimId)
    .where('effect_at', 'is', null)
    .execute()
}

/** A few, so that a tenant that makes keys also clears them away. After the own claim: two that claim never wait for each other. */
export async function removeExpired(tx: Tx, tenantId: string): Promise<void> {
  await sql`
    delete from idempotency_keys
    where tenant_id = ${tenantId}
      and key_hash in (
        select key_hash from idempotency_keys
        where tenant_id = ${tenantId} and expires_at < clock_timestamp()
        order by expires_at
        limit 10
        for update skip locked
      )`.execute(tx)
}

/** How many there were. */
export async function pruneKeys(tx: Tx, tenantId: string): Promise<number> {
  const { numAffectedRows } = await sql`
    delete from idempotency_keys
    where tenant_id = ${tenantId} and expires_at < clock_timestamp()`.execute(tx)
  return Number(numAffectedRows ?? 0)
}
