import { ProvisioningError } from '../../tenants/operator.ts'
import { rotateMasterKey, rotateTenantKey } from '../../tenants/rotate-keys.ts'
import type { AdminCommand } from './command.ts'
import { showProgress } from './print.ts'

export const rotationCommands: Record<string, AdminCommand> = {
  'rotate-master-key': {
    usage: '',
    summary: "wraps every tenant's keys by the first key of SKELDIR_MASTER_KEY",
    options: [],
    run: async ({ ctx }) => {
      const { kid, tenants, rewrapped, unchanged, failed } = await rotateMasterKey(ctx(), showProgress('tenants'))
      for (const { slug, message } of failed) console.error(`${slug}: ${message}`)
      if (failed.length > 0)
        throw new ProvisioningError(`${failed.length} tenants keep an older master key: do not drop any`)
      return { kid, tenants, rewrapped, unchanged }
    },
  },
  'rotate-tenant-key': {
    usage: '--tenant S',
    summary: 'a new data key for one tenant; its webhook secrets are sealed by it',
    options: ['tenant'],
    run: async ({ ctx, need }) => {
      const { tenantId, version, secretsSealed } = await rotateTenantKey(ctx(), need('tenant'))
      return { tenant_id: tenantId, version, secrets_sealed: secretsSealed }
    },
  },
}
