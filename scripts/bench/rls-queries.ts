import { createHash, randomUUID } from 'node:crypto'
import { readOrders } from '../../src/attribution/engine/orders/queries.ts'
import { sumCredits } from '../../src/attribution/reports/channels/queries.ts'
import { findOrder, listOrderCredits } from '../../src/attribution/reports/orders/queries.ts'
import { listRunsBehind } from '../../src/attribution/reports/runs/queries.ts'
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
const LAST_WEEK = { startsAt: `${toDay(7)} 00:00+00`, endsAt: `${toDay(0)} 00:00+00` }
const sha256 = (text: string) => createHash('sha256').update(text).digest()

/** What is sent most: the two ways in, the read of each screen, and what an order costs the worker. */
export function hotQueries(size = SIZE): HotQuery[] {
  const orderOf = (turn: number) => 1 + ((turn * 37) % size.orders)
  return [
    { name: 'tenants.getTenant', role: 'app_user', run: (tx, tenantId) => tenants.getTenant(tx, tenantId) },
    {
      name: 'revenue.getWatermark',
      role: 'app_user',
      run: (tx, tenantId) =>
        revenue.getWatermark(tx, tenantId, { since: new Date(NOW.getTime() - DAY_MS), now: NOW, seal: undefined }),
    },
    {
      name: 'revenue.sumRevenue',
      role: 'app_user',
      run: (tx, tenantId) => revenue.sumRevenue(tx, tenantId, new Date(NOW.getTime() - DAY_MS)),
    },
    {
      name: 'attribution.listRunsBehind',
      role: 'app_user',
      run: (tx, tenantId) =>
        listRunsBehind(tx, tenantId, { ...LAST_WEEK, editionId: tenantId, models: ['linear'], isByRefund: false }),
    },
    {
      name: 'attribution.sumCredits',
      role: 'app_user',
      run: (tx, tenantId) => {
        const span = { ...LAST_WEEK, editionId: tenantId, timeZone: 'UTC', basis: 'order_date' } as const
        return sumCredits(tx, tenantId, span, { places: [2], dimension: 'channel', convertsTo: null })
      },
    },
    {
      name: 'attribution.findOrder',
      role: 'app_user',
      run: (tx, tenantId, turn) =>
        findOrder(tx, tenantId, { editionId: tenantId, orderKey: `shopify:${orderOf(turn)}` }),
    },
    {
      name: 'attribution.listOrderCredits',
      role: 'app_user',
      run: (tx, tenantId, turn) => {
        const order = { editionId: tenantId, orderKey: `shopify:${orderOf(turn)}`, revision: 1 }
        return listOrderCredits(tx, tenantId, order, { currency: 'USD', models: 3 })
      },
    },
    {
      name: 'attribution.readOrders',
      role: 'app_worker',
      run: (tx, tenantId, turn) => {
        const orderKeys = Array.from({ length: 200 }, (_, index) => `shopify:${orderOf(turn + index)}`)
        return readOrders(tx, tenantId, orderKeys, 30)
      },
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
