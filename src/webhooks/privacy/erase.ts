import type { TenantContext, Vendor } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { comesFirst, type MaybeJob } from '../../queue/once.ts'
import { DecryptionError, openDeadBody, type TenantKey, unwrapTenantKey } from '../../secrets/keyring.ts'
import { listTenantKeys } from '../../tenants/queries.ts'
import { retentionPool } from '../../tenants/retention/service.ts'
import { unpackBody } from '../ingest/kept-body.ts'
import { isObject, JsonError, type JsonObject, parseJson } from '../lossless-json.ts'
import { ordersNamedIn, ordersOfPayload } from '../normalize/named-orders.ts'
import {
  type Act,
  actAsOperator,
  type DeadRemains,
  type ErasedCounts,
  eraseOrders,
  holdErasure,
  isErased,
  listRemains,
} from './queries.ts'

/** Of one statement; a body may have 1 MiB. */
const PAGE = 50

/**
 * Cuts the ties of these orders to whoever placed them; `named` are events that name one of them. A job that does it again is
 * written down only where it finds something.
 */
export async function erase(
  ctx: TenantContext & MaybeJob,
  { keys, named = [] }: { keys: readonly string[]; named?: readonly string[] },
  act: Act,
): Promise<ErasedCounts> {
  const { tenantId } = ctx
  const wrapped = await inTenant(ctx.db.ingest, ctx, (tx) => listTenantKeys(tx, tenantId))
  const tenantKeys = wrapped.map((key) => unwrapTenantKey(ctx.keys, key))
  return inTenant(retentionPool(ctx), ctx, async (tx) => {
    if (ctx.principal.kind === 'operator') await actAsOperator(tx)
    const all = await holdErasure(tx, tenantId, keys)
    const dead = await findDead(tx, ctx, new Set(all), tenantKeys)
    const isSilent = act.isSilent || !(await comesFirst(tx, ctx, 'erase'))
    return eraseOrders(tx, tenantId, { keys, named, dead }, { ...act, isSilent })
  })
}

/** What was entered may be about orders whose ties were cut before: late, sent again, or only now known to be of them. */
export async function forgetErased(
  ctx: TenantContext,
  events: readonly { eventId: string; vendor: Vendor; topic: string; payload: JsonObject }[],
): Promise<void> {
  const orders = new Map(
    events.map(({ eventId, vendor, topic, payload }) => [eventId, ordersOfPayload(vendor, topic, payload)]),
  )
  if (!(await isAnyErased(ctx, [...orders.values()].flat()))) return
  for (const [eventId, keys] of orders) {
    if (!(await isAnyErased(ctx, keys))) continue
    const act = { act: 'privacy.customer_erased', kind: 'webhook_event', thing: eventId, isSilent: true }
    await erase(ctx, { keys, named: [eventId] }, act)
  }
}

function isAnyErased(ctx: TenantContext, keys: readonly string[]): Promise<boolean> {
  return keys.length === 0
    ? Promise.resolve(false)
    : inTenant(ctx.db.ingest, ctx, (tx) => isErased(tx, ctx.tenantId, keys))
}

/** Dead events that name one of the orders, in what was kept of them. */
async function findDead(
  tx: Tx,
  ctx: TenantContext,
  orderKeys: ReadonlySet<string>,
  tenantKeys: readonly TenantKey[],
): Promise<string[]> {
  const vendors = [...new Set([...orderKeys].map((key) => key.slice(0, key.indexOf(':'))))]
  const found: string[] = []
  for (let after: string | null = null; ; ) {
    const page: DeadRemains[] = await listRemains(tx, ctx.tenantId, { vendors, after, limit: PAGE })
    for (const remains of page) {
      if (ordersOfRemains(ctx, remains, tenantKeys).some((key) => orderKeys.has(key))) found.push(remains.deadEventId)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return found
    after = last.deadEventId
  }
}

function ordersOfRemains(ctx: TenantContext, remains: DeadRemains, tenantKeys: readonly TenantKey[]): string[] {
  const { vendor, topic, payload, sealed, keyVersion, bodySha256, shopDomain } = remains
  const kept = payload === null || topic === null ? [] : ordersOfPayload(vendor, topic, payload)
  const key = tenantKeys.find(({ version }) => version === keyVersion)
  if (sealed === null || key === undefined) return kept
  try {
    const { rawBody } = unpackBody(openDeadBody(key, bodySha256, sealed))
    const shop = vendor === 'woocommerce' ? (shopDomain?.replaceAll('.', '_') ?? null) : null
    return [...kept, ...ordersOfBody({ vendor, topic, rawBody, shop })]
  } catch (error) {
    if (!(error instanceof DecryptionError || error instanceof TypeError)) throw error
    ctx.log.error({ err: error, deadEventId: remains.deadEventId }, 'a kept body does not open')
    return kept
  }
}

/** Members that hold ids of orders and payments, in the bodies of all vendors. */
const ID_MEMBER =
  /"(?:id|order_id|parent_id|payment_intent|custom_id|invoice_id)"\s{0,100}:\s{0,100}"?([A-Za-z0-9_-]{1,128})/g

/** Of a body that is no JSON, or of an unknown kind, every id that may be one of an order: better one too many. */
function ordersOfBody({
  vendor,
  topic,
  rawBody,
  shop,
}: {
  vendor: Vendor
  topic: string | null
  rawBody: Buffer
  shop: string | null
}): string[] {
  try {
    const body = parseJson(rawBody)
    if (isObject(body) && topic !== null) return ordersNamedIn({ vendor, topic, body, shop })
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
  }
  const ids = [...rawBody.toString('utf8').matchAll(ID_MEMBER)].map(([, id]) => id as string)
  return ids.map((id) => `${vendor}:${shop === null ? '' : `${shop}-`}${id}`)
}
