import { randomUUID } from 'node:crypto'
import type { AppContext, TenantContext } from '../context.ts'
import { inTenant } from '../db/tenant.ts'
import { findTenantBySlug } from './queries.ts'

/** Thrown for what an operator asked for and cannot have; the message says why. */
export class ProvisioningError extends Error {
  override name = 'ProvisioningError'
}

/** Throws ProvisioningError. `ctx.db.main` is app_rw: no other role sees slugs. */
export async function requireTenant(ctx: AppContext, slug: string): Promise<string> {
  const tenantId = await inTenant(ctx.db.main, nowhere(), (tx) => findTenantBySlug(tx, slug))
  if (tenantId === undefined) throw new ProvisioningError(`there is no tenant "${slug}"`)
  return tenantId
}

/** A unit of work of an operator for one tenant: what the API's services do for an admin, they do for an operator. */
export async function asOperator(ctx: AppContext, slug: string): Promise<TenantContext> {
  return operatorIn(ctx, await requireTenant(ctx, slug))
}

export function operatorIn(ctx: AppContext, tenantId: string, correlationId: string = randomUUID()): TenantContext {
  return {
    ...ctx,
    tenantId,
    correlationId,
    clientAddress: null,
    principal: { kind: 'operator', tenantId },
    // A command lets nobody in, so there is nothing that it would have to forget.
    revocations: { ...ctx.revocations, catchUp: async () => {} },
  }
}

/** A uuid of nobody, for what lies outside of any tenant. */
export function nowhere(): { tenantId: string; correlationId: string } {
  return { tenantId: randomUUID(), correlationId: randomUUID() }
}
