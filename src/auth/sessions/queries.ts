import { sql } from 'kysely'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'

export interface SessionRow {
  sessionId: string
  userId: string
  client: string | null
  createdAt: Date
  lastUsedAt: Date
  expiresAt: Date
  endedAt: Date | null
}

const SESSION = [
  'session_id as sessionId',
  'user_id as userId',
  'client',
  'created_at as createdAt',
  'last_used_at as lastUsedAt',
  'expires_at as expiresAt',
  'ended_at as endedAt',
] as const

/** Whose a refresh token is, before the tenant is known. */
export async function findRefreshToken(
  lookup: Lookup,
  tokenHash: Buffer,
): Promise<{ tenantId: string; sessionId: string } | undefined> {
  const { rows } = await sql<{ tenantId: string; sessionId: string }>`
    select tenant_id as "tenantId", session_id as "sessionId"
    from internal.find_refresh_token(${tokenHash})`.execute(lookup)
  return rows[0]
}

export async function insertSession(
  tx: Tx,
  session: {
    tenantId: string
    sessionId: string
    userId: string
    client: string | null
    createdAt: Date
    expiresAt: Date
  },
): Promise<void> {
  await tx
    .insertInto('sessions')
    .values({
      tenant_id: session.tenantId,
      session_id: session.sessionId,
      user_id: session.userId,
      client: session.client,
      created_at: session.createdAt,
      last_used_at: session.createdAt,
      expires_at: session.expiresAt,
    })
    .execute()
}

export async function insertRefreshToken(
  tx: Tx,
  token: { tenantId: string; tokenHash: Buffer; sessionId: string; issuedAt: Date },
): Promise<void> {
  await tx
    .insertInto('refresh_tokens')
    .values({
      tenant_id: token.tenantId,
      token_hash: token.tokenHash,
      session_id: token.sessionId,
      issued_at: token.issuedAt,
    })
    .execute()
}

/** Until the transaction ends, no other one changes the session or rotates its tokens. */
export function lockSession(tx: Tx, tenantId: string, sessionId: string): Promise<SessionRow | undefined> {
  return tx
    .selectFrom('sessions')
    .select(SESSION)
    .where('tenant_id', '=', tenantId)
    .where('session_id', '=', sessionId)
    .forUpdate()
    .executeTakeFirst()
}

export interface RefreshTokenRow {
  issuedAt: Date
  /** The three are null together: for the token that is good. */
  rotatedAt: Date | null
  successorHash: Buffer | null
  keyVersion: number | null
  /** Whether the token that took its place was exchanged as well. */
  isSuccessorRotated: boolean
}

/** Under `lockSession`. */
export async function getRefreshToken(tx: Tx, tenantId: string, tokenHash: Buffer): Promise<RefreshTokenRow> {
  const { rows } = await sql<RefreshTokenRow>`
    select t.issued_at                                            as "issuedAt",
           t.rotated_at                                           as "rotatedAt",
           t.successor_hash                                       as "successorHash",
           t.key_version                                          as "keyVersion",
           s.token_hash is not null and s.rotated_at is not null  as "isSuccessorRotated"
    from refresh_tokens as t
    left join refresh_tokens as s on s.tenant_id = t.tenant_id and s.token_hash = t.successor_hash
    where t.tenant_id = ${tenantId} and t.token_hash = ${tokenHash}`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error('a refresh token went away while its session was locked')
  return row
}

/** Marks the token as exchanged, then enters its successor: a session has one good token at a time. */
export async function rotateRefreshToken(
  tx: Tx,
  rotation: {
    tenantId: string
    sessionId: string
    tokenHash: Buffer
    successorHash: Buffer
    keyVersion: number
    at: Date
  },
): Promise<void> {
  const { tenantId, sessionId, tokenHash, successorHash, keyVersion, at } = rotation
  await tx
    .updateTable('refresh_tokens')
    .set({ rotated_at: at, successor_hash: successorHash, key_version: keyVersion })
    .where('tenant_id', '=', tenantId)
    .where('token_hash', '=', tokenHash)
    .execute()
  await insertRefreshToken(tx, { tenantId, tokenHash: successorHash, sessionId, issuedAt: at })
  await tx
    .updateTable('sessions')
    .set({ last_used_at: at })
    .where('tenant_id', '=', tenantId)
    .where('session_id', '=', sessionId)
    .execute()
}

/** Which sessions of a member still run. */
export interface LiveSessions {
  tenantId: string
  userId: string
  now: Date
  /** Those that were not used after it have ended. */
  usedSince: Date
  /** Those opened until then have ended; but for `kept`, as far as the account's is concerned. */
  memberCutoff: Date | null
  accountCutoff: Date | null
  kept: string | null
}

function liveSessions(tx: Tx, live: LiveSessions) {
  const { tenantId, userId, now, usedSince, memberCutoff, accountCutoff, kept } = live
  let query = tx
    .selectFrom('sessions')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .where('last_used_at', '>', usedSince)
  if (memberCutoff !== null) query = query.where('created_at', '>', memberCutoff)
  if (accountCutoff !== null) {
    query = query.where((or) => or.or([or('created_at', '>', accountCutoff), or('session_id', '=', kept)]))
  }
  return query
}

/** The one used last first; those after `after`, or only the one given. */
export function listLiveSessions(
  tx: Tx,
  live: LiveSessions,
  { after, only, limit }: { after?: { lastUsedAt: Date; sessionId: string } | undefined; only?: string; limit: number },
): Promise<SessionRow[]> {
  let query = liveSessions(tx, live).select(SESSION)
  if (only !== undefined) query = query.where('session_id', '=', only)
  if (after !== undefined) {
    const { lastUsedAt, sessionId } = after
    query = query.where(sql<boolean>`(last_used_at, session_id) < (${lastUsedAt}, ${sessionId}::uuid)`)
  }
  return query.orderBy('last_used_at', 'desc').orderBy('session_id', 'desc').limit(limit).execute()
}

export async function setSessionEnded(tx: Tx, tenantId: string, sessionId: string, at: Date): Promise<void> {
  await tx
    .updateTable('sessions')
    .set({ ended_at: at })
    .where('tenant_id', '=', tenantId)
    .where('session_id', '=', sessionId)
    .where('ended_at', 'is', null)
    .execute()
}

/** Ends those that still run and were opened until `until`; returns their ids. */
export async function endSessionsUntil(tx: Tx, live: LiveSessions, until: Date): Promise<string[]> {
  const running = await liveSessions(tx, live)
    .select('session_id as sessionId')
    .where('created_at', '<=', until)
    .orderBy('session_id')
    .forUpdate()
    .execute()
  const ids = running.map(({ sessionId }) => sessionId)
  await setEnded(tx, live.tenantId, ids, live.now)
  return ids
}

/** Ends all but the `limit` used last; returns the ids of those ended. */
export async function endSessionsAbove(tx: Tx, live: LiveSessions, limit: number): Promise<string[]> {
  const surplus = await liveSessions(tx, live)
    .select('session_id as sessionId')
    .orderBy('last_used_at', 'desc')
    .orderBy('session_id', 'desc')
    .offset(limit)
    .execute()
  const ids = surplus.map(({ sessionId }) => sessionId)
  await setEnded(tx, live.tenantId, ids, live.now)
  return ids
}

async function setEnded(tx: Tx, tenantId: string, sessionIds: readonly string[], at: Date): Promise<void> {
  if (sessionIds.length === 0) return
  await tx
    .updateTable('sessions')
    .set({ ended_at: at })
    .where('tenant_id', '=', tenantId)
    .where('session_id', 'in', sessionIds)
    .execute()
}

/** Removes what ended `keptMs` ago, with its tokens. */
export async function deleteEndedSessions(
  tx: Tx,
  { tenantId, userId, now, usedSince }: LiveSessions,
  keptMs: number,
): Promise<void> {
  const before = new Date(now.getTime() - keptMs)
  const unusedSince = new Date(usedSince.getTime() - keptMs)
  await tx
    .deleteFrom('sessions')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .where((or) =>
      or.or([or('ended_at', '<', before), or('expires_at', '<', before), or('last_used_at', '<', unusedSince)]),
    )
    .execute()
}

/** When the session was opened that was opened last. */
export async function findNewestSession(tx: Tx, tenantId: string, userId: string): Promise<Date | null> {
  const row = await tx
    .selectFrom('sessions')
    .select(({ fn }) => fn.max('created_at').as('createdAt'))
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.createdAt ?? null
}

/** Never moves back. Returns the cutoff that holds. */
export async function raiseCutoff(tx: Tx, tenantId: string, userId: string, notBefore: Date, at: Date): Promise<Date> {
  const { rows } = await sql<{ notBefore: Date }>`
    insert into token_cutoffs as c (tenant_id, user_id, not_before, set_at)
    values (${tenantId}, ${userId}, ${notBefore}, ${at})
    on conflict (tenant_id, user_id) do update
    set not_before = greatest(c.not_before, excluded.not_before), set_at = excluded.set_at
    returning not_before as "notBefore"`.execute(tx)
  return (rows[0] as { notBefore: Date }).notBefore
}

export async function findCutoff(tx: Tx, tenantId: string, userId: string): Promise<Date | null> {
  const row = await tx
    .selectFrom('token_cutoffs')
    .select('not_before as notBefore')
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.notBefore ?? null
}
