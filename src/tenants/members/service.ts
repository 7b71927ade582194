import { createHash, createHmac, randomBytes } from 'node:crypto'
import { revokeTokensOf } from '../../auth/service.ts'
import type { Role, TenantContext } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../cursor.ts'
import { inTenant } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { type KeyRing, keysFor } from '../../secrets/keyring.ts'
import { recordAudit } from '../audit.ts'
import type { Page } from '../page.ts'
import {
  deleteInvitation,
  deleteMembership,
  findInvitedUserId,
  findMemberRole,
  findUserId,
  listMembers as listRows,
  lockMembers,
  type MemberRow,
  replaceInvitation,
} from './queries.ts'
import { noSuchMember, requireOtherAdmin } from './roles.ts'

const INVITATION_MS = 7 * 86_400_000

/** Members and open invitations by address. Throws `validation_failed` for a cursor of another list. */
export function listMembers(
  ctx: TenantContext,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<MemberRow>> {
  const scope = { operationId: 'listMembers', tenantId: ctx.tenantId }
  const [after = ''] = decodeCursor<[string]>(ctx.keys, scope, cursor) ?? []
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listRows(tx, ctx.tenantId, { now: ctx.clock(), after, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const nextCursor = rows.length > limit && last !== undefined ? encodeCursor(ctx.keys, scope, [last.email]) : null
    return { items, nextCursor }
  })
}

export interface Invitation {
  userId: string
  email: string
  role: Role
  /** 256 random bits in base64url; kept as a hash only. */
  token: string
  expiresAt: Date
}

/**
 * Opens an invitation for seven days, in place of an open one for the same address. The work and the answer are the same
 * whether the address has an account or not. Throws `already_member`.
 */
export function inviteMember(
  ctx: TenantContext,
  { email: given, role }: { email: string; role: Role },
): Promise<Invitation> {
  const { tenantId } = ctx
  const email = given.toLowerCase()
  const token = randomBytes(32).toString('base64url')
  const createdAt = ctx.clock()
  const expiresAt = new Date(createdAt.getTime() + INVITATION_MS)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    await lockMembers(tx, tenantId)
    const userId = (await findUserId(tx, email)) ?? userIdOf(ctx.keys, email)
    if ((await findMemberRole(tx, tenantId, userId)) !== undefined) {
      throw new ProblemError('already_member', 'A member of the tenant has this e-mail address already.')
    }
    const tokenHash = hashInviteToken(token)
    await replaceInvitation(tx, { tenantId, userId, email, role, tokenHash, createdAt, expiresAt })
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'member.invited',
      subject: `user:${userId}`,
      details: { role, invite_expires_at: expiresAt.toISOString() },
    })
    return { userId, email, role, token, expiresAt }
  })
}

/**
 * Ends a membership with all its tokens, or withdraws an open invitation; the account stays. Throws `not_found` and
 * `last_admin`.
 */
export async function removeMember(ctx: TenantContext, userId: string): Promise<void> {
  const { tenantId } = ctx
  const now = ctx.clock()
  await inTenant(ctx.db.main, ctx, async (tx) => {
    await lockMembers(tx, tenantId)
    const role = await findMemberRole(tx, tenantId, userId)
    const invitation = await deleteInvitation(tx, tenantId, userId)
    const about = { actor: ctx.principal, subject: `user:${userId}` } as const
    if (role !== undefined) {
      if (role === 'admin') await requireOtherAdmin(tx, tenantId, userId)
      await revokeTokensOf(tx, { tenantId, userId, now })
      await deleteMembership(tx, tenantId, userId)
      await recordAudit(tx, { ...about, action: 'member.removed', changes: { '/role': { before: role } } })
    } else if (invitation !== null && invitation.expiresAt > now) {
      await recordAudit(tx, { ...about, action: 'member.invitation_withdrawn' })
    } else {
      throw noSuchMember()
    }
  })
  await ctx.revocations.catchUp()
}

/** The member or open invitation with this address, for operators, who know people by it. Throws `not_found`. */
export async function findMemberId(ctx: TenantContext, email: string): Promise<string> {
  const { tenantId } = ctx
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const userId = (await findInvitedUserId(tx, tenantId, email.toLowerCase())) ?? (await findUserId(tx, email))
    if (userId === null) throw noSuchMember()
    return userId
  })
}

export function hashInviteToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/**
 * The id of the account that this address will get. Always the same one, as an account has: with a new one for each
 * invitation, inviting twice would tell whether there is an account. In the form of a random uuid (RFC 9562, 5.4).
 */
export function userIdOf(keys: KeyRing, email: string): string {
  const mac = createHmac('sha256', keysFor(keys, 'user-id/v1')[0]).update(email.toLowerCase()).digest()
  mac[6] = ((mac[6] as number) & 0x0f) | 0x40
  mac[8] = ((mac[8] as number) & 0x3f) | 0x80
  const hex = mac.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')
}
