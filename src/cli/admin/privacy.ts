import { getAlertSecret } from '../../tenants/alerts/service.ts'
import { asOperator, ProvisioningError } from '../../tenants/operator.ts'
import { scanPersonalData } from '../../webhooks/privacy/scan.ts'
import { eraseByHand, readReports } from '../../webhooks/privacy/service.ts'
import { UsageError } from '../environment.ts'
import type { AdminCommand, AdminInput } from './command.ts'

export const privacyCommands: Record<string, AdminCommand> = {
  'data-request': {
    usage: '--tenant S --order-id shopify:1001',
    summary: "what was put together for a vendor's request about the person behind an order; use --json for all of it",
    options: ['tenant', 'order-id'],
    run: async (input) => {
      const [orderKey = ''] = orderIds(input)
      const reports = await readReports(input.ctx(), { tenantSlug: input.need('tenant'), orderKey })
      return {
        columns: ['request_id', 'created_at', 'expires_at', 'report'],
        items: reports.map(({ requestId, createdAt, expiresAt, report }) => {
          return {
            request_id: requestId,
            created_at: createdAt.toISOString(),
            expires_at: expiresAt.toISOString(),
            report,
          }
        }),
      }
    },
  },
  'erase-orders': {
    usage: '--tenant S --order-id shopify:1001…',
    summary: 'cuts every tie between these orders and whoever placed them, as a vendor may ask for; the money stays',
    options: ['tenant', 'order-id'],
    run: async (input) => {
      const orderKeys = orderIds(input)
      const erased = await eraseByHand(input.ctx(), { tenantSlug: input.need('tenant'), orderKeys })
      return {
        orders: orderKeys.length,
        touchpoints: erased.touchpoints,
        order_facts: erased.orderFacts,
        conversions: erased.conversions,
        payloads: erased.payloads,
        dead_payloads: erased.deadPayloads,
        dead_bodies: erased.deadBodies,
      }
    },
  },
  'scan-personal-data': {
    usage: '[--tenant S]',
    summary: 'looks through what is stored of what came in; ends with 1 where it finds personal data',
    options: ['tenant'],
    run: async ({ ctx, get }) => {
      const items = []
      let hits = 0
      for await (const line of scanPersonalData(ctx(), { tenantSlug: get('tenant') })) {
        items.push({
          tenant_id: line.tenantId,
          table: line.table,
          rows: line.rows,
          hits: line.hits,
          finding: line.finding,
        })
        hits += line.hits
        if (line.hits > 0) console.error(`${line.tenantId} ${line.table}: ${line.hits} rows, such as ${line.finding}`)
      }
      if (hits > 0) throw new ProvisioningError(`${hits} rows hold what looks like personal data`)
      return { columns: ['tenant_id', 'table', 'rows', 'hits'], items }
    },
  },
  'alert-secret': {
    usage: '--tenant S',
    summary: 'what alerts to the webhooks of the tenant are signed with, as Standard Webhooks has it',
    options: ['tenant'],
    run: async ({ ctx, need }) => ({ secret: await getAlertSecret(await asOperator(ctx(), need('tenant'))) }),
  },
}

function orderIds({ all }: AdminInput): string[] {
  const ids = all('order-id')
  if (ids.length === 0) throw new UsageError('--order-id is missing')
  return ids
}
