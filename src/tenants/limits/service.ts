import type { AppContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { recordAudit } from '../audit.ts'
import { asOperator, ProvisioningError } from '../operator.ts'
import { MAX_PER_MINUTE, type RatePolicy, USUAL_PER_MINUTE } from './policies.ts'
import { setPerMinute } from './queries.ts'

/**
 * Gives a tenant a number of requests a minute of its own, or (null) what the policy gives every tenant. Running processes
 * follow within 10 seconds. `ctx.db.main` is app_rw. Throws ProvisioningError.
 */
export async function setRateLimit(
  ctx: AppContext,
  { tenantSlug, policy, perMinute }: { tenantSlug: string; policy: string; perMinute: number | null },
): Promise<{ policy: RatePolicy; perMinute: number }> {
  if (!isPolicy(policy))
    throw new ProvisioningError(`"${policy}" is not a policy: one of ${Object.keys(USUAL_PER_MINUTE).join(', ')}`)
  if (perMinute !== null && !(Number.isInteger(perMinute) && perMinute >= 1 && perMinute <= MAX_PER_MINUTE))
    throw new ProvisioningError(`the requests of a minute are a whole number from 1 to ${MAX_PER_MINUTE}`)
  const work = await asOperator(ctx, tenantSlug)
  const { tenantId, principal } = work
  await inTenant(work.db.main, work, async (tx) => {
    await setPerMinute(tx, { tenantId, policy, perMinute })
    await recordAudit(tx, {
      actor: principal,
      action: 'rate_limit.changed',
      subject: null,
      details: { policy, per_minute: perMinute },
    })
  })
  return { policy, perMinute: perMinute ?? USUAL_PER_MINUTE[policy] }
}

function isPolicy(text: string): text is RatePolicy {
  return Object.hasOwn(USUAL_PER_MINUTE, text)
}
