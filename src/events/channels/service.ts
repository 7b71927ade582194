import type { Tx } from '../../db/tenant.ts'
import type { ChannelRules } from './classify.ts'
import { getSite } from './queries.ts'

/** The rules that hold for what is classified now. For a transaction of `ctx.db.ingest`. */
export async function getChannelRules(tx: Tx, tenantId: string): Promise<ChannelRules> {
  const { rules } = await getSite(tx, tenantId)
  return rules
}
