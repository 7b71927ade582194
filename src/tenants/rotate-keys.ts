import { randomUUID } from 'node:crypto'
import type { AppContext } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { createTenantKey, DecryptionError, rewrapTenantKey, unwrapTenantKey } from '../secrets/keyring.ts'
import { sealAllAgain } from '../webhooks/endpoints/service.ts'
import { recordAudit } from './audit.ts'
import { asOperator, nowhere } from './operator.ts'
import { insertTenantKey, listTenantKeys, listTenants, setTenantKey } from './queries.ts'

const PAGE = 500

export interface MasterKeyRotation {
  /** The master key that wraps everything now. */
  kid: string
  tenants: number
  rewrapped: number
  /** Data keys that were wrapped by the newest master key already. */
  unchanged: number
  /** Tenants with a data key that no master key of the ring opens. */
  failed: { slug: string; message: string }[]
}

/**
 * Wraps every tenant's data keys by the newest master key; once nothing failed, the older master keys can be dropped.
 * Can be interrupted and run again. `ctx.db.main` is app_rw.
 */
export async function rotateMasterKey(
  ctx: AppContext,
  onProgress: (tenants: number) => void = () => {},
): Promise<MasterKeyRotation> {
  const result: MasterKeyRotation = {
    kid: ctx.keys.wrappingKeys[0].kid,
    tenants: 0,
    rewrapped: 0,
    unchanged: 0,
    failed: [],
  }
  let after = ''
  for (;;) {
    const page = await inTenant(ctx.db.main, nowhere(), (tx) => listTenants(tx, after, PAGE))
    for (const { slug, tenantId } of page) {
      await rewrapTenant(ctx, { slug, tenantId }, result)
      result.tenants++
      onProgress(result.tenants)
    }
    const last = page.at(-1)
    if (last === undefined) return result
    after = last.slug
  }
}

async function rewrapTenant(
  ctx: AppContext,
  { slug, tenantId }: { slug: string; tenantId: string },
  result: MasterKeyRotation,
): Promise<void> {
  try {
    await inTenant(ctx.db.main, { tenantId, correlationId: randomUUID() }, async (tx) => {
      for (const wrapped of await listTenantKeys(tx, tenantId)) {
        const again = rewrapTenantKey(ctx.keys, wrapped)
        if (again !== null && (await setTenantKey(tx, again, wrapped.wrappingKid))) result.rewrapped++
        else result.unchanged++
      }
    })
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error
    result.failed.push({ slug, message: error.message })
  }
}

/**
 * Gives a tenant a new data key and seals its webhook secrets under it. What another process seals by the old version in
 * the meantime is sealed again when it is next used. Identities keep the first version. Throws ProvisioningError and
 * DecryptionError; `ctx.db.main` is app_rw.
 */
export async function rotateTenantKey(
  ctx: AppContext,
  tenantSlug: string,
): Promise<{ tenantId: string; version: number; secretsSealed: number }> {
  const work = await asOperator(ctx, tenantSlug)
  const { tenantId } = work
  return inTenant(ctx.db.main, work, async (tx) => {
    const keys = (await listTenantKeys(tx, tenantId)).map((wrapped) => unwrapTenantKey(ctx.keys, wrapped))
    const version = (keys.at(-1)?.version ?? 0) + 1
    const wrapped = createTenantKey(ctx.keys, tenantId, version)
    await insertTenantKey(tx, wrapped)
    const secretsSealed = await sealAllAgain(tx, [...keys, unwrapTenantKey(ctx.keys, wrapped)])
    await recordAudit(tx, {
      actor: work.principal,
      action: 'tenant_key.rotated',
      subject: `tenant:${tenantId}`,
      details: { version },
    })
    return { tenantId, version, secretsSealed }
  })
}
