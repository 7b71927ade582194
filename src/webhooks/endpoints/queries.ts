import { sql } from 'kysely'
import type { Vendor } from '../../context.ts'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'
import type { WrappedTenantKey } from '../../secrets/keyring.ts'

/** An endpoint with what its deliveries are checked with. */
export interface EndpointRow {
  tenantId: string
  endpointId: string
  /** Another one after each change of the secrets. */
  version: number
  mode: 'live' | 'test'
  shopDomain: string | null
  /** The live ones, newest first. */
  secrets: (SealedSecret & { notAfter: Date | null })[]
  /** All data keys of the tenant, oldest first. */
  keys: WrappedTenantKey[]
}

export interface SealedSecret {
  secretId: string
  keyVersion: number
  sealed: Buffer
}

interface FoundEndpoint {
  tenantId: string
  endpointId: string
  version: number
  mode: 'live' | 'test'
  shopDomain: string | null
  secretIds: string[]
  secretVersions: number[]
  sealedSecrets: Buffer[]
  secretEnds: (Date | null)[]
  keyVersions: number[]
  wrappingKids: string[]
  wrappedKeys: Buffer[]
}

const FOUND = sql.raw(`
  tenant_id       as "tenantId",
  endpoint_id     as "endpointId",
  version,
  mode,
  shop_domain     as "shopDomain",
  secret_ids      as "secretIds",
  secret_versions as "secretVersions",
  sealed_secrets  as "sealedSecrets",
  secret_ends     as "secretEnds",
  key_versions    as "keyVersions",
  wrapping_kids   as "wrappingKids",
  wrapped_keys    as "wrappedKeys"`)

/** The endpoint with this key; undefined when there is none, or it has no live secret. */
export async function findEndpoint(
  lookup: Lookup | Tx,
  vendor: Vendor,
  endpointKey: string,
): Promise<EndpointRow | undefined> {
  const { rows } = await sql<FoundEndpoint>`
    select ${FOUND} from internal.find_webhook_endpoint_keys(${vendor}, ${endpointKey})`.execute(lookup)
  return rows.map(toEndpoint)[0]
}

/**
 * The endpoints of the tenant that an API key with this hash is of, at most 20: that of the shop with this domain, those of
 * no shop, and the others; of each, live before test, and the newest first.
 */
export async function findEndpointsOfKey(
  lookup: Lookup,
  vendor: Vendor,
  { keyHash, shop }: { keyHash: Buffer; shop: string | null },
): Promise<EndpointRow[]> {
  const { rows } = await sql<FoundEndpoint>`
    select ${FOUND} from internal.find_webhook_endpoints(${vendor}, ${keyHash}, ${shop})`.execute(lookup)
  return rows.map(toEndpoint)
}

function toEndpoint(row: FoundEndpoint): EndpointRow {
  const { tenantId, endpointId, version, mode, shopDomain } = row
  return {
    tenantId,
    endpointId,
    version,
    mode,
    shopDomain,
    secrets: row.secretIds.map((secretId, index) => ({
      secretId,
      keyVersion: row.secretVersions[index] as number,
      sealed: row.sealedSecrets[index] as Buffer,
      notAfter: row.secretEnds[index] as Date | null,
    })),
    keys: row.keyVersions.map((keyVersion, index) => ({
      tenantId,
      version: keyVersion,
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

/** Until the end of the transaction nobody else adds a shop of this tenant. */
export async function lockShops(tx: Tx, tenantId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('shops/' || ${tenantId}, 0))`.execute(tx)
}

/** Whether the tenant has a live WooCommerce endpoint that no shop is named for. */
export async function hasNamelessShop(tx: Tx, tenantId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('webhook_endpoints')
    .select('endpoint_id')
    .where('tenant_id', '=', tenantId)
    .where('vendor', '=', 'woocommerce')
    .where('mode', '=', 'live')
    .where('shop_domain', 'is', null)
    .where('deleted_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

export function insertSecret(
  tx: Tx,
  secret: { tenantId: string; endpointId: string; keyVersion: number; sealed: Buffer },
): Promise<{ secretId: string; createdAt: Date }> {
  return tx
    .insertInto('webhook_secrets')
    .values({
      tenant_id: secret.tenantId,
      endpoint_id: secret.endpointId,
      key_version: secret.keyVersion,
      sealed: secret.sealed,
    })
    .returning(['secret_id as secretId', 'created_at as createdAt'])
    .executeTakeFirstOrThrow()
}

export interface ListedEndpoint {
  endpointId: string
  vendor: Vendor
  name: string
  mode: 'live' | 'test'
  shopDomain: string | null
  endpointKey: string
  createdAt: Date
  lastDeliveryAt: Date | null
  /** Of the secret before the current one, while it is live. */
  previousSecretEndsAt: Date | null
}

/** Microseconds since 1970 as text, and the id: the order of the list. A `Date` would lose the microseconds. */
export type EndpointPosition = readonly [createdMicros: string, endpointId: string]

/** The newest first, those after `after`. */
export async function listEndpoints(
  tx: Tx,
  tenantId: string,
  {
    vendor,
    now,
    after,
    limit,
  }: { vendor: Vendor | undefined; now: Date; after: EndpointPosition | undefined; limit: number },
): Promise<(ListedEndpoint & { createdMicros: string })[]> {
  const [micros, endpointId] = after ?? [null, null]
  const { rows } = await sql<ListedEndpoint & { createdMicros: string }>`
    select e.endpoint_id      as "endpointId",
           e.vendor,
           e.name,
           e.mode,
           e.shop_domain      as "shopDomain",
           e.endpoint_key     as "endpointKey",
           e.created_at       as "createdAt",
           e.last_delivery_at as "lastDeliveryAt",
           (select max(s.not_after)
            from webhook_secrets as s
            where s.tenant_id = e.tenant_id and s.endpoint_id = e.endpoint_id and s.not_after > ${now}
           )                  as "previousSecretEndsAt",
           (extract(epoch from e.created_at) * 1000000)::bigint::text as "createdMicros"
    from webhook_endpoints as e
    where e.tenant_id = ${tenantId}
      and e.deleted_at is null
      and (${vendor ?? null}::text is null or e.vendor = ${vendor ?? null})
      and (${micros}::bigint is null
           or (e.created_at, e.endpoint_id)
              < ('epoch'::timestamptz + ${micros}::bigint * interval '1 microsecond', ${endpointId}::uuid))
    order by e.created_at desc, e.endpoint_id desc
    limit ${limit}`.execute(tx)
  return rows
}

/** Locks an endpoint; undefined when there is none, or it is deleted. */
export async function lockEndpoint(
  tx: Tx,
  tenantId: string,
  endpointId: string,
): Promise<{ vendor: Vendor; endpointKey: string; version: number } | undefined> {
  const { rows } = await sql<{ vendor: Vendor; endpointKey: string; version: number }>`
    select vendor, endpoint_key as "endpointKey", version
    from webhook_endpoints
    where tenant_id = ${tenantId} and endpoint_id = ${endpointId} and deleted_at is null
    for update`.execute(tx)
  return rows[0]
}

export async function setEndpointState(
  tx: Tx,
  {
    tenantId,
    endpointId,
    version,
    deletedAt,
  }: {
    tenantId: string
    endpointId: string
    version: number
    deletedAt: Date | null
  },
): Promise<void> {
  await tx
    .updateTable('webhook_endpoints')
    .set({ version, deleted_at: deletedAt })
    .where('tenant_id', '=', tenantId)
    .where('endpoint_id', '=', endpointId)
    .execute()
}

/** Of an endpoint, the newest first, live or not. */
export function listSecretTimes(
  tx: Tx,
  tenantId: string,
  endpointId: string,
): Promise<{ secretId: string; createdAt: Date; notAfter: Date | null }[]> {
  return tx
    .selectFrom('webhook_secrets')
    .select(['secret_id as secretId', 'created_at as createdAt', 'not_after as notAfter'])
    .where('tenant_id', '=', tenantId)
    .where('endpoint_id', '=', endpointId)
    .orderBy('created_at', 'desc')
    .orderBy('secret_id')
    .execute()
}

export async function setSecretEnd(
  tx: Tx,
  {
    tenantId,
    endpointId,
    secretId,
    notAfter,
  }: { tenantId: string; endpointId: string; secretId: string; notAfter: Date },
): Promise<void> {
  await tx
    .updateTable('webhook_secrets')
    .set({ not_after: notAfter })
    .where('tenant_id', '=', tenantId)
    .where('endpoint_id', '=', endpointId)
    .where('secret_id', '=', secretId)
    .execute()
}

/** Destroys the secrets of an endpoint, but for those with an id of `kept`. */
export async function deleteSecrets(
  tx: Tx,
  tenantId: string,
  endpointId: string,
  kept: readonly string[] = [],
): Promise<void> {
  let query = tx.deleteFrom('webhook_secrets').where('tenant_id', '=', tenantId).where('endpoint_id', '=', endpointId)
  if (kept.length > 0) query = query.where('secret_id', 'not in', kept)
  await query.execute()
}

export interface EndpointUse {
  tenantId: string
  endpointId: string
  deliveredAt: Date
}

/** Endpoints of any tenants, in one statement; a delivery that is not later than what is known changes nothing. */
export async function recordDeliveries(lookup: Lookup, uses: readonly EndpointUse[]): Promise<void> {
  await sql`
    select internal.record_webhook_deliveries(
      ${uses.map(({ tenantId }) => tenantId)}::uuid[],
      ${uses.map(({ endpointId }) => endpointId)}::uuid[],
      ${uses.map(({ deliveredAt }) => deliveredAt.toISOString())}::timestamptz[])`.execute(lookup)
}
