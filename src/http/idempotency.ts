import { createHmac } from 'node:crypto'
import type { TenantContext } from '../context.ts'
import type { Tx } from '../db/tenant.ts'
import { type ProblemCode, ProblemError, type ProblemItem } from '../problem/problem.ts'
import { type KeyRing, keysFor } from '../secrets/keyring.ts'
import type { AnyReply, AnyRequest, BoundOperation } from './operations.ts'
import { toProblemError } from './problem.ts'

/*
 * The same Idempotency-Key with the same request gets the stored answer; with another request, 422; while the first is at
 * work, 409. Keys belong to their caller and operation, for 24 hours.
 * Source: draft-ietf-httpapi-idempotency-key-header.
 */

const REPLAYED = 'Idempotent-Replayed'

/** JSON values only. A problem is kept as what was thrown, since each answer carries a correlation id of its own. */
export type StoredAnswer =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  | { code: ProblemCode; detail: string; errors?: ProblemItem[]; headers: Record<string, string> }

/** The right to carry out a request, for a minute; others with the same key are told to wait. */
export interface Claim {
  /** Enters that the request has had an effect, in the transaction that it wrote in. Throws when the claim is lost. */
  beforeCommit(tx: Tx): Promise<void>
  /** Ends the claim with the answer to store; null stores nothing, so that the request may be sent again. */
  settle(answer: StoredAnswer | null): Promise<void>
}

export interface AnswerStore {
  /**
   * The claim, or the stored answer. Throws `idempotency_key_reused`, `idempotency_in_flight`, and `conflict` for a request
   * whose answer was lost after its effect.
   */
  claim(ctx: TenantContext, request: KeyedRequest): Promise<{ claim: Claim } | { answer: StoredAnswer }>
}

export interface KeyedRequest {
  operationId: string
  key: string
  /** Of all that the caller asks for, by each key that it may have been stored under: the first is the one to store. */
  requestHashes: readonly [Buffer, ...Buffer[]]
}

/** Answers that say something of the moment and not of the request: the same request may fare better later. */
const NOT_STORED = new Set([401, 403, 429])

/** Runs `handle` unless the key has an answer already. After validation: a request that breaks the contract claims no key. */
export async function answerOnce(
  store: AnswerStore,
  operation: BoundOperation,
  ctx: TenantContext,
  request: AnyRequest,
  asked: { key: string; mediaType: string | null },
  handle: (ctx: TenantContext) => Promise<AnyReply>,
): Promise<AnyReply> {
  const requestHashes = hashRequest(ctx, operation, request, asked.mediaType)
  const found = await store.claim(ctx, { operationId: operation.id, key: asked.key, requestHashes })
  if ('answer' in found) return replay(operation, found.answer)
  const { claim } = found
  let reply: AnyReply
  try {
    reply = await handle({ ...ctx, beforeCommit: claim.beforeCommit })
  } catch (error) {
    await settle(ctx, claim, toStoredProblem(toProblemError(error)))
    throw error
  }
  await settle(ctx, claim, reply)
  return reply
}

/** What is done is done: the answer is true whether or not it can be stored. */
async function settle(ctx: TenantContext, claim: Claim, answer: StoredAnswer | null): Promise<void> {
  try {
    await claim.settle(answer)
  } catch (error) {
    ctx.log.error({ err: error }, 'an answer could not be stored for its Idempotency-Key')
  }
}

function toStoredProblem({ code, detail, errors, headers, status }: ProblemError): StoredAnswer | null {
  if (status >= 500 || NOT_STORED.has(status)) return null
  return { code, detail, headers, ...(errors !== undefined && { errors }) }
}

function replay({ row }: BoundOperation, answer: StoredAnswer): AnyReply {
  if ('code' in answer) {
    const { code, detail, errors, headers } = answer
    throw new ProblemError(code, detail, { headers, ...(errors !== undefined && { errors }) })
  }
  if (row.replies[answer.status]?.headers.includes(REPLAYED) !== true) return answer
  return { ...answer, headers: { ...answer.headers, [REPLAYED]: 'true' } }
}

/**
 * Tenant, method, path, query, media type and bytes. The order of query parameters says nothing, and is left out. Keyed,
 * since a body may hold what can be guessed, such as an address.
 */
function hashRequest(
  { tenantId, keys }: { tenantId: string; keys: KeyRing },
  { row }: BoundOperation,
  { params, query, rawBody }: AnyRequest,
  mediaType: string | null,
): [Buffer, ...Buffer[]] {
  const sorted = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1))
  const head = JSON.stringify([tenantId, row.method, row.path, Object.entries(params), sorted, mediaType])
  const hash = (key: Buffer) => createHmac('sha256', key).update(head).update(rawBody).digest()
  const [newest, ...older] = keysFor(keys, 'idempotency-request/v1')
  return [hash(newest), ...older.map(hash)]
}
