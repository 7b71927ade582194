import type { AppContext } from '../../context.ts'
import { setRateLimit } from '../../tenants/limits/service.ts'
import { UsageError } from '../environment.ts'

/** `--per-minute usual` gives back a tenant's own number. */
export async function runSetRateLimit(
  ctx: () => AppContext,
  { tenant, policy, perMinute }: { tenant: string; policy: string; perMinute: string },
): Promise<{ tenant: string; policy: string; per_minute: number }> {
  if (perMinute !== 'usual' && !/^[1-9]\d{0,7}$/.test(perMinute))
    throw new UsageError(`--per-minute is a whole number, or "usual", and not ${JSON.stringify(perMinute)}`)
  const wanted = perMinute === 'usual' ? null : Number(perMinute)
  const set = await setRateLimit(ctx(), { tenantSlug: tenant, policy, perMinute: wanted })
  return { tenant, policy: set.policy, per_minute: set.perMinute }
}
