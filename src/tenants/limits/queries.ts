import { sql } from 'kysely'
import type { Lookup } from '../../db/connect.ts'
import type { Tx } from '../../db/tenant.ts'

export interface Lease {
  granted: number
  /** Requests in a minute. */
  perMinute: number
  /** Milliseconds until the whole quota is there again, without what was granted now. */
  fullInMs: number
}

/** Takes up to `wanted` permits of the tenant's quota; none are asked for to learn how it stands. */
export async function leasePermits(
  tx: Tx,
  {
    tenantId,
    policy,
    wanted,
    usualPerMinute,
  }: {
    tenantId: string
    policy: string
    wanted: number
    usualPerMinute: number
  },
): Promise<Lease> {
  const { rows } = await sql<{ granted: number; quota: number; fullInUs: bigint }>`
    select granted, quota, full_in_us as "fullInUs"
    from internal.lease_permits(${tenantId}, ${policy}, ${wanted}, ${usualPerMinute})`.execute(tx)
  const [{ granted, quota, fullInUs }] = rows as [{ granted: number; quota: number; fullInUs: bigint }]
  return { granted, perMinute: quota, fullInMs: Number(fullInUs) / 1000 }
}

/** Null: what the policy gives every tenant. */
export async function setPerMinute(
  tx: Tx,
  { tenantId, policy, perMinute }: { tenantId: string; policy: string; perMinute: number | null },
): Promise<void> {
  await tx
    .insertInto('rate_limits')
    .values({ tenant_id: tenantId, policy, per_minute: perMinute })
    .onConflict((row) => row.columns(['tenant_id', 'policy']).doUpdateSet({ per_minute: perMinute }))
    .execute()
}

/** 0, or the seconds until the subject has a permit. */
export async function admitByAddress(
  lookup: Lookup,
  { subject, perMinute, burst }: { subject: Buffer; perMinute: number; burst: number },
): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select internal.admit_by_address(${subject}, ${perMinute}, ${burst}) as seconds`.execute(lookup)
  return rows[0]?.seconds ?? 0
}
