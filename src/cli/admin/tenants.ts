import { createTenant, listTenants, replaceTenantOrigins } from '../../tenants/service.ts'
import type { AdminCommand } from './command.ts'
import { runSetRateLimit } from './set-rate-limit.ts'

export const tenantCommands: Record<string, AdminCommand> = {
  'create-tenant': {
    usage: '--slug S --name N [--currency USD] [--time-zone UTC] [--allowed-origin URL]…',
    options: ['slug', 'name', 'currency', 'time-zone', 'allowed-origin'],
    run: async ({ ctx, need, get, all }) => {
      const { tenantId, slug } = await createTenant(ctx(), {
        slug: need('slug'),
        name: need('name'),
        reportingCurrency: get('currency') ?? 'USD',
        timeZone: get('time-zone') ?? 'UTC',
        allowedOrigins: all('allowed-origin'),
      })
      return { tenant_id: tenantId, slug }
    },
  },
  'list-tenants': {
    usage: '',
    options: [],
    run: async ({ ctx }) => {
      const items = []
      for await (const { tenantId, slug, name, reportingCurrency, timeZone } of listTenants(ctx())) {
        items.push({ slug, tenant_id: tenantId, currency: reportingCurrency, time_zone: timeZone, name })
      }
      return { columns: ['slug', 'tenant_id', 'currency', 'time_zone', 'name'], items }
    },
  },
  'set-allowed-origins': {
    usage: '--tenant S [URL]…',
    options: ['tenant'],
    takesOperands: true,
    run: async ({ ctx, need, operands }) => {
      const tenantSlug = need('tenant')
      const origins = await replaceTenantOrigins(ctx(), { tenantSlug, origins: operands })
      return { tenant: tenantSlug, allowed_origins: origins }
    },
  },
  'set-rate-limit': {
    usage: '--tenant S [--policy default|ingest] --per-minute N|usual',
    options: ['tenant', 'policy', 'per-minute'],
    run: ({ ctx, need, get }) =>
      runSetRateLimit(ctx, {
        tenant: need('tenant'),
        policy: get('policy') ?? 'default',
        perMinute: need('per-minute'),
      }),
  },
}
