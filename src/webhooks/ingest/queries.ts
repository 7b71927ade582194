import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import type { NewDelivery, Vendor } from '../../context.ts'
import type { Database } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'
import type { JsonObject } from '../lossless-json.ts'
import { ordersOfPayload } from '../normalize/named-orders.ts'

export interface Receipt {
  result: 'accepted' | 'duplicate' | 'ignored' | 'dead'
  receiptId: string
}

/**
 * Stores deliveries of any tenants with their jobs, all or none, by one statement that is its own transaction (migration
 * 0018): the answer comes after the commit. Outside of a tenant on purpose: the function enters each one in turn.
 */
export async function insertDeliveries(database: Database, deliveries: readonly NewDelivery[]): Promise<Receipt[]> {
  const parts = new Map<string, { tenant_id: string; events: object[] }>()
  for (const [ordinal, delivery] of deliveries.entries()) {
    const { tenantId } = delivery
    const part = parts.get(tenantId) ?? { tenant_id: tenantId, events: [] }
    parts.set(tenantId, part)
    part.events.push({
      ordinal,
      event_id: randomUUID(),
      vendor: delivery.vendor,
      external_id: delivery.externalId,
      endpoint_id: delivery.endpointId,
      topic: delivery.topic,
      body_sha256: delivery.bodySha256.toString('hex'),
      payload: delivery.payload,
      is_test: delivery.isTest,
      is_handled: delivery.isHandled,
      correlation_id: delivery.correlationId,
    })
  }
  const { rows } = await database.pool.query<Receipt & { ordinal: number }>({
    name: 'ingest-deliveries',
    text: 'select ordinal, result, receipt_id as "receiptId" from internal.ingest_deliveries($1::jsonb)',
    values: [JSON.stringify([...parts.values()])],
  })
  const receipts: Receipt[] = []
  for (const { ordinal, result, receiptId } of rows) receipts[ordinal] = { result, receiptId }
  if (rows.length !== deliveries.length) throw new Error(`${rows.length} receipts for ${deliveries.length} deliveries`)
  return receipts
}

/** Stores a delivery and its job, or says that it is known: one statement (migration 0012). */
export async function ingestEvent(tx: Tx, event: Omit<NewDelivery, 'size'>): Promise<Receipt> {
  const { rows } = await sql<Receipt>`
    select result, receipt_id as "receiptId"
    from internal.ingest_webhook_event(
      ${event.tenantId}::uuid, ${event.vendor}, ${event.externalId}, ${event.endpointId}::uuid, ${event.topic},
      ${event.bodySha256}, ${JSON.stringify(event.payload)}::jsonb, ${event.isTest}, ${event.isHandled},
      ${event.correlationId}::uuid)`.execute(tx)
  return rows[0] as Receipt
}

export interface NewDeadEvent {
  tenantId: string
  vendor: Vendor
  endpointId: string
  externalId: string | null
  topic: string | null
  class: string
  code: string
  detail: string
  bodySha256: Buffer
  payload: JsonObject | null
  /** The bytes of a body that could not be read, under a data key of the tenant. */
  sealedBody: { keyVersion: number; sealed: Buffer } | null
  correlationId: string
}

/**
 * The id of the dead event; the same body with the same fault is the same row, seen once more. Of an order whose ties to its
 * buyer were cut, nothing is kept that would tie them again.
 */
export async function recordDeadEvent(tx: Tx, dead: NewDeadEvent): Promise<string> {
  const { vendor, topic, payload } = dead
  const orders = payload === null || topic === null ? [] : ordersOfPayload(vendor, topic, payload)
  const { rows } = await sql<{ id: string }>`
    select internal.record_dead_event(
      ${dead.tenantId}::uuid, ${vendor}, ${dead.externalId}, ${dead.endpointId}::uuid, ${topic}, ${dead.class},
      ${dead.code}, ${dead.detail}, ${dead.bodySha256},
      (select case when internal.is_erased(${dead.tenantId}::uuid, ${orders}::text[])
                   then internal.without_identity(p.payload) else p.payload end
       from (select ${payload === null ? null : JSON.stringify(payload)}::jsonb as payload) as p),
      ${dead.correlationId}::uuid, ${dead.sealedBody?.keyVersion ?? null}::integer,
      ${dead.sealedBody?.sealed ?? null}::bytea) as id`.execute(tx)
  return (rows[0] as { id: string }).id
}
