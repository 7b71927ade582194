import { createHash } from 'node:crypto'
import type pg from 'pg'
import { newIds, rowsOf, toInsert } from './rows.ts'

export interface OrderInput {
  key: string
  at: Date
  /** Minor units. */
  amount: number
  /** Default USD. */
  currency?: string
  /** Null: nobody knows whose order it is. */
  visitor: string | null
}

export interface TouchInput {
  id: string
  at: Date
  visitor: string
  channel?: string
}

/** Books of a tenant that are written to directly, as ingestion leaves them: with the notes of what changed. */
export interface Books {
  addOrders(orders: readonly OrderInput[]): Promise<void>
  addTouches(touches: readonly TouchInput[]): Promise<void>
  addRefund(refund: { order: string; at: Date; amount: number }): Promise<void>
}

export async function givenBooks(admin: pg.Client, tenantId: string): Promise<Books> {
  const ids = { ...newIds(), tenantId }
  for (const [table, row] of rowsOf(ids)) {
    if (table === 'webhook_endpoints' || table === 'webhook_events') await admin.query(...toInsert(table, row))
  }
  const identity = (visitor: string) => createHash('sha256').update(visitor).digest()
  return {
    async addOrders(orders) {
      for (const { key, at, amount, visitor, currency = 'USD' } of orders) {
        await admin.query(
          `insert into order_facts (tenant_id, order_key, event_id, currency, ordered_at, identity)
           values ($1, 'stripe:' || $2::text, $3, $4, $5, $6)`,
          [tenantId, key, ids.eventId, currency, at, visitor === null ? null : identity(visitor)],
        )
        await admin.query(
          `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
           values ($1, 'stripe:' || $2::text || ':capture', 'stripe:' || $2::text, 'capture', $3, $4, 'stripe', $5, $6)`,
          [tenantId, key, amount, currency, ids.eventId, at],
        )
      }
    },
    async addTouches(touches) {
      for (const { id, at, visitor, channel = 'email' } of touches) {
        await admin.query(
          `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
           values ($1, 'server', $2, $3, $4, $5, sha256('x'))`,
          [tenantId, id, identity(visitor), at, channel],
        )
      }
    },
    async addRefund({ order, at, amount }) {
      await admin.query(
        `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
         values ($1, $2, 'stripe:' || $3::text, 'refund', $4, 'USD', 'stripe', $5, $6)`,
        [tenantId, `stripe:${order}:refund:${at.getTime()}:${amount}`, order, -amount, ids.eventId, at],
      )
    },
  }
}

/** Revisions of the orders that answer, by their keys. */
export async function readRevisions(admin: pg.Client, tenantId: string): Promise<Record<string, number>> {
  const { rows } = await admin.query(
    `select o.order_key as key, o.revision
     from attribution_editions as e join attribution_orders as o using (tenant_id, edition_id)
     where tenant_id = $1 and e.status = 'published'`,
    [tenantId],
  )
  return Object.fromEntries(rows.map(({ key, revision }) => [key.replace('stripe:', ''), revision]))
}

/** `order channel touch revenue` of what one model gives, of captures and refunds together, in order. */
export async function readShares(admin: pg.Client, tenantId: string, model = 'linear'): Promise<string[]> {
  const { rows } = await admin.query(
    `select concat_ws(' ', replace(order_key, 'stripe:', ''), c.channel, coalesce(c.touch_external_id, '-'),
                      sum(c.revenue_minor[array_position(e.models, $2)])) as line
     from attribution_editions as e
     join attribution_orders as o using (tenant_id, edition_id)
     join attribution_order_credits as c using (tenant_id, edition_id, order_key, revision)
     where tenant_id = $1 and e.status = 'published'
     group by order_key, c.channel, c.touch_external_id
     order by 1`,
    [tenantId, model],
  )
  return rows.map(({ line }) => line)
}
