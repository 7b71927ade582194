import { sql } from 'kysely'
import type { Vendor } from '../context.ts'
import type { Lookup } from '../db/connect.ts'
import type { Tx } from '../db/tenant.ts'
import type { WrappedTenantKey } from '../secrets/keyring.ts'
import type { Fact, JsonObject } from './vendors/vendor.ts'

export interface EndpointRow {
  tenantId: string
  endpointId: string
  mode: 'live' | 'test'
  shopDomain: string | null
  /** The live ones, newest first. */
  secrets: SealedSecret[]
  /** All data keys of the tenant, oldest first. */
  keys: WrappedTenantKey[]
}

export interface SealedSecret {
  secretId: string
  keyVersion: number
  sealed: Buffer
}

export async function findEndpoint(
  lookup: Lookup,
  vendor: Vendor,
  endpointKey: string,
): Promise<EndpointRow | undefined> {
  const { rows } = await sql<{
    tenantId: string
    endpointId: string
    mode: 'live' | 'test'
    shopDomain: string | null
    secretIds: string[]
    secretVersions: number[]
    sealedSecrets: Buffer[]
    keyVersions: number[]
    wrappingKids: string[]
    wrappedKeys: Buffer[]
  }>`
    select tenant_id       as "tenantId",
           endpoint_id     as "endpointId",
           mode,
           shop_domain     as "shopDomain",
           secret_ids      as "secretIds",
           secret_versions as "secretVersions",
           sealed_secrets  as "sealedSecrets",
           key_versions    as "keyVersions",
           wrapping_kids   as "wrappingKids",
           wrapped_keys    as "wrappedKeys"
    from internal.find_webhook_endpoint_keys(${vendor}, ${endpointKey})`.execute(lookup)
  const [row] = rows
  if (row === undefined) return undefined
  const { tenantId, endpointId, mode, shopDomain } = row
  return {
    tenantId,
    endpointId,
    mode,
    shopDomain,
    secrets: row.secretIds.map((secretId, index) => ({
      secretId,
      keyVersion: row.secretVersions[index] as number,
      sealed: row.sealedSecrets[index] as Buffer,
    })),
    keys: row.keyVersions.map((version, index) => ({
      tenantId,
      version,
      wrappingKid: row.wrappingKids[index] as string,
      wrappedKey: row.wrappedKeys[index] as Buffer,
    })),
  }
}

/** All secrets of the tenant that an older data key than `version` sealed. As app_rw. */
export function listSecretsBefore(
  tx: Tx,
  tenantId: string,
  version: number,
): Promise<(SealedSecret & { endpointId: string })[]> {
  return tx
    .selectFrom('webhook_secrets')
    .select(['endpoint_id as endpointId', 'secret_id as secretId', 'key_version as keyVersion', 'sealed'])
    .where('tenant_id', '=', tenantId)
    .where('key_version', '<', version)
    .execute()
}

/** False when another process was faster. */
export async function setSealedSecret(
  tx: Tx,
  secret: SealedSecret & { tenantId: string; endpointId: string },
  oldKeyVersion: number,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('webhook_secrets')
    .set({ key_version: secret.keyVersion, sealed: secret.sealed })
    .where('tenant_id', '=', secret.tenantId)
    .where('endpoint_id', '=', secret.endpointId)
    .where('secret_id', '=', secret.secretId)
    .where('key_version', '=', oldKeyVersion)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export interface NewEndpoint {
  tenantId: string
  vendor: Vendor
  name: string
  mode: 'live' | 'test'
  shopDomain: string | null
  endpointKey: string
}

export function insertEndpoint(tx: Tx, endpoint: NewEndpoint): Promise<{ endpointId: string; createdAt: Date }> {
  return tx
    .insertInto('webhook_endpoints')
    .values({
      tenant_id: endpoint.tenantId,
      vendor: endpoint.vendor,
      name: endpoint.name,
      mode: endpoint.mode,
      shop_domain: endpoint.shopDomain,
      endpoint_key: endpoint.endpointKey,
    })
    .returning(['endpoint_id as endpointId', 'created_at as createdAt'])
    .executeTakeFirstOrThrow()
}

export async function insertSecret(
  tx: Tx,
  secret: { tenantId: string; endpointId: string; keyVersion: number; sealed: Buffer },
): Promise<void> {
  await tx
    .insertInto('webhook_secrets')
    .values({
      tenant_id: secret.tenantId,
      endpoint_id: secret.endpointId,
      key_version: secret.keyVersion,
      sealed: secret.sealed,
    })
    .execute()
}

export interface NewEvent {
  tenantId: string
  vendor: Vendor
  externalId: string
  endpointId: string
  topic: string
  bodySha256: Buffer
  payload: JsonObject
  isTest: boolean
  isHandled: boolean
  correlationId: string
}

export interface Receipt {
  result: 'accepted' | 'duplicate' | 'ignored' | 'dead'
  receiptId: string
}

/** Stores a delivery and its job, or says that it is known: one statement (migration 0004). */
export async function ingestEvent(tx: Tx, event: NewEvent): Promise<Receipt> {
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
  correlationId: string
}

/** The id of the dead event; the same body with the same fault is the same row. */
export async function recordDeadEvent(tx: Tx, dead: NewDeadEvent): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    select internal.record_dead_event(
      ${dead.tenantId}::uuid, ${dead.vendor}, ${dead.externalId}, ${dead.endpointId}::uuid, ${dead.topic}, ${dead.class},
      ${dead.code}, ${dead.detail}, ${dead.bodySha256}, ${dead.payload === null ? null : JSON.stringify(dead.payload)}::jsonb,
      ${dead.correlationId}::uuid) as id`.execute(tx)
  return (rows[0] as { id: string }).id
}

export interface StoredEvent {
  eventId: string
  vendor: Vendor
  endpointId: string
  externalId: string
  topic: string
  payload: JsonObject
  bodySha256: Buffer
}

export async function getEvents(tx: Tx, tenantId: string, eventIds: string[]): Promise<StoredEvent[]> {
  const rows = await tx
    .selectFrom('webhook_events')
    .select([
      'event_id as eventId',
      'vendor',
      'endpoint_id as endpointId',
      'external_id as externalId',
      'topic',
      'payload',
      'body_sha256 as bodySha256',
    ])
    .where('tenant_id', '=', tenantId)
    .where('event_id', 'in', eventIds)
    .orderBy('received_at')
    .orderBy('event_id')
    .execute()
  return rows as StoredEvent[]
}

export type OrderFact = Extract<Fact, { kind: 'order' }>
export type MoneyFact = Exclude<Fact, OrderFact>

export async function insertOrderFact(tx: Tx, tenantId: string, eventId: string, fact: OrderFact): Promise<void> {
  await tx
    .insertInto('order_facts')
    .values({
      tenant_id: tenantId,
      order_key: fact.orderKey,
      event_id: eventId,
      currency: fact.currency,
      ordered_at: fact.orderedAt,
      identity: fact.identity === null ? null : Buffer.from(fact.identity, 'hex'),
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'order_key', 'event_id']).doNothing())
    .execute()
}

/**
 * Enters a movement of money once. `conflict`: it was entered before with another amount, currency or order, which
 * would mean that two deliveries contradict each other.
 */
export async function insertLedgerEntry(
  tx: Tx,
  tenantId: string,
  source: { eventId: string; vendor: Vendor },
  fact: MoneyFact,
): Promise<'entered' | 'known' | 'conflict'> {
  const amountMinor = fact.kind === 'refund' ? -fact.amountMinor : fact.amountMinor
  const entered = await tx
    .insertInto('ledger_entries')
    .values({
      tenant_id: tenantId,
      entry_key: fact.entryKey,
      order_key: fact.orderKey,
      kind: fact.kind,
      amount_minor: amountMinor,
      currency: fact.currency,
      vendor: source.vendor,
      event_id: source.eventId,
      occurred_at: fact.occurredAt,
    })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'entry_key']).doNothing())
    .returning('entry_key')
    .executeTakeFirst()
  if (entered !== undefined) return 'entered'
  const known = await tx
    .selectFrom('ledger_entries')
    .select(['order_key as orderKey', 'amount_minor as amountMinor', 'currency'])
    .where('tenant_id', '=', tenantId)
    .where('entry_key', '=', fact.entryKey)
    .executeTakeFirstOrThrow()
  const same = known.orderKey === fact.orderKey && known.amountMinor === amountMinor && known.currency === fact.currency
  return same ? 'known' : 'conflict'
}
