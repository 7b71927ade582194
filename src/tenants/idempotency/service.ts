import { createHash, randomUUID } from 'node:crypto'
import type { Principal, TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { ProblemError } from '../../problem/problem.ts'
import { openStoredAnswer, sealStoredAnswer, unwrapTenantKey } from '../../secrets/keyring.ts'
import { getTenantKey } from '../queries.ts'
import {
  type ClaimRow,
  claimKey,
  enterEffect,
  findKey,
  type KnownKey,
  pruneKeys,
  releaseKey,
  removeExpired,
  storeAnswer,
} from './queries.ts'

/** `Answer` is JSON: it is stored as its text, sealed under the tenant's key, since it may hold a secret that is shown once. */
export interface IdempotencyStore<Answer> {
  claim(ctx: TenantContext, request: KeyedRequest): Promise<{ claim: KeyClaim<Answer> } | { answer: Answer }>
}

export interface KeyedRequest {
  operationId: string
  /** The caller's, as it came. */
  key: string
  /** Of all that the caller asks for, by each key that it may have been stored under: the first is the one to store. */
  requestHashes: readonly [Buffer, ...Buffer[]]
}

export interface KeyClaim<Answer> {
  /** Throws `idempotency_in_flight` when the claim ran out and another process has it now. */
  beforeCommit(tx: Tx): Promise<void>
  settle(answer: Answer | null): Promise<void>
}

/** Seconds; most requests are done by then. */
const RETRY_AFTER_S = 1
/** A key may be released between the attempt to claim it and the look at who has it. */
const MAX_ATTEMPTS = 3

/**
 * Answers for 24 hours, by tenant, caller, operation and key. A request that is at work is told by its claim; one whose
 * process died is carried out again after a minute, but never when it had an effect: the effect is entered in the
 * transaction that made it, and a process that was too slow cannot commit any more.
 */
export function createIdempotencyStore<Answer>(): IdempotencyStore<Answer> {
  return {
    async claim(ctx, { operationId, key, requestHashes }) {
      const { tenantId } = ctx
      const keyHash = hashKey(ctx, operationId, key)
      const row: ClaimRow = { tenantId, keyHash, operationId, requestHashes, claimId: randomUUID() }
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        const known = await inTenant(ctx.db.main, ctx, async (tx) => {
          if (!(await claimKey(tx, row))) return findKey(tx, tenantId, keyHash)
          await removeExpired(tx, tenantId)
          return 'ours'
        })
        if (known === 'ours') return { claim: makeClaim<Answer>(ctx, row) }
        if (known !== undefined) return { answer: readAnswer<Answer>(ctx, row, known) }
      }
      throw inFlight()
    },
  }
}

function makeClaim<Answer>(ctx: TenantContext, row: ClaimRow): KeyClaim<Answer> {
  return {
    async beforeCommit(tx) {
      if (!(await enterEffect(tx, row))) throw inFlight()
    },
    async settle(answer) {
      await inTenant(ctx.db.main, ctx, async (tx) => {
        if (answer === null) {
          await releaseKey(tx, row)
          return
        }
        const tenantKey = unwrapTenantKey(ctx.keys, await getTenantKey(tx, row.tenantId))
        const sealed = sealStoredAnswer(tenantKey, row.keyHash.toString('hex'), JSON.stringify(answer))
        await storeAnswer(tx, row, { keyVersion: tenantKey.version, sealed })
      })
    },
  }
}

function readAnswer<Answer>(ctx: TenantContext, { keyHash, requestHashes }: ClaimRow, known: KnownKey): Answer {
  if (!requestHashes.some((hash) => known.requestHash.equals(hash))) {
    throw new ProblemError(
      'idempotency_key_reused',
      'This Idempotency-Key came with another request before. Make a new key for each new request.',
    )
  }
  if (known.answer !== null) {
    const tenantKey = unwrapTenantKey(ctx.keys, known.answer.key)
    return JSON.parse(openStoredAnswer(tenantKey, keyHash.toString('hex'), known.answer.sealed)) as Answer
  }
  if (!known.isOver || !known.hasEffect) throw inFlight()
  throw new ProblemError(
    'conflict',
    'The request with this Idempotency-Key was carried out, but its answer was lost. Look for what it made before you send it with another key.',
  )
}

function inFlight(): ProblemError {
  return new ProblemError(
    'idempotency_in_flight',
    'A request with this Idempotency-Key is still at work. Try again later.',
    { headers: { 'Retry-After': String(RETRY_AFTER_S) } },
  )
}

/** The key is the caller's own text, so only a hash of it is kept. */
function hashKey({ tenantId, principal }: TenantContext, operationId: string, key: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([tenantId, ...callerOf(principal), operationId, key]))
    .digest()
}

function callerOf(principal: Principal): [kind: string, id: string] {
  if (principal.kind === 'user') return ['user', principal.userId]
  if (principal.kind === 'key') return ['key', principal.keyId]
  return [principal.kind, principal.kind === 'webhook' ? principal.endpointId : '']
}

/**
 * Removes the tenant's expired answers, and returns how many. Each claim removes some already; this is for a tenant that
 * makes no more of them, by a worker.
 */
export function pruneExpiredAnswers(ctx: TenantContext): Promise<number> {
  return inTenant(ctx.db.main, ctx, (tx) => pruneKeys(tx, ctx.tenantId))
}
