import type { Tx } from '../../db/tenant.ts'

/** Sealed; undefined where the tenant has nobody to tell. As app_worker or app_ingest. */
export function findSealedTargets(
  tx: Tx,
  tenantId: string,
): Promise<{ keyVersion: number; sealed: Buffer } | undefined> {
  return tx
    .selectFrom('tenant_alert_targets')
    .select(['key_version as keyVersion', 'sealed'])
    .where('tenant_id', '=', tenantId)
    .executeTakeFirst()
}
