import { sql } from 'kysely'
import type { RevocableKind, Role } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import type { Tx } from '../db/tenant.ts'

export interface LoginRow {
  userId: string
  passwordHash: string
  status: string
  tenantId: string | null
  slug: string | null
  tenantName: string | null
  role: Role | null
}

/** One row per tenant the person belongs to, ordered by slug; one with nulls when there is none. */
export async function findLogin(lookup: Lookup, email: string): Promise<LoginRow[]> {
  const { rows } = await sql<LoginRow>`
    select user_id       as "userId",
           password_hash as "passwordHash",
           status,
           tenant_id     as "tenantId",
           slug,
           tenant_name   as "tenantName",
           role
    from internal.find_login(${email})`.execute(lookup)
  return rows
}

export interface MemberRow {
  userId: string
  email: string
  status: string
  role: Role
  slug: string
  tenantName: string
  /** Since when tokens of the account hold, in all tenants, but for those of the session that changed the password. */
  accountNotBefore: Date | null
  keptSession: string | null
}

/** A member of the tenant of the transaction. */
export async function findMember(tx: Tx, userId: string): Promise<MemberRow | undefined> {
  const { rows } = await sql<MemberRow>`
    select user_id            as "userId",
           email,
           status,
           role,
           slug,
           tenant_name        as "tenantName",
           account_not_before as "accountNotBefore",
           kept_session       as "keptSession"
    from internal.find_member(${userId})`.execute(tx)
  return rows[0]
}

/**
 * Whether this is still the password of an active member of the tenant of the transaction; until that ends, nobody sets
 * another one.
 */
export async function confirmPassword(tx: Tx, userId: string, passwordHash: string): Promise<boolean> {
  const { rows } = await sql<{ isConfirmed: boolean }>`
    select internal.confirm_password(${userId}, ${passwordHash}) as "isConfirmed"`.execute(tx)
  return rows[0]?.isConfirmed === true
}

/** Of an active member of the tenant of the transaction. */
export async function findPassword(tx: Tx, userId: string): Promise<string | undefined> {
  const { rows } = await sql<{ passwordHash: string }>`
    select password_hash as "passwordHash" from internal.find_password(${userId})`.execute(tx)
  return rows[0]?.passwordHash
}

/**
 * Replaces a password and ends all sessions of the account but one. Returns how many were used after `usedSince` and so
 * still ran, or null when the old hash is not theirs any more.
 */
export async function changePassword(
  tx: Tx,
  change: { userId: string; oldHash: string; newHash: string; at: Date; usedSince: Date; exceptSession: string },
): Promise<number | null> {
  const { userId, oldHash, newHash, at, usedSince, exceptSession } = change
  const { rows } = await sql<{ ended: number | null }>`
    select internal.change_password(${userId}, ${oldHash}, ${newHash}, ${at}, ${usedSince}, ${exceptSession}) as "ended"
  `.execute(tx)
  return rows[0]?.ended ?? null
}

/** The revocation is in the feed if and only if the transaction commits. */
export async function publishRevocation(
  tx: Tx,
  revocation: { tenantId: string; kind: RevocableKind; id: string; standing: string | null; notBefore: Date | null },
): Promise<void> {
  const { tenantId, kind, id, standing, notBefore } = revocation
  await sql`select internal.publish_revocation(${tenantId}, ${kind}, ${id}, ${standing}, ${notBefore})`.execute(tx)
}

/** One line of the feed, or (with a null subject) none. */
export interface RevocationRow {
  /** What to read from the next time: the oldest transaction that had not ended. */
  horizon: string
  /** SHA-256, base64. */
  subject: string | null
  standing: string | null
  notBefore: Date | null
  kept: string | null
  /** Microseconds since 1970. */
  recordedAt: number | null
}

/** At least one row. In the order in which they were recorded. */
export async function readRevocations(lookup: Lookup, since: string): Promise<RevocationRow[]> {
  const { rows } = await sql<RevocationRow>`
    select horizon::text                                      as "horizon",
           encode(subject, 'base64')                          as "subject",
           standing,
           not_before                                         as "notBefore",
           encode(kept, 'base64')                             as "kept",
           (extract(epoch from recorded_at) * 1000000)::float8 as "recordedAt"
    from internal.read_revocations(${since}::text::xid8)`.execute(lookup)
  return rows
}

/**
 * Seconds to wait, or not more than 0: the attempt then counts as failed until it is forgiven, and a negative number says
 * for how many seconds that blocks the account.
 */
export async function admitAttempt(
  lookup: Lookup,
  attempt: {
    at: Date
    address: { subject: Buffer; allowed: number; windowSeconds: number }
    account: { subject: Buffer; allowed: number; maxSeconds: number }
  },
): Promise<number> {
  const { at, address, account } = attempt
  const { rows } = await sql<{ wait: number }>`
    select case when by_address.wait > 0 then by_address.wait
                else internal.admit_account(${account.subject}, ${at}, ${account.allowed}, ${account.maxSeconds})
           end as "wait"
    from (
      select internal.admit_address(${address.subject}, ${at}, ${address.allowed}, ${address.windowSeconds}) as wait
    ) as by_address`.execute(lookup)
  return rows[0]?.wait ?? 0
}

/** Seconds to wait, or 0: the attempt then counts as failed. */
export async function admitAddress(
  lookup: Lookup,
  { at, subject, allowed, windowSeconds }: { at: Date; subject: Buffer; allowed: number; windowSeconds: number },
): Promise<number> {
  const { rows } = await sql<{ wait: number }>`
    select internal.admit_address(${subject}, ${at}, ${allowed}, ${windowSeconds}) as "wait"`.execute(lookup)
  return rows[0]?.wait ?? 0
}

/** Takes one failure back, and the block until `blockedUntil` when it is still that one. */
export async function withdrawAttempt(
  lookup: Lookup,
  attempt: { at: Date; address: Buffer; account: Buffer; blockedUntil: Date | null },
): Promise<void> {
  const { at, address, account, blockedUntil } = attempt
  await sql`select internal.withdraw_attempt(${address}, ${account}, ${at}, ${blockedUntil})`.execute(lookup)
}

export async function forgiveAttempt(lookup: Lookup, address: Buffer, account: Buffer): Promise<void> {
  await sql`select internal.forgive_attempt(${address}, ${account})`.execute(lookup)
}
