import { sql } from 'kysely'
import type { Tx } from '../../db/tenant.ts'
import type { ChannelRules } from './classify.ts'

export interface Site {
  /** The newest version of the tenant's own rules. */
  rules: ChannelRules
  /** As a browser sends them. */
  allowedOrigins: string[]
}

/** What a visit of the tenant's pages is judged by. */
export async function getSite(tx: Tx, tenantId: string): Promise<Site> {
  const { rows } = await sql<{ version: number; rules: ChannelRules['rules']; allowedOrigins: string[] }>`
    select version,
           rules,
           array(select o.origin from tenant_allowed_origins as o
                 where o.tenant_id = ${tenantId} order by o.position) as "allowedOrigins"
    from channel_rule_versions
    where tenant_id = ${tenantId}
    order by version desc
    limit 1`.execute(tx)
  const [{ version, rules, allowedOrigins }] = rows as [(typeof rows)[0]]
  return { rules: { version, rules }, allowedOrigins }
}
