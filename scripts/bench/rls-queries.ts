import { createHash, randomUUID } from 'node:crypto'
import * as attribution from '../../src/attribution/queries.ts'
import type { NewDelivery } from '../../src/context.ts'
import type { RuntimeRole } from '../../src/db/bootstrap.ts'
import type { Tx } from '../../src/db/tenant.ts'
import * as events from '../../src/events/queries.ts'
import * as revenue from '../../src/revenue/queries.ts'
import * as tenants from '../../src/tenants/queries.ts'
import * as webhooks from '../../src/webhooks/ingest/queries.ts'
import { NOW, SIZE } from './rls-rows.ts'

const DAY_MS = 86_400_000
const TOUCHES_PER_CALL = 20

export interface HotQuery {
  name: string
  /** Who sends it. */
  role: RuntimeRole
  run: (tx: Tx, tenantId: string, turn: number) => Promise<unknown>
}

const toDay = (daysAgo: number) => new Date(NOW.getTime() - daysAgo * DAY_MS).toISOString().slice(0, 10)
const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** What is sent most: the two ways in, the read of each screen, and what an order costs the worker. */
export function hotQueries(size = SIZE): HotQuery[] {
  const orderOf = (turn: number) => 1 + ((turn * 37) % size.orders)
  const dayOf = (order: number) => toDay((order * size.days) / size.orders)
  return [
    { name: 'tenants.getTenant', role: 'app_user', run: (tx, tenantId) => tenants.getTenant(tx, tenantId) },
    {
      name: 'revenue.getWatermark',
      role: 'app_user',
      run: (tx, tenantId) => revenue.getWatermark(tx, tenantId, new Date(NOW.getTime() - DAY_MS)),
    },
    {
      name: 'revenue.sumRevenue',
      role: 'app_user',
      run: (tx, tenantId) => revenue.sumRevenue(tx, tenantId, new Date(NOW.getTime() - DAY_MS)),
    },
    {
      name: 'attribution.listPublishedRuns',
      role: 'app_user',
      run: (tx, tenantId) => attribution.listPublishedRuns(tx, tenantId, { from: toDay(7), to: toDay(1), model: null }),
    },
    {
      name: 'attribution.sumByChannel',
      role: 'app_user',
      run: (tx, tenantId) =>
        attribution.sumByChannel(tx, tenantId, { from: toDay(7), to: toDay(1), model: 'linear', currency: 'USD' }),
    },
    {
      name: 'attribution.findOrder',
      role: 'app_user',
      run: (tx, tenantId, turn) => attribution.findOrder(tx, tenantId, `shopify:${orderOf(turn)}`),
    },
    {
      name: 'attribution.listOrderCredits',
      role: 'app_user',
      run: (tx, tenantId, turn) => {
        const order = orderOf(turn)
        return attribution.listOrderCredits(tx, tenantId, `shopify:${order}`, dayOf(order), 'USD')
      },
    },
    {
      name: 'attribution.readInputs',
      role: 'app_worker',
      run: (tx, tenantId, turn) => attribution.readInputs(tx, tenantId, toDay(1 + (turn % 20))),
    },
    {
      name: 'webhooks.ingestEvent',
      role: 'app_ingest',
      run: (tx, tenantId) => webhooks.ingestEvent(tx, newEvent(tenantId)),
    },
    {
      name: 'events.insertTouchpoints',
      role: 'app_ingest',
      run: (tx, tenantId) => events.insertTouchpoints(tx, tenantId, 'server', newTouches()),
    },
  ]
}

function newEvent(tenantId: string): Omit<NewDelivery, 'size'> {
  const id = randomUUID()
  return {
    tenantId,
    vendor: 'shopify',
    externalId: id,
    endpointId: tenantId,
    topic: 'orders/paid',
    bodySha256: sha256(id),
    payload: { id: 1, currency: 'USD', total_price: '19.99' },
    isTest: false,
    isHandled: true,
    correlationId: id,
  }
}

function newTouches(): events.NewTouchpoint[] {
  return Array.from({ length: TOUCHES_PER_CALL }, () => {
    const id = randomUUID()
    return {
      eventId: id,
      identity: sha256(id),
      session: null,
      tier: 'visitor_id',
      orderKey: null,
      occurredAt: NOW,
      channel: 'email',
      channelRules: null,
      source: null,
      medium: null,
      campaign: null,
      click: null,
      landingPath: null,
      referrerHost: null,
      itemSha256: sha256(id),
    }
  })
}
