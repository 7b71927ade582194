import { getAuditLog } from '../../tenants/audit/service.ts'
import { asOperator } from '../../tenants/operator.ts'
import { type AdminCommand, readId, readTime, readWhole } from './command.ts'

const DEFAULT_LIMIT = 50

export const auditLogCommands: Record<string, AdminCommand> = {
  'audit-log': {
    usage: '--tenant S [--action A] [--actor ID] [--since T] [--until T] [--limit 50]',
    summary: 'what was done in a tenant and by whom, the newest first',
    options: ['tenant', 'action', 'actor', 'since', 'until', 'limit'],
    run: async ({ ctx, need, get }) => {
      const actor = get('actor')
      const filter = {
        action: get('action'),
        actorId: actor === undefined ? undefined : readId('actor', actor),
        since: readTime('since', get('since')),
        until: readTime('until', get('until')),
      }
      const limit = readWhole('limit', get('limit') ?? String(DEFAULT_LIMIT), { min: 1, max: 100_000 })
      const operator = await asOperator(ctx(), need('tenant'))
      const items = []
      for (let cursor: string | undefined; items.length < limit; ) {
        const page = await getAuditLog(operator, filter, { limit: Math.min(100, limit - items.length), cursor })
        for (const entry of page.items) {
          items.push({
            occurred_at: entry.occurredAt.toISOString(),
            action: entry.action,
            actor: entry.actorId === null ? entry.actorKind : `${entry.actorKind}:${entry.actorId}`,
            target: entry.targetKind === null ? null : `${entry.targetKind}:${entry.targetId}`,
            correlation_id: entry.correlationId,
            entry_id: entry.entryId,
            changes: entry.changes,
          })
        }
        if (page.nextCursor === null) break
        cursor = page.nextCursor
      }
      return { columns: ['occurred_at', 'action', 'actor', 'target'], items }
    },
  },
}
