import { randomBytes } from 'node:crypto'
import { publishRevocation } from '../../auth/queries.ts'
import type { TenantContext } from '../../context.ts'
import { decodeCursor, encodeCursor } from '../../cursor.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { ProblemError, type ProblemItem } from '../../problem/problem.ts'
import { looksLikeEmail } from '../../webhooks/personal-data.ts'
import { recordAudit } from '../audit.ts'
import type { Page } from '../page.ts'
import { hashApiKey, standingOf } from './authenticate.ts'
import {
  type ApiKeyPosition,
  type ApiKeyRow,
  insertApiKey,
  listApiKeys as listRows,
  lockLiveKey,
  setExpiry,
  setRevoked,
} from './queries.ts'

/** What a key may be allowed to do. The last one is for web pages, and stands alone. */
export const API_KEY_SCOPES = ['events:write', 'spend:write', 'events:collect'] as const
export type ApiKeyScope = (typeof API_KEY_SCOPES)[number]
const PUBLISHABLE: ApiKeyScope = 'events:collect'

const HOUR_MS = 3_600_000
/** How long a replaced key goes on by default, at most, in hours. */
export const DEFAULT_OVERLAP_HOURS = 24

/** All keys, the newest first. Throws `validation_failed` for a cursor of another list. */
export function listApiKeys(
  ctx: TenantContext,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<ApiKeyRow>> {
  const scope = { operationId: 'listApiKeys', tenantId: ctx.tenantId }
  const after = decodeCursor<ApiKeyPosition>(ctx.keys, scope, cursor)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const rows = await listRows(tx, ctx.tenantId, { after, limit: limit + 1 })
    const items = rows.slice(0, limit)
    const last = items.at(-1)
    const isMore = rows.length > limit && last !== undefined
    return { items, nextCursor: isMore ? encodeCursor(ctx.keys, scope, [last.createdMicros, last.keyId]) : null }
  })
}

export interface ApiKeyRequest {
  name: string
  scopes: ApiKeyScope[]
  expiresAt: Date | null
  /** The key that the new one takes over from; it goes on for `overlapHours` at most. */
  replaces?: { keyId: string; overlapHours: number } | undefined
}

export interface CreatedApiKey extends ApiKeyRow {
  /** The key itself, kept as a hash only. */
  apiKey: string
}

/** Makes a key that works at once. Throws `validation_failed`. */
export async function createApiKey(ctx: TenantContext, request: ApiKeyRequest): Promise<CreatedApiKey> {
  const now = ctx.clock()
  const { name, scopes, expiresAt, replaces } = request
  const faults = findFaults(request, now)
  if (faults.length > 0) throw invalid(faults)
  const apiKey = `${isPublishable(scopes) ? 'skp' : 'skd'}_${randomBytes(32).toString('base64url')}`
  const prefix = apiKey.slice(0, 12)
  const { tenantId } = ctx
  return inTenant(ctx.db.main, ctx, async (tx) => {
    if (replaces !== undefined) await endAfterOverlap(ctx, tx, replaces, now)
    const { keyId, createdAt } = await insertApiKey(tx, {
      tenantId,
      name,
      prefix,
      secretHash: hashApiKey(apiKey),
      scopes,
      expiresAt,
    })
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'api_key.created',
      subject: `api_key:${keyId}`,
      details: {
        prefix,
        scopes: scopes.join(' '),
        expires_at: expiresAt?.toISOString() ?? null,
        replaces: replaces?.keyId ?? null,
      },
    })
    return { keyId, name, prefix, scopes, createdAt, expiresAt, lastUsedAt: null, revokedAt: null, apiKey }
  })
}

/** Never later than it would have ended anyway. Throws `validation_failed` when there is no such key that works. */
async function endAfterOverlap(
  ctx: TenantContext,
  tx: Tx,
  { keyId, overlapHours }: { keyId: string; overlapHours: number },
  now: Date,
): Promise<void> {
  const { tenantId } = ctx
  const old = await lockLiveKey(tx, tenantId, keyId, now)
  if (old === undefined) {
    const detail = 'The tenant has no key with this id that works.'
    throw invalid([{ pointer: '/body/replaces/key_id', code: 'unknown', detail }])
  }
  const end = new Date(now.getTime() + overlapHours * HOUR_MS)
  if (old.expiresAt !== null && old.expiresAt <= end) return
  await setExpiry(tx, tenantId, keyId, end)
  await publishRevocation(tx, { tenantId, kind: 'key', id: keyId, standing: standingOf(end), notBefore: null })
  await recordAudit(tx, {
    actor: ctx.principal,
    action: 'api_key.expiry_changed',
    subject: `api_key:${keyId}`,
    changes: { '/expires_at': { before: old.expiresAt?.toISOString(), after: end.toISOString() } },
  })
}

/**
 * The key stops working: here when this resolves, on the other processes within a second. Throws `not_found`, for one
 * that was revoked before too.
 */
export async function revokeApiKey(ctx: TenantContext, keyId: string): Promise<void> {
  const { tenantId } = ctx
  await inTenant(ctx.db.main, ctx, async (tx) => {
    if (!(await setRevoked(tx, tenantId, keyId, ctx.clock()))) {
      throw new ProblemError('not_found', 'The tenant has no key with this id that could be revoked.')
    }
    await publishRevocation(tx, { tenantId, kind: 'key', id: keyId, standing: 'none', notBefore: null })
    await recordAudit(tx, { actor: ctx.principal, action: 'api_key.revoked', subject: `api_key:${keyId}` })
  })
  await ctx.revocations.catchUp()
}

export function isPublishable(scopes: readonly string[]): boolean {
  return scopes.includes(PUBLISHABLE)
}

function findFaults({ name, scopes, expiresAt }: ApiKeyRequest, now: Date): ProblemItem[] {
  const faults: ProblemItem[] = []
  if (looksLikeEmail(name))
    faults.push({ pointer: '/body/name', code: 'personal_data', detail: 'This looks like an e-mail address.' })
  if (isPublishable(scopes) && scopes.length > 1)
    faults.push({
      pointer: '/body/scopes',
      code: 'publishable',
      detail: 'A key with events:collect has no other scope.',
    })
  if (expiresAt !== null && expiresAt <= now)
    faults.push({ pointer: '/body/expires_at', code: 'past', detail: 'The key would have expired already.' })
  return faults
}

function invalid(errors: ProblemItem[]): ProblemError {
  return new ProblemError('validation_failed', 'The request does not match the contract.', { errors })
}
