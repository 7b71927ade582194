import { DEFAULT_OVERLAP_HOURS, isPublishable, listApiKeys, revokeApiKey } from '../../tenants/api-keys/service.ts'
import { asOperator } from '../../tenants/operator.ts'
import { createApiKey } from '../../tenants/service.ts'
import { type AdminCommand, type AdminInput, readId, readTime, readWhole } from './command.ts'

export const apiKeyCommands: Record<string, AdminCommand> = {
  'create-api-key': {
    usage:
      '--tenant S --name N --scope events:write|spend:write|events:collect… [--expires-at T] [--replaces ID [--overlap-hours 24]]',
    summary: 'events:collect is for web pages and stands alone; a replaced key goes on until the overlap ends',
    options: ['tenant', 'name', 'scope', 'expires-at', 'replaces', 'overlap-hours'],
    run: async (input) => {
      const { ctx, need, get, all } = input
      const { keyId, apiKey } = await createApiKey(ctx(), {
        tenantSlug: need('tenant'),
        name: need('name'),
        scopes: all('scope'),
        expiresAt: readTime('expires-at', get('expires-at')) ?? null,
        replaces: readReplaced(input),
      })
      return { key_id: keyId, api_key: apiKey }
    },
  },
  'list-api-keys': {
    usage: '--tenant S',
    options: ['tenant'],
    run: async ({ ctx, need }) => {
      const operator = await asOperator(ctx(), need('tenant'))
      const now = operator.clock()
      const items = []
      for (let cursor: string | undefined; ; ) {
        const page = await listApiKeys(operator, { limit: 100, cursor })
        for (const key of page.items) {
          const isExpired = key.expiresAt !== null && key.expiresAt <= now
          items.push({
            key_id: key.keyId,
            prefix: key.prefix,
            state: key.revokedAt !== null ? 'revoked' : isExpired ? 'expired' : 'works',
            scopes: key.scopes,
            publishable: isPublishable(key.scopes),
            created_at: key.createdAt.toISOString(),
            expires_at: key.expiresAt?.toISOString() ?? null,
            last_used_at: key.lastUsedAt?.toISOString() ?? null,
            revoked_at: key.revokedAt?.toISOString() ?? null,
            name: key.name,
          })
        }
        if (page.nextCursor === null) break
        cursor = page.nextCursor
      }
      return { columns: ['key_id', 'prefix', 'state', 'scopes', 'last_used_at', 'expires_at', 'name'], items }
    },
  },
  'revoke-api-key': {
    usage: '--tenant S --key-id ID',
    summary: 'within a second on every process',
    options: ['tenant', 'key-id'],
    run: async ({ ctx, need }) => {
      const keyId = readId('key-id', need('key-id'))
      await revokeApiKey(await asOperator(ctx(), need('tenant')), keyId)
      return { key_id: keyId, revoked: true }
    },
  },
}

function readReplaced({ get }: AdminInput): { keyId: string; overlapHours: number } | undefined {
  const keyId = get('replaces')
  const hours = get('overlap-hours')
  if (keyId === undefined) return undefined
  const overlapHours =
    hours === undefined ? DEFAULT_OVERLAP_HOURS : readWhole('overlap-hours', hours, { min: 0, max: 720 })
  return { keyId: readId('replaces', keyId), overlapHours }
}
