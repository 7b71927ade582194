import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import type { RevocableKind, Revocation, Revocations } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import type { Listener } from '../db/listen.ts'
import { ProblemError } from '../problem/problem.ts'
import { type RevocationRow, readRevocations } from './queries.ts'

/** Milliseconds between reads, besides those that a notification brings: also the proof that the connection lives. */
const POLL_MS = 400
/** Knowledge older than this is not relied on. It bounds how long a revoked token works, in every state of the network. */
const MAX_AGE_MS = 1_000
/** A request waits no longer for a read. */
const READ_TIMEOUT_MS = 1_500
/** Access tokens live 15 minutes at most, so an older revocation has nothing left to refuse. As in migration 0008. */
const RETENTION_MS = 20 * 60_000

export interface RevocationsOptions {
  /** Opens the connection that listens; called by `start`. */
  listen: (onSignal: () => void) => Listener
  /** For reads while that connection is away. */
  lookup: Lookup
  log: Logger
}

export interface RunningRevocations extends Revocations {
  /** Without it everything works, at the cost of a read for the first request of each second. */
  start(): void
  stop(): Promise<void>
}

/** The name of a thing in the feed: what migration 0008 computes. A tenant is part of it but for `account`. */
export function revocationSubject(kind: RevocableKind, tenantId: string | null, id: string): string {
  const path = tenantId === null ? `${kind}/${id}` : `${kind}/${tenantId}/${id}`
  return createHash('sha256').update(path).digest('base64')
}

/** Whether the feed speaks against a credential of the subject. */
export function isRevoked(
  revocation: Revocation | undefined,
  credential: { standing: string; openedAt?: Date; session?: string },
): boolean {
  if (revocation === undefined) return false
  const { standing, notBefore, kept } = revocation
  if (standing !== null && standing !== credential.standing) return true
  if (notBefore === null || (credential.openedAt !== undefined && credential.openedAt > notBefore)) return false
  return kept === null || kept !== credential.session
}

/**
 * Follows the feed of revocations. One connection listens and reads, at each notification and every 0.4 s; while it is
 * away, requests read through the pool, one read a second for all of them. What was read is complete up to the start of
 * the read, however transactions overlap, so `freshAt` is that start. Time is that of a clock which nobody sets.
 */
export function createRevocations({ listen, lookup, log }: RevocationsOptions): RunningRevocations {
  const known = new Map<string, Revocation & { recordedAt: number; seenAt: number }>()
  let horizon = '0'
  let freshAt = Number.NEGATIVE_INFINITY
  let listener: Listener | null = null
  let timer: NodeJS.Timeout | undefined
  let current: Promise<void> | null = null
  let next: Promise<void> | null = null

  async function read(): Promise<void> {
    const own = listener?.connected() ?? null
    if (own !== null) {
      try {
        return await readOn(own)
      } catch (error) {
        listener?.drop((error as Error).message)
      }
    }
    await readOn(lookup)
  }

  async function readOn(connection: Lookup): Promise<void> {
    const startedAt = performance.now()
    apply(await readRevocations(connection, horizon), startedAt)
  }

  function apply(rows: readonly RevocationRow[], startedAt: number): void {
    const reached = rows[0]?.horizon ?? '0'
    // The database is an older copy of itself: what it will commit may be below what was read before.
    if (BigInt(reached) < BigInt(horizon)) {
      horizon = '0'
      throw new Error('the database went back in time; its revocations are read anew')
    }
    for (const row of rows) if (row.subject !== null) note(row.subject, row)
    horizon = reached
    freshAt = startedAt
    for (const [subject, { seenAt }] of known) {
      if (seenAt > startedAt - RETENTION_MS) break
      known.delete(subject)
    }
  }

  function note(subject: string, row: RevocationRow): void {
    const before = known.get(subject)
    const { recordedAt } = row
    if (recordedAt === null || (before !== undefined && before.recordedAt > recordedAt)) return
    const cutoff = later(before?.notBefore ?? null, row.notBefore)
    known.delete(subject)
    known.set(subject, {
      standing: row.standing ?? before?.standing ?? null,
      notBefore: cutoff,
      // The newest word on who is kept holds, whichever clock the cutoffs came from.
      kept: row.notBefore !== null ? row.kept : (before?.kept ?? null),
      recordedAt,
      seenAt: performance.now(),
    })
  }

  /** A read that starts from now on. Those who ask while one runs share the one after it. */
  function readAnew(): Promise<void> {
    if (current === null) {
      current = read().finally(() => {
        current = null
      })
      return current
    }
    next ??= current.then(noop, noop).then(() => {
      next = null
      return readAnew()
    })
    return next
  }

  const isCurrent = () => performance.now() - freshAt <= MAX_AGE_MS

  function readInBackground(): void {
    // The pool serves requests only; and two reads under way are as good as three.
    if (next !== null || (listener?.connected() ?? null) === null) return
    readAnew().catch(({ message }: Error) => log.debug({ error: message }, 'the revocations could not be read'))
  }

  async function becomeCurrent(): Promise<void> {
    if (current !== null) await withinTime(current).catch(noop)
    if (isCurrent()) return
    try {
      await withinTime(readAnew())
    } catch (cause) {
      throw new ProblemError('service_unavailable', 'It cannot be known at the moment which tokens are revoked.', {
        cause,
      })
    }
  }

  return {
    find: (subject) => known.get(subject),
    ensureCurrent: () => (isCurrent() ? undefined : becomeCurrent()),
    async catchUp() {
      await withinTime(readAnew()).catch(({ message }: Error) => {
        // Nothing is lost: within a second it is either read after all, or nothing is accepted.
        log.warn({ error: message }, 'a revocation was committed and not read back')
      })
    },
    start() {
      listener ??= listen(readInBackground)
      timer ??= setInterval(readInBackground, POLL_MS).unref()
    },
    async stop() {
      clearInterval(timer)
      await listener?.close()
      await (next ?? current)?.catch(noop)
    },
  }
}

function later(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

function noop(): void {}

async function withinTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${READ_TIMEOUT_MS} ms`)), READ_TIMEOUT_MS)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
