import { randomUUID } from 'node:crypto'
import type { AppContext, TenantContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { comesFirst, type MaybeJob } from '../../queue/once.ts'
import { openDataReport, sealDataReport, unwrapTenantKey } from '../../secrets/keyring.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { asOperator, ProvisioningError } from '../../tenants/operator.ts'
import { getTenantKey, listTenantKeys } from '../../tenants/queries.ts'
import { DATA_REQUEST_DAYS } from '../../tenants/retention/rules.ts'
import { retentionPool } from '../../tenants/retention/service.ts'
import type { JsonObject } from '../lossless-json.ts'
import { erase } from './erase.ts'
import {
  type ErasedCounts,
  endShop,
  eraseOrders,
  findRequestEvent,
  insertReport,
  listEndpointOrders,
  listReports,
  readOrder,
} from './queries.ts'
import { isPrivacyTopic, readPrivacyRequest } from './request.ts'

const DAY_MS = 86_400_000
/** Events of a shop whose orders are looked at in one transaction. */
const BATCH_EVENTS = 200
/** A report is cut off here: it is read by a person, and sealed as one text. */
const MAX_REPORT_BYTES = 2 * 1024 * 1024

/**
 * Does what Shopify asks for in one of its compliance topics. Doing it again changes nothing more. What is done stands in
 * the tenant's audit log, without anything about the person.
 */
export async function obeyRequest(ctx: TenantContext & MaybeJob, eventId: string, signal: AbortSignal): Promise<void> {
  const pool = retentionPool(ctx)
  const event = await inTenant(pool, ctx, (tx) => findRequestEvent(tx, ctx.tenantId, eventId))
  if (event === undefined || !isPrivacyTopic(event.vendor, event.topic)) return
  const { orderIds } = readPrivacyRequest(event.payload)
  const keys = orderIds.map((id) => `${event.vendor}:${id}`)
  if (event.topic === 'customers/data_request') return answerDataRequest(ctx, { eventId, keys })
  if (event.topic === 'shop/redact') return endShopOf(ctx, event.endpointId, signal)
  const act = { act: 'privacy.customer_erased', kind: 'webhook_event', thing: eventId, isSilent: false }
  await erase(ctx, { keys }, act)
}

/** The ties of all orders of the endpoint are cut in batches, and then the endpoint itself ends. */
async function endShopOf(ctx: TenantContext & MaybeJob, endpointId: string, signal: AbortSignal): Promise<void> {
  const { tenantId } = ctx
  // Batches that find nothing would only fill the log. What was kept of dead deliveries goes with the endpoint.
  const act = { act: 'privacy.shop_erased', kind: 'webhook_endpoint', thing: endpointId, isSilent: true }
  for (let after: string | null = null; ; ) {
    signal.throwIfAborted()
    const lastEvent: string | null = await inTenant(retentionPool(ctx), ctx, async (tx) => {
      const page = await listEndpointOrders(tx, tenantId, { endpointId, after, limit: BATCH_EVENTS })
      if (page.keys.length > 0) await eraseOrders(tx, tenantId, { keys: page.keys, named: [], dead: [] }, act)
      return page.lastEvent
    })
    if (lastEvent === null) break
    after = lastEvent
  }
  await inTenant(retentionPool(ctx), ctx, async (tx) => {
    if (await comesFirst(tx, ctx, 'end-shop')) await endShop(tx, tenantId, endpointId)
  })
}

async function answerDataRequest(
  ctx: TenantContext,
  { eventId, keys }: { eventId: string; keys: readonly string[] },
): Promise<void> {
  const { tenantId } = ctx
  const key = unwrapTenantKey(ctx.keys, await inTenant(ctx.db.ingest, ctx, (tx) => getTenantKey(tx, tenantId)))
  const requestId = randomUUID()
  const createdAt = ctx.clock()
  await inTenant(retentionPool(ctx), ctx, async (tx) => {
    const orders: JsonObject[] = []
    let bytes = 0
    for (const orderKey of keys) {
      const order = await readOrder(tx, tenantId, orderKey)
      bytes += JSON.stringify(order).length
      if (bytes > MAX_REPORT_BYTES) break
      orders.push(order)
    }
    const report = { requested_orders: keys.length, is_complete: orders.length === keys.length, orders }
    const isNew = await insertReport(tx, {
      tenantId,
      requestId,
      eventId,
      orderKeys: keys,
      keyVersion: key.version,
      sealed: sealDataReport(key, requestId, JSON.stringify(report)),
      createdAt,
      expiresAt: new Date(createdAt.getTime() + DATA_REQUEST_DAYS * DAY_MS),
    })
    if (!isNew) return
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'privacy.data_requested',
      subject: `data_request:${requestId}`,
      details: { orders: keys.length, is_complete: report.is_complete, event_id: eventId },
    })
  })
}

export interface DataReport {
  requestId: string
  createdAt: Date
  expiresAt: Date
  report: JsonObject
}

/** What was put together for a vendor's request about this order; reading it is written down. Throws ProvisioningError. */
export async function readReports(
  ctx: AppContext,
  { tenantSlug, orderKey }: { tenantSlug: string; orderKey: string },
): Promise<DataReport[]> {
  const work = await asOperator(ctx, tenantSlug)
  const { tenantId } = work
  return inTenant(ctx.db.main, work, async (tx) => {
    const stored = await listReports(tx, tenantId, orderKey, ctx.clock())
    if (stored.length === 0)
      throw new ProvisioningError(`no report about ${orderKey} is stored: none was asked for, or it has expired`)
    const keys = (await listTenantKeys(tx, tenantId)).map((wrapped) => unwrapTenantKey(ctx.keys, wrapped))
    const reports: DataReport[] = []
    for (const { requestId, keyVersion, sealed, createdAt, expiresAt } of stored) {
      const key = keys.find(({ version }) => version === keyVersion)
      if (key === undefined) throw new ProvisioningError('the key of the report is destroyed')
      reports.push({ requestId, createdAt, expiresAt, report: JSON.parse(openDataReport(key, requestId, sealed)) })
      await recordAudit(tx, {
        actor: work.principal,
        action: 'privacy.report_read',
        subject: `data_request:${requestId}`,
      })
    }
    return reports
  })
}

const ORDER_KEY = /^(shopify|stripe|paypal|woocommerce|own):[A-Za-z0-9_-]{1,128}$/

/** The same erasure as a vendor can ask for, for whoever asks the tenant. Throws ProvisioningError. */
export async function eraseByHand(
  ctx: AppContext,
  { tenantSlug, orderKeys }: { tenantSlug: string; orderKeys: readonly string[] },
): Promise<ErasedCounts> {
  const wrong = orderKeys.find((key) => !ORDER_KEY.test(key))
  if (wrong !== undefined) throw new ProvisioningError(`"${wrong}" is not an order such as shopify:1001`)
  const work = await asOperator(ctx, tenantSlug)
  const act = { act: 'privacy.customer_erased', kind: 'tenant', thing: work.tenantId, isSilent: false }
  return erase(work, { keys: orderKeys }, act)
}
