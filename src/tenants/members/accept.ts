import { decoyHash, hashPassword, verifyPassword } from '../../auth/password.ts'
import { findPasswordFault } from '../../auth/password-rules.ts'
import { openSession } from '../../auth/sessions/sessions.ts'
import { type SessionTokens, unauthorized } from '../../auth/sessions/tokens.ts'
import { admit, countFailure } from '../../auth/throttle.ts'
import type { RequestContext } from '../../context.ts'
import { sqlState } from '../../db/errors.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { recordAudit } from '../audit.ts'
import {
  consumeInvitation,
  findInvitation,
  type InvitationRow,
  insertInvitedMembership,
  insertInvitedUser,
  lockMembers,
} from './queries.ts'
import { hashInviteToken } from './service.ts'

/** Thrown when the address got an account between the look-up and the insert: then its password decides after all. */
class AccountAppeared extends Error {
  override name = 'AccountAppeared'
}

/**
 * Makes the holder of an invitation a member and opens a session. Who has no account chooses its password; who has one
 * proves it. Whatever the token is, one password is hashed. Throws `invite_invalid` for a token that is not good (any
 * more), `validation_failed` for a password that a new account may not have, unless it is that of the account,
 * `unauthorized` for another wrong one or a disabled account, and `rate_limited`.
 */
export async function acceptInvite(
  ctx: RequestContext,
  request: { token: string; password: string },
): Promise<SessionTokens> {
  try {
    return await tryToAccept(ctx, request)
  } catch (error) {
    if (!(error instanceof AccountAppeared)) throw error
    return tryToAccept(ctx, request)
  }
}

async function tryToAccept(
  ctx: RequestContext,
  { token, password }: { token: string; password: string },
): Promise<SessionTokens> {
  const tokenHash = hashInviteToken(token)
  const invitation = await findInvitation(ctx.db.main.lookup, tokenHash, ctx.clock())
  if (invitation === undefined) {
    await countFailure(ctx, 'invitation')
    await verifyPassword(password, await decoyHash())
    throw invalidInvitation()
  }
  const newPasswordHash = await proveOrHash(ctx, invitation, password)
  const { tenantId } = invitation
  return inTenant(ctx.db.main, { tenantId, correlationId: ctx.correlationId }, (tx) =>
    join(ctx, tx, invitation, { tokenHash, newPasswordHash }),
  )
}

/**
 * The hash for a new account; null for one that is known and whose password this is. Whoever invites an address has the
 * token too, and must not learn whether it has an account by a password that no account can get: that is refused in the
 * same words, counts the same and costs the same.
 */
async function proveOrHash(ctx: RequestContext, invitation: InvitationRow, password: string): Promise<string | null> {
  const { account, email } = invitation
  const fault = findPasswordFault(password, { email, pointer: '/body/password' })
  const attempt = await admit(ctx, 'login', email)
  const newHash = await attempt.decide(async () => {
    if (account === null && fault === undefined) return hashPassword(password)
    const isProven = await verifyPassword(password, account?.passwordHash ?? (await decoyHash()))
    return isProven && account?.status === 'active' ? null : undefined
  })
  if (newHash === undefined) throw fault ?? unauthorized()
  await attempt.forgive()
  return newHash
}

async function join(
  ctx: RequestContext,
  tx: Tx,
  invitation: InvitationRow,
  { tokenHash, newPasswordHash }: { tokenHash: Buffer; newPasswordHash: string | null },
): Promise<SessionTokens> {
  const { tenantId, email, role, invitedAt } = invitation
  const { account } = invitation
  const userId = account?.userId ?? invitation.invitedUserId
  await lockMembers(tx, tenantId)
  if (newPasswordHash !== null) await insertAccount(tx, { userId, email, passwordHash: newPasswordHash })
  const isNew = await insertInvitedMembership(tx, { tenantId, userId, role, invitedAt, joinedAt: ctx.clock() })
  if (!(await consumeInvitation(tx, tenantId, tokenHash)) || !isNew) throw invalidInvitation()
  const passwordHash = newPasswordHash ?? account?.passwordHash ?? ''
  const tokens = await openSession(ctx, tx, { tenantId, userId, passwordHash })
  const { sessionId } = tokens
  await recordAudit(tx, {
    actor: { kind: 'user', tenantId, userId, role, sessionId, expiresAt: tokens.refreshExpiresAt },
    action: 'member.joined',
    subject: `user:${userId}`,
    details: { role },
  })
  return tokens
}

async function insertAccount(tx: Tx, account: { userId: string; email: string; passwordHash: string }): Promise<void> {
  try {
    await insertInvitedUser(tx, account)
  } catch (cause) {
    if (sqlState(cause) === '23505') throw new AccountAppeared('the address has an account by now', { cause })
    // Refused by the policy: the invitation was withdrawn or used in the meantime.
    if (sqlState(cause) === '42501') throw invalidInvitation(cause)
    throw cause
  }
}

function invalidInvitation(cause?: unknown): ProblemError {
  const detail = 'This invitation cannot be accepted. Ask an administrator of the tenant for a new one.'
  return new ProblemError('invite_invalid', detail, cause === undefined ? {} : { cause })
}
