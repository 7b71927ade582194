import type { TenantContext } from '../../../context.ts'
import { inTenant } from '../../../db/tenant.ts'
import { loadTouchHasher } from '../../../events/touchpoints.ts'
import { DecryptionError, openDeadBody, type TenantKey, unwrapTenantKey } from '../../../secrets/keyring.ts'
import { listTenantKeys } from '../../../tenants/queries.ts'
import { type KeptBody, unpackBody } from '../../ingest/kept-body.ts'
import { listKept, listSealedBodies } from './queries.ts'
import { type Hashes, type Judgement, type KeptEvent, readAgain } from './read-again.ts'
import { isOurFault, REPLAY_FAILED } from './take-again.ts'

/** How many dead events are held in memory at once; a body may have 1 MiB. */
export const READ_AT_ONCE = 50

export interface Judged {
  kept: KeptEvent
  judgement: Judgement
}

/** Reads dead events again, in the order of the ids. At most READ_AT_ONCE. */
export async function judge(ctx: TenantContext, deadEventIds: readonly string[]): Promise<Judged[]> {
  const events = await inTenant(ctx.db.main, ctx, (tx) => listKept(tx, ctx.tenantId, deadEventIds))
  const unread = events.filter(({ payload }) => payload === null)
  const bodies = unread.length === 0 ? null : await openBodies(ctx, unread)
  return events.map((kept) => {
    const body = bodies?.byId.get(kept.deadEventId)
    return { kept, judgement: readSafely(ctx, kept, body && bodies ? { kept: body, hashes: bodies.hashes } : null) }
  })
}

function readSafely(ctx: TenantContext, kept: KeptEvent, body: Parameters<typeof readAgain>[1]): Judgement {
  try {
    return readAgain(kept, body)
  } catch (error) {
    if (!isOurFault(error)) throw error
    ctx.log.error({ err: error, deadEventId: kept.deadEventId }, 'a dead event stops its reader')
    return { delivery: null, code: REPLAY_FAILED, recipes: [] }
  }
}

function openBodies(
  ctx: TenantContext,
  events: readonly KeptEvent[],
): Promise<{ byId: Map<string, KeptBody>; hashes: Hashes }> {
  const { tenantId } = ctx
  return inTenant(ctx.db.ingest, ctx, async (tx) => {
    const ids = events.map(({ deadEventId }) => deadEventId)
    const sealed = await listSealedBodies(tx, tenantId, ids)
    const keys = (await listTenantKeys(tx, tenantId)).map((wrapped) => unwrapTenantKey(ctx.keys, wrapped))
    const byId = new Map<string, KeptBody>()
    for (const one of sealed) {
      const event = events.find(({ deadEventId }) => deadEventId === one.deadEventId)
      const key = keys.find(({ version }) => version === one.keyVersion)
      const body = event && key ? openBody(ctx, key, event, one.sealed) : null
      if (body !== null) byId.set(one.deadEventId, body)
    }
    const hash = await loadTouchHasher(tx, ctx)
    const hashes: Hashes = { identityOf: (id) => hash.visitor(id).toString('hex'), hashClickId: hash.click }
    return { byId, hashes }
  })
}

/** Null for one that does not open: it is as good as gone, and the other dead events are not. */
function openBody(ctx: TenantContext, key: TenantKey, event: KeptEvent, sealed: Buffer): KeptBody | null {
  try {
    return unpackBody(openDeadBody(key, event.bodySha256, sealed))
  } catch (error) {
    if (!(error instanceof DecryptionError || isOurFault(error))) throw error
    ctx.log.error({ err: error, deadEventId: event.deadEventId }, 'a kept body does not open')
    return null
  }
}
