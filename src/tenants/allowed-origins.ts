import { setTimeout as sleep } from 'node:timers/promises'
import type { RequestContext } from '../context.ts'
import { inTenant, type Tx } from '../db/tenant.ts'
import { toOrigin } from '../origin.ts'
import { hasAllowedOrigin, isAllowedOrigin, replaceAllowedOrigins } from './queries.ts'

/** The bound and the form that the contract gives `AllowedOrigins`; migration 0006 has them too. */
export const MAX_ALLOWED_ORIGINS = 50
const FORM = /^(?:https:\/\/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|http:\/\/localhost)(?::[0-9]{1,5})?$/

/** The canonical form of an origin that a tenant may allow (https, or localhost for development); null for any other text. */
export function toAllowedOrigin(text: string): string | null {
  const origin = toOrigin(text)
  return origin !== null && FORM.test(origin) ? origin : null
}

/** Replaces the tenant's list. `origins` come from `toAllowedOrigin`; at most MAX_ALLOWED_ORIGINS. */
export async function setAllowedOrigins(tx: Tx, tenantId: string, origins: readonly string[]): Promise<void> {
  await replaceAllowedOrigins(tx, tenantId, [...new Set(origins)])
}

export interface OriginLookup {
  /** Whether at least one tenant allows it. False where that cannot be found out. */
  isAllowed(ctx: RequestContext, origin: string): Promise<boolean>
  isAllowedFor(ctx: RequestContext, tenantId: string, origin: string): Promise<boolean>
}

/** Milliseconds for which an answer is used again: so late does a change reach every process. */
const LIFETIME_MS = 5_000
/** The same after a failure, so that an outage costs each origin one attempt a second and not one a request. */
const FAILURE_LIFETIME_MS = 1_000
/** A request waits no longer for this; liveness must answer while the database hangs. */
const TIMEOUT_MS = 1_000
/** Some 2 MB. Whoever invents origins pushes out the others, which are then asked for again. */
const MAX_ENTRIES = 10_000

interface Entry {
  askedAt: number
  lifetimeMs: number
  answer: Promise<boolean>
}

/** For one process. Of requests that come together only the first asks the database. */
export function createOriginLookup(): OriginLookup {
  const entries = new Map<string, Entry>()

  function remember(ctx: RequestContext, key: string, ask: () => Promise<boolean>): Promise<boolean> {
    const now = ctx.clock().getTime()
    const known = entries.get(key)
    if (known !== undefined && now >= known.askedAt && now < known.askedAt + known.lifetimeMs) return known.answer
    const entry: Entry = { askedAt: now, lifetimeMs: LIFETIME_MS, answer: Promise.resolve(false) }
    entry.answer = withinTime(ask()).catch((error: unknown) => {
      ctx.log.warn({ err: error }, 'whether an origin is allowed could not be looked up; it is treated as not allowed')
      entry.lifetimeMs = FAILURE_LIFETIME_MS
      return false
    })
    // A map keeps the order of insertion: the first is the oldest.
    entries.delete(key)
    if (entries.size >= MAX_ENTRIES) entries.delete(entries.keys().next().value as string)
    entries.set(key, entry)
    return entry.answer
  }

  return {
    isAllowed: async (ctx, text) => {
      const origin = toAllowedOrigin(text)
      return origin !== null && remember(ctx, origin, () => isAllowedOrigin(ctx.db.main.lookup, origin))
    },
    isAllowedFor: async (ctx, tenantId, text) => {
      const origin = toAllowedOrigin(text)
      if (origin === null) return false
      const { correlationId, db } = ctx
      return remember(ctx, `${tenantId} ${origin}`, () =>
        inTenant(db.main, { tenantId, correlationId }, (tx) => hasAllowedOrigin(tx, tenantId, origin)),
      )
    },
  }
}

async function withinTime(answer: Promise<boolean>): Promise<boolean> {
  const timer = new AbortController()
  const late = sleep(TIMEOUT_MS, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new Error(`no answer within ${TIMEOUT_MS} ms`)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    timer.abort()
  }
}
