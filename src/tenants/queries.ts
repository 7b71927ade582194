import { sql } from 'kysely'
import type { Lookup } from '../db/connect.ts'
import type { Tx } from '../db/tenant.ts'
import type { WrappedTenantKey } from '../secrets/keyring.ts'

export interface TenantRow {
  tenantId: string
  slug: string
  name: string
  reportingCurrency: string
  timeZone: string
}

export function getTenant(tx: Tx, tenantId: string): Promise<TenantRow> {
  return tx
    .selectFrom('tenants')
    .select([
      'tenant_id as tenantId',
      'slug',
      'name',
      'reporting_currency as reportingCurrency',
      'time_zone as timeZone',
    ])
    .where('tenant_id', '=', tenantId)
    .executeTakeFirstOrThrow()
}

/** The newest data key of the tenant, still wrapped. */
export function getTenantKey(tx: Tx, tenantId: string): Promise<WrappedTenantKey> {
  return tenantKeys(tx, tenantId).orderBy('key_version', 'desc').limit(1).executeTakeFirstOrThrow()
}

function tenantKeys(tx: Tx, tenantId: string) {
  return tx
    .selectFrom('tenant_keys')
    .select([
      'tenant_id as tenantId',
      'key_version as version',
      'wrapping_kid as wrappingKid',
      'wrapped_key as wrappedKey',
    ])
    .where('tenant_id', '=', tenantId)
}

/** The first data key of the tenant, under which identities are hashed whatever versions came later. */
export function getIdentityKey(tx: Tx, tenantId: string): Promise<WrappedTenantKey> {
  return tenantKeys(tx, tenantId).orderBy('key_version').limit(1).executeTakeFirstOrThrow()
}

/** All versions, oldest first. */
export function listTenantKeys(tx: Tx, tenantId: string): Promise<WrappedTenantKey[]> {
  return tenantKeys(tx, tenantId).orderBy('key_version').execute()
}

/** False when another process was faster. */
export async function setTenantKey(tx: Tx, key: WrappedTenantKey, oldWrappingKid: string): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('tenant_keys')
    .set({ wrapping_kid: key.wrappingKid, wrapped_key: key.wrappedKey })
    .where('tenant_id', '=', key.tenantId)
    .where('key_version', '=', key.version)
    .where('wrapping_kid', '=', oldWrappingKid)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** As app_rw, which sees all of them: in order of the slug, those after `after`. */
export function listTenants(tx: Tx, after: string, limit: number): Promise<{ slug: string; tenantId: string }[]> {
  return tx
    .selectFrom('tenant_slugs')
    .select(['slug', 'tenant_id as tenantId'])
    .where('slug', '>', after)
    .orderBy('slug')
    .limit(limit)
    .execute()
}

export async function findTenantBySlug(tx: Tx, slug: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('tenant_slugs')
    .select('tenant_id as tenantId')
    .where('slug', '=', slug)
    .executeTakeFirst()
  return row?.tenantId
}

export async function insertTenant(tx: Tx, tenant: TenantRow): Promise<void> {
  await tx
    .insertInto('tenants')
    .values({
      tenant_id: tenant.tenantId,
      slug: tenant.slug,
      name: tenant.name,
      reporting_currency: tenant.reportingCurrency,
      time_zone: tenant.timeZone,
    })
    .execute()
}

/** False when the slug is taken. */
export async function claimSlug(tx: Tx, slug: string, tenantId: string): Promise<boolean> {
  const row = await tx
    .insertInto('tenant_slugs')
    .values({ slug, tenant_id: tenantId })
    .onConflict((conflict) => conflict.column('slug').doNothing())
    .returning('slug')
    .executeTakeFirst()
  return row !== undefined
}

export async function insertTenantKey(tx: Tx, key: WrappedTenantKey): Promise<void> {
  await tx
    .insertInto('tenant_keys')
    .values({
      tenant_id: key.tenantId,
      key_version: key.version,
      wrapping_kid: key.wrappingKid,
      wrapped_key: key.wrappedKey,
    })
    .execute()
}

export async function insertUser(
  tx: Tx,
  { userId, email, passwordHash }: { userId: string; email: string; passwordHash: string },
): Promise<void> {
  await tx.insertInto('users').values({ user_id: userId, email, password_hash: passwordHash }).execute()
}

/** False when the person is a member already. */
export async function insertMembership(tx: Tx, tenantId: string, userId: string, role: string): Promise<boolean> {
  const row = await tx
    .insertInto('memberships')
    .values({ tenant_id: tenantId, user_id: userId, role })
    .onConflict((conflict) => conflict.columns(['tenant_id', 'user_id']).doNothing())
    .returning('user_id')
    .executeTakeFirst()
  return row !== undefined
}

/** In the order in which they were given. */
export async function listAllowedOrigins(tx: Tx, tenantId: string): Promise<string[]> {
  const rows = await tx
    .selectFrom('tenant_allowed_origins')
    .select('origin')
    .where('tenant_id', '=', tenantId)
    .orderBy('position')
    .execute()
  return rows.map(({ origin }) => origin)
}

/** Waits for another transaction that replaces the tenant's list, so that the two do not mix. */
export async function replaceAllowedOrigins(tx: Tx, tenantId: string, origins: readonly string[]): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('allowed_origins/' || ${tenantId}, 0))`.execute(tx)
  await tx.deleteFrom('tenant_allowed_origins').where('tenant_id', '=', tenantId).execute()
  if (origins.length === 0) return
  await tx
    .insertInto('tenant_allowed_origins')
    .values(origins.map((origin, index) => ({ tenant_id: tenantId, origin, position: index + 1 })))
    .execute()
}

/** Whether the tenant of the transaction allows it. */
export async function hasAllowedOrigin(tx: Tx, tenantId: string, origin: string): Promise<boolean> {
  const row = await tx
    .selectFrom('tenant_allowed_origins')
    .select('position')
    .where('tenant_id', '=', tenantId)
    .where('origin', '=', origin)
    .executeTakeFirst()
  return row !== undefined
}

/** Whether any tenant allows it. */
export async function isAllowedOrigin(lookup: Lookup, origin: string): Promise<boolean> {
  const { rows } = await sql<{ isAllowed: boolean }>`
    select internal.is_allowed_origin(${origin}) as "isAllowed"`.execute(lookup)
  return rows[0]?.isAllowed === true
}
