import type { RequestContext, Role, TenantContext } from '../context.ts'
import { decodeCursor, encodeCursor } from '../cursor.ts'
import { inTenant } from '../db/tenant.ts'
import { ProblemError } from '../problem/problem.ts'
import { recordAudit } from '../tenants/audit.ts'
import { changeMemberRole } from '../tenants/members/roles.ts'
import { decoyHash, hashPassword, verifyPassword } from './password.ts'
import { requireGoodPassword } from './password-rules.ts'
import { requireUser } from './principal.ts'
import { findLogin, findMember, findPassword, type LoginRow, changePassword as setPassword } from './queries.ts'
import { endOf, idleSince, liveSessionsOf } from './sessions/live.ts'
import { listLiveSessions, type SessionRow } from './sessions/queries.ts'
import { endSession, openSession, revokeTokensOf } from './sessions/sessions.ts'
import { type SessionTokens, unauthorized } from './sessions/tokens.ts'
import { admit } from './throttle.ts'

export { authenticateBearer } from './bearer.ts'
export { refreshSession } from './sessions/refresh.ts'
export { openSession, revokeTokensOf } from './sessions/sessions.ts'
export type { SessionTokens } from './sessions/tokens.ts'

/**
 * Proves a person by password and opens a session in one of their tenants. Unknown person, wrong password, inactive user
 * and foreign tenant are one and the same `unauthorized`, after the same work. Throws `rate_limited` while the account or
 * the address has to wait, whatever the password, and `tenant_selection_required` when the person is proven but belongs
 * to several tenants and named none.
 */
export async function login(
  ctx: RequestContext,
  { email, password, tenantSlug }: { email: string; password: string; tenantSlug: string | undefined },
): Promise<SessionTokens> {
  const attempt = await admit(ctx, 'login', email.toLowerCase())
  const { rows, person, proven } = await attempt.decide(async () => {
    const rows = await findLogin(ctx.db.main.lookup, email)
    const person = rows[0]
    return { rows, person, proven: await verifyPassword(password, person?.passwordHash ?? (await decoyHash())) }
  })
  const memberships = rows.filter(
    (row) => row.tenantId !== null && (tenantSlug === undefined || row.slug === tenantSlug),
  )
  const [membership] = memberships
  if (!proven || person?.status !== 'active' || membership === undefined) {
    if (attempt.isFirstToBlock) recordLock(ctx, rows)
    throw unauthorized()
  }
  await attempt.forgive()
  if (memberships.length > 1) {
    const slugs = memberships.map(({ slug }) => slug).join(', ')
    throw new ProblemError(
      'tenant_selection_required',
      `You belong to several tenants: name one of ${slugs} in "tenant".`,
    )
  }
  const { userId, tenantId, passwordHash } = membership
  if (tenantId === null) throw unauthorized()
  return inTenant(ctx.db.main, { tenantId, correlationId: ctx.correlationId }, (tx) =>
    openSession(ctx, tx, { tenantId, userId, passwordHash }),
  )
}

/**
 * Enters in the log of each tenant of the account that it has to wait. Nobody waits for that: the answer would come later
 * than for an account that does not exist.
 */
function recordLock(ctx: RequestContext, rows: readonly LoginRow[]): void {
  for (const { tenantId, userId } of rows) {
    if (tenantId === null) continue
    const entry = { actor: { kind: 'worker', tenantId }, action: 'user.locked', subject: `user:${userId}` } as const
    inTenant(ctx.db.main, { tenantId, correlationId: ctx.correlationId }, (tx) => recordAudit(tx, entry)).catch(
      (error: unknown) => ctx.log.error({ err: error }, 'a lock-out could not be entered in the audit log'),
    )
  }
}

/** Ends the session of the request. Its access token is refused here from now on, elsewhere within a second. */
export async function logout(ctx: TenantContext): Promise<void> {
  const { tenantId } = ctx
  const { sessionId } = requireUser(ctx)
  await inTenant(ctx.db.main, ctx, (tx) => endSession(tx, { tenantId, sessionId, at: ctx.clock() }))
  await ctx.revocations.catchUp()
}

export interface OwnSession extends SessionRow {
  isCurrent: boolean
  /** When it ends unless it is used again. */
  endsAt: Date
}

/** The caller's sessions in this tenant that still run, the one used last first. */
export function listSessions(
  ctx: TenantContext,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<{ items: OwnSession[]; nextCursor: string | null }> {
  const { tenantId } = ctx
  const { userId, sessionId } = requireUser(ctx)
  const scope = { operationId: 'listSessions', tenantId, filters: { userId } }
  const position = decodeCursor<[number, string]>(ctx.keys, scope, cursor)
  const after = position && { lastUsedAt: new Date(position[0]), sessionId: position[1] }
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const live = await liveSessionsOf(ctx, tx, { tenantId, userId }, await findMember(tx, userId))
    const rows = await listLiveSessions(tx, live, { after, limit: limit + 1 })
    const items = rows
      .slice(0, limit)
      .map((row) => ({ ...row, isCurrent: row.sessionId === sessionId, endsAt: endOf(row) }))
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    const nextCursor = isMore ? encodeCursor(ctx.keys, scope, [last.lastUsedAt.getTime(), last.sessionId]) : null
    return { items, nextCursor }
  })
}

/** Ends one session of the caller. Throws `not_found` for one that has ended and for somebody else's. */
export async function revokeSession(ctx: TenantContext, sessionId: string): Promise<void> {
  const { tenantId } = ctx
  const { userId } = requireUser(ctx)
  await inTenant(ctx.db.main, ctx, async (tx) => {
    const live = await liveSessionsOf(ctx, tx, { tenantId, userId }, await findMember(tx, userId))
    const [session] = await listLiveSessions(tx, live, { only: sessionId, limit: 1 })
    if (session === undefined) throw new ProblemError('not_found', 'There is no such session.')
    await endSession(tx, { tenantId, sessionId, at: live.now })
  })
  await ctx.revocations.catchUp()
}

/**
 * Sets a new password for the caller's account and ends its other sessions, in every tenant. Throws `validation_failed`
 * for a wrong current password and for a new one that is too easy, and `rate_limited` after some wrong ones.
 */
export async function changePassword(
  ctx: TenantContext,
  { current, next }: { current: string; next: string },
): Promise<{ changedAt: Date; revokedSessions: number }> {
  const { userId, sessionId } = requireUser(ctx)
  const { oldHash, email } = await inTenant(ctx.db.main, ctx, async (tx) => ({
    oldHash: await findPassword(tx, userId),
    email: (await findMember(tx, userId))?.email,
  }))
  if (oldHash === undefined || email === undefined) throw unauthorized()
  requireGoodPassword(next, { email, pointer: '/body/new_password' })
  const attempt = await admit(ctx, 'password', userId)
  if (!(await attempt.decide(() => verifyPassword(current, oldHash)))) throw wrongPassword()
  await attempt.forgive()
  if (current.normalize('NFKC') === next.normalize('NFKC')) {
    throw invalid('/body/new_password', 'unchanged', 'must NOT be the current password')
  }
  const newHash = await hashPassword(next)
  const at = ctx.clock()
  const revokedSessions = await inTenant(ctx.db.main, ctx, async (tx) => {
    const change = { userId, oldHash, newHash, at, usedSince: idleSince(at), exceptSession: sessionId }
    const ended = await setPassword(tx, change)
    // Somebody has set another one in the meantime.
    if (ended === null) throw wrongPassword()
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'user.password_changed',
      subject: `user:${userId}`,
      details: { revoked_sessions: ended },
    })
    return ended
  })
  await ctx.revocations.catchUp()
  return { changedAt: at, revokedSessions }
}

/**
 * Makes all tokens of a member invalid that they got in this tenant until `before`; now, where that is undefined. Throws
 * `validation_failed` for a time in the future and `not_found` for somebody who is no member.
 */
export async function revokeTokensBefore(
  ctx: TenantContext,
  { userId, before }: { userId: string; before: Date | undefined },
): Promise<{ notBefore: Date; sessions: number }> {
  const { tenantId } = ctx
  const now = ctx.clock()
  if (before !== undefined && before > now) {
    throw invalid('/body/tokens_invalid_before', 'maximum', 'must NOT be in the future')
  }
  const cutoff = await inTenant(ctx.db.main, ctx, async (tx) => {
    if ((await findMember(tx, userId)) === undefined) throw noSuchMember()
    const result = await revokeTokensOf(tx, { tenantId, userId, before, now })
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'member.tokens_revoked',
      subject: `user:${userId}`,
      details: { tokens_invalid_before: result.notBefore.toISOString(), revoked_sessions: result.sessions },
    })
    return result
  })
  await ctx.revocations.catchUp()
  return cutoff
}

/**
 * Gives a member another role; access tokens with the old one are refused from then on, and a refresh gives one with the
 * new. Returns the role before. Throws `not_found` and `last_admin`.
 */
export async function updateMembershipRole(
  ctx: TenantContext,
  { userId, role }: { userId: string; role: Role },
): Promise<Role> {
  const { tenantId } = ctx
  const previous = await inTenant(ctx.db.main, ctx, async (tx) => {
    const before = await changeMemberRole(tx, { tenantId, userId, role })
    if (before !== role) {
      await recordAudit(tx, {
        actor: ctx.principal,
        action: 'member.role_changed',
        subject: `user:${userId}`,
        changes: { '/role': { before, after: role } },
      })
    }
    return before
  })
  await ctx.revocations.catchUp()
  return previous
}

/** The caller's role as the database has it. Throws `forbidden` unless it is admin. */
export async function requireAdmin(ctx: TenantContext): Promise<Role> {
  const { userId } = requireUser(ctx)
  const member = await inTenant(ctx.db.main, ctx, (tx) => findMember(tx, userId))
  if (member?.status === 'active' && member.role === 'admin') return member.role
  throw new ProblemError('forbidden', 'This operation needs the role admin.')
}

function noSuchMember(): ProblemError {
  return new ProblemError('not_found', 'The tenant has no member with this id.')
}

function wrongPassword(): ProblemError {
  return invalid('/body/current_password', 'mismatch', 'This is not the current password.')
}

function invalid(pointer: string, code: string, detail: string): ProblemError {
  return new ProblemError('validation_failed', 'The request breaks the contract at 1 place.', {
    errors: [{ pointer, code, detail }],
  })
}
