import { sql } from 'kysely'
import type { Role } from '../../context.ts'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'

export interface MemberRow {
  userId: string
  email: string
  role: Role
  status: 'invited' | 'active' | 'disabled'
  invitedAt: Date | null
  joinedAt: Date | null
  inviteExpiresAt: Date | null
}

export interface InvitationRow {
  tenantId: string
  slug: string
  tenantName: string
  /** The user that accepting makes, unless the address has an account by now. */
  invitedUserId: string
  email: string
  role: Role
  invitedAt: Date
  account: { userId: string; passwordHash: string; status: string } | null
}

/**
 * Until the transaction ends, nobody else changes who is a member of the tenant, or what its admins are. The rows are
 * locked besides, since a role may be changed by who knows nothing of this lock.
 */
export async function lockMembers(tx: Tx, tenantId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('members/' || ${tenantId}, 0))`.execute(tx)
  await tx
    .selectFrom('memberships')
    .select('user_id')
    .where('tenant_id', '=', tenantId)
    .where('role', '=', 'admin')
    .orderBy('user_id')
    .forUpdate()
    .execute()
}

/** Members and open invitations whose address comes after `after`, by address. */
export async function listMembers(
  tx: Tx,
  tenantId: string,
  { now, after, limit }: { now: Date; after: string; limit: number },
): Promise<MemberRow[]> {
  const { rows } = await sql<MemberRow>`
    select user_id           as "userId",
           email,
           role,
           status,
           invited_at        as "invitedAt",
           joined_at         as "joinedAt",
           invite_expires_at as "inviteExpiresAt"
    from internal.list_members(${tenantId}, ${now}, ${after}, ${limit})`.execute(tx)
  return rows
}

export async function findMemberRole(tx: Tx, tenantId: string, userId: string): Promise<Role | undefined> {
  const row = await tx
    .selectFrom('memberships')
    .select('role')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.role as Role | undefined
}

/** Whether somebody else with a working account is an admin of the tenant. */
export async function hasOtherAdmin(tx: Tx, tenantId: string, userId: string): Promise<boolean> {
  const { rows } = await sql<{ has: boolean }>`
    select internal.has_other_admin(${tenantId}, ${userId}) as has`.execute(tx)
  return rows[0]?.has === true
}

export async function setMemberRole(tx: Tx, tenantId: string, userId: string, role: Role): Promise<void> {
  await tx
    .updateTable('memberships')
    .set({ role })
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .execute()
}

export async function deleteMembership(tx: Tx, tenantId: string, userId: string): Promise<void> {
  await tx.deleteFrom('memberships').where('tenant_id', '=', tenantId).where('user_id', '=', userId).execute()
}

/** False when the person is a member already. */
export async function insertInvitedMembership(
  tx: Tx,
  member: { tenantId: string; userId: string; role: Role; invitedAt: Date; joinedAt: Date },
): Promise<boolean> {
  const row = await tx
    .insertInto('memberships')
    .values({
      tenant_id: member.tenantId,
      user_id: member.userId,
      role: member.role,
      invited_at: member.invitedAt,
      created_at: member.joinedAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'user_id']).doNothing())
    .returning('user_id')
    .executeTakeFirst()
  return row !== undefined
}

/** The account with this address, of whatever tenant. */
export async function findUserId(tx: Tx, email: string): Promise<string | null> {
  const { rows } = await sql<{ userId: string | null }>`
    select internal.find_user_id(${email}) as "userId"`.execute(tx)
  return rows[0]?.userId ?? null
}

/** Of an invitation, open or expired. */
export async function findInvitedUserId(tx: Tx, tenantId: string, email: string): Promise<string | null> {
  const row = await tx
    .selectFrom('member_invitations')
    .select('user_id as userId')
    .where('tenant_id', '=', tenantId)
    .where('email', '=', email)
    .executeTakeFirst()
  return row?.userId ?? null
}

/** Only for somebody whom the tenant of the transaction has invited. Fails with 23505 when the address has an account. */
export async function insertInvitedUser(
  tx: Tx,
  user: { userId: string; email: string; passwordHash: string },
): Promise<void> {
  await tx
    .insertInto('users')
    .values({ user_id: user.userId, email: user.email, password_hash: user.passwordHash })
    .execute()
}

/** In place of an earlier one for the same person, and of every one of the tenant that has expired. */
export async function replaceInvitation(
  tx: Tx,
  invitation: {
    tenantId: string
    userId: string
    email: string
    role: Role
    tokenHash: Buffer
    createdAt: Date
    expiresAt: Date
  },
): Promise<void> {
  const { tenantId, userId, email, createdAt } = invitation
  await tx
    .deleteFrom('member_invitations')
    .where('tenant_id', '=', tenantId)
    .where((or) => or.or([or('email', '=', email), or('user_id', '=', userId), or('expires_at', '<=', createdAt)]))
    .execute()
  await tx
    .insertInto('member_invitations')
    .values({
      tenant_id: tenantId,
      user_id: userId,
      email,
      role: invitation.role,
      token_hash: invitation.tokenHash,
      created_at: createdAt,
      expires_at: invitation.expiresAt,
    })
    .execute()
}

/** Whether there was one, open or expired. */
export async function deleteInvitation(tx: Tx, tenantId: string, userId: string): Promise<{ expiresAt: Date } | null> {
  const row = await tx
    .deleteFrom('member_invitations')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .returning('expires_at as expiresAt')
    .executeTakeFirst()
  return row ?? null
}

/** The open one behind a token, before the tenant is known. */
export async function findInvitation(lookup: Lookup, tokenHash: Buffer, now: Date): Promise<InvitationRow | undefined> {
  const { rows } = await sql<
    Omit<InvitationRow, 'account'> & { userId: string | null; passwordHash: string | null; status: string | null }
  >`
    select tenant_id       as "tenantId",
           slug,
           tenant_name     as "tenantName",
           invited_user_id as "invitedUserId",
           email,
           role,
           invited_at      as "invitedAt",
           user_id         as "userId",
           password_hash   as "passwordHash",
           status
    from internal.find_invitation(${tokenHash}, ${now})`.execute(lookup)
  const [row] = rows
  if (row === undefined) return undefined
  const { userId, passwordHash, status, ...invitation } = row
  const account = userId === null || passwordHash === null || status === null ? null : { userId, passwordHash, status }
  return { ...invitation, account }
}

/** False when it was used, withdrawn or replaced in the meantime. */
export async function consumeInvitation(tx: Tx, tenantId: string, tokenHash: Buffer): Promise<boolean> {
  const row = await tx
    .deleteFrom('member_invitations')
    .where('tenant_id', '=', tenantId)
    .where('token_hash', '=', tokenHash)
    .returning('user_id')
    .executeTakeFirst()
  return row !== undefined
}

export interface AccountRow {
  userId: string
  status: 'active' | 'disabled'
  memberships: { tenantId: string; slug: string; role: Role }[]
}

/** As app_rw, outside of any tenant: where somebody belongs, by slug. */
export async function findAccount(lookup: Lookup, email: string): Promise<AccountRow | undefined> {
  const { rows } = await sql<{
    userId: string
    status: 'active' | 'disabled'
    tenantId: string | null
    slug: string
    role: Role
  }>`
    select user_id as "userId", status, tenant_id as "tenantId", slug, role
    from internal.list_memberships_of(${email})`.execute(lookup)
  const [first] = rows
  if (first === undefined) return undefined
  const { userId, status } = first
  const memberships = rows.flatMap(({ tenantId, slug, role }) => (tenantId === null ? [] : [{ tenantId, slug, role }]))
  return { userId, status, memberships }
}

/** As app_rw. A trigger ends the tokens of who is disabled. */
export async function setUserStatus(tx: Tx, userId: string, status: 'active' | 'disabled'): Promise<void> {
  await tx.updateTable('users').set({ status }).where('user_id', '=', userId).execute()
}

/** As app_rw. A trigger ends all sessions of the account. */
export async function setPasswordHash(tx: Tx, userId: string, passwordHash: string): Promise<void> {
  await tx.updateTable('users').set({ password_hash: passwordHash }).where('user_id', '=', userId).execute()
}
