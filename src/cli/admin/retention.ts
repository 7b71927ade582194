import { ProvisioningError } from '../../tenants/operator.ts'
import { offboardTenant, runRetention } from '../../tenants/retention/service.ts'
import type { AdminCommand } from './command.ts'

export const retentionCommands: Record<string, AdminCommand> = {
  'run-retention': {
    usage: '[--tenant S] [--dry-run]',
    summary: 'removes and redacts what has had its time, as workers do each night at 03:17 UTC; prints what it did',
    options: ['tenant', 'dry-run'],
    run: async ({ ctx, get, is }) => {
      const { lines, failed } = await runRetention(ctx(), { tenantSlug: get('tenant'), isDry: is('dry-run') })
      for (const { tenant, message } of failed) console.error(`${tenant}: ${message}`)
      if (failed.length > 0)
        throw new ProvisioningError(`the retention of ${failed.length} tenants did not come to its end: run it again`)
      return {
        columns: ['tenant', 'table', 'looked_at', 'does', 'rows', 'kept', 'why'],
        items: lines.map(({ tenant, item, lookedAt, does, removed, kept, why }) => {
          return { tenant, table: item, looked_at: lookedAt, does, rows: removed, kept, why }
        }),
      }
    },
  },
  'offboard-tenant': {
    usage: '--tenant S --confirm S',
    summary: 'ends a tenant for good: nobody gets in, and its keys are destroyed; its ledger and audit log stay',
    options: ['tenant', 'confirm'],
    run: async ({ ctx, need }) => {
      const { tenantId, destroyed, removed } = await offboardTenant(ctx(), {
        tenantSlug: need('tenant'),
        confirm: need('confirm'),
      })
      const shown = Object.entries({ ...removed, ...destroyed }).filter(([, rows]) => rows > 0)
      return { tenant_id: tenantId, ...Object.fromEntries(shown) }
    },
  },
}
