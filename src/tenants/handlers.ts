import type { AttributionSettings } from '../attribution/models/settings.ts'
import { toSessionTokens } from '../auth/handlers.ts'
import type { RequestContext, TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import {
  DEFAULT_OVERLAP_HOURS,
  isPublishable,
  listApiKeys as listKeys,
  createApiKey as makeKey,
  revokeApiKey as revokeKey,
} from './api-keys/service.ts'
import { getAuditLog as readLog } from './audit/service.ts'
import { acceptInvite as accept } from './members/accept.ts'
import { inviteMember as invite, listMembers as listPeople, removeMember as remove } from './members/service.ts'
import {
  updateTenantSettings as changeSettings,
  getTenant as readTenant,
  type TenantDetails,
  toWireParts,
  toWireThresholds,
  toWireTransform,
} from './settings/service.ts'
import type { RevenueParts, SettingsChange } from './settings/settings.ts'

/** Stored by the caller alone, and checked again each time. */
const CACHE_CONTROL = 'private, no-cache'
const DEFAULT_LIMIT = 20

async function getTenant(ctx: TenantContext, { headers }: Request<'getTenant'>): Promise<Reply<'getTenant'>> {
  const { etag, tenant } = await readTenant(ctx, { ifNoneMatch: headers['if-none-match'] })
  const cache = { ETag: etag, 'Cache-Control': CACHE_CONTROL }
  return tenant === null
    ? { status: 304, headers: cache }
    : { status: 200, headers: cache, body: toTenant(ctx, tenant) }
}

async function updateTenantSettings(
  ctx: TenantContext,
  { headers, body }: Request<'updateTenantSettings'>,
): Promise<Reply<'updateTenantSettings'>> {
  const tenant = await changeSettings(ctx, { ifMatch: headers['if-match'], change: toChange(body) })
  return {
    status: 200,
    headers: { ETag: tenant.etag, 'Cache-Control': CACHE_CONTROL },
    body: toTenant(ctx, tenant),
  }
}

async function listMembers(ctx: TenantContext, { query }: Request<'listMembers'>): Promise<Reply<'listMembers'>> {
  const { items, nextCursor } = await listPeople(ctx, { limit: query.limit ?? DEFAULT_LIMIT, cursor: query.cursor })
  return {
    status: 200,
    body: {
      items: items.map((member) => ({
        user_id: member.userId,
        email: member.email,
        role: member.role,
        status: member.status,
        invited_at: member.invitedAt?.toISOString() ?? null,
        joined_at: member.joinedAt?.toISOString() ?? null,
        invite_expires_at: member.inviteExpiresAt?.toISOString() ?? null,
      })),
      next_cursor: nextCursor,
    },
  }
}

async function inviteMember(ctx: TenantContext, { body }: Request<'inviteMember'>): Promise<Reply<'inviteMember'>> {
  const { userId, email, role, token, expiresAt } = await invite(ctx, { email: body.email, role: body.role })
  return {
    status: 201,
    headers: { Location: `/api/tenant/members/${userId}` },
    body: { user_id: userId, email, role, invite_token: token, invite_expires_at: expiresAt.toISOString() },
  }
}

async function acceptInvite(ctx: RequestContext, { body }: Request<'acceptInvite'>): Promise<Reply<'acceptInvite'>> {
  return { status: 200, body: toSessionTokens(await accept(ctx, { token: body.token, password: body.password })) }
}

async function removeMember(ctx: TenantContext, { params }: Request<'removeMember'>): Promise<Reply<'removeMember'>> {
  await remove(ctx, params.user_id.toLowerCase())
  return { status: 204 }
}

async function listApiKeys(ctx: TenantContext, { query }: Request<'listApiKeys'>): Promise<Reply<'listApiKeys'>> {
  const { items, nextCursor } = await listKeys(ctx, { limit: query.limit ?? DEFAULT_LIMIT, cursor: query.cursor })
  return {
    status: 200,
    body: {
      items: items.map((key) => ({
        key_id: key.keyId,
        name: key.name,
        prefix: key.prefix,
        publishable: isPublishable(key.scopes),
        scopes: key.scopes as Scope[],
        created_at: key.createdAt.toISOString(),
        expires_at: key.expiresAt?.toISOString() ?? null,
        last_used_at: key.lastUsedAt?.toISOString() ?? null,
        revoked_at: key.revokedAt?.toISOString() ?? null,
      })),
      next_cursor: nextCursor,
    },
  }
}

async function createApiKey(ctx: TenantContext, { body }: Request<'createApiKey'>): Promise<Reply<'createApiKey'>> {
  const key = await makeKey(ctx, {
    name: body.name,
    scopes: body.scopes,
    expiresAt: body.expires_at === undefined ? null : new Date(body.expires_at),
    replaces: body.replaces && {
      keyId: body.replaces.key_id.toLowerCase(),
      overlapHours: body.replaces.overlap_hours ?? DEFAULT_OVERLAP_HOURS,
    },
  })
  return {
    status: 201,
    headers: { Location: `/api/tenant/api-keys/${key.keyId}` },
    body: {
      key_id: key.keyId,
      name: key.name,
      prefix: key.prefix,
      publishable: isPublishable(key.scopes),
      scopes: key.scopes as Scope[],
      created_at: key.createdAt.toISOString(),
      expires_at: key.expiresAt?.toISOString() ?? null,
      api_key: key.apiKey,
    },
  }
}

async function revokeApiKey(ctx: TenantContext, { params }: Request<'revokeApiKey'>): Promise<Reply<'revokeApiKey'>> {
  await revokeKey(ctx, params.key_id.toLowerCase())
  return { status: 204 }
}

async function getAuditLog(ctx: TenantContext, { query }: Request<'getAuditLog'>): Promise<Reply<'getAuditLog'>> {
  const filter = {
    action: query.action,
    actorId: query.actor_id?.toLowerCase(),
    since: query.since === undefined ? undefined : new Date(query.since),
    until: query.until === undefined ? undefined : new Date(query.until),
  }
  const page = { limit: query.limit ?? DEFAULT_LIMIT, cursor: query.cursor }
  const { items, nextCursor } = await readLog(ctx, filter, page)
  return {
    status: 200,
    body: {
      items: items.map((entry) => ({
        entry_id: entry.entryId,
        occurred_at: entry.occurredAt.toISOString(),
        action: entry.action,
        actor: { kind: entry.actorKind, id: entry.actorId },
        target:
          entry.targetKind === null || entry.targetId === null ? null : { kind: entry.targetKind, id: entry.targetId },
        correlation_id: entry.correlationId,
        changes: entry.changes.map(({ pointer, before, after }) => ({ pointer, before, after })),
      })),
      next_cursor: nextCursor,
    },
  }
}

type TenantBody = Extract<Reply<'getTenant'>, { status: 200 }>['body']
type PathTransform = TenantBody['settings']['attribution']['path_transform']
type Scope = Extract<Reply<'createApiKey'>, { status: 201 }>['body']['scopes'][number]

function toTenant(ctx: TenantContext, { settings, ...tenant }: TenantDetails): TenantBody {
  return {
    tenant_id: ctx.tenantId,
    slug: tenant.slug,
    name: tenant.name,
    created_at: tenant.createdAt.toISOString(),
    updated_at: tenant.updatedAt.toISOString(),
    version: tenant.settingsVersion,
    settings: {
      time_zone: settings.timeZone,
      reporting_currency: settings.reportingCurrency,
      lookback_days: settings.lookbackDays,
      retention_days: settings.retentionDays,
      revenue_definition: {
        ...toWireParts(settings.revenueDefinition),
        effective_at: settings.revenueDefinition.effectiveAt.toISOString(),
      },
      allowed_origins: settings.allowedOrigins,
      channel_rules: {
        version: settings.channelRules.version,
        effective_at: settings.channelRules.effectiveAt.toISOString(),
        rules: settings.channelRules.rules as TenantBody['settings']['channel_rules']['rules'],
      },
      attribution: {
        version: settings.attribution.version,
        effective_at: settings.attribution.effectiveAt.toISOString(),
        models: settings.attribution.models as TenantBody['settings']['attribution']['models'],
        path_transform: toWireTransform(settings.attribution.pathTransform) as PathTransform,
      },
      reconciliation_thresholds: toWireThresholds(settings.reconciliationThresholds),
      alert_targets: settings.alertTargets as TenantBody['settings']['alert_targets'],
    },
  }
}

function toChange(body: Request<'updateTenantSettings'>['body']): SettingsChange {
  const { revenue_definition: parts, reconciliation_thresholds: thresholds } = body
  const change: { [Name in keyof SettingsChange]: SettingsChange[Name] | undefined } = {
    timeZone: body.time_zone,
    reportingCurrency: body.reporting_currency,
    lookbackDays: body.lookback_days,
    retentionDays: body.retention_days,
    revenueDefinition: parts && toParts(parts),
    allowedOrigins: body.allowed_origins,
    channelRules: body.channel_rules,
    attribution: body.attribution && toAttribution(body.attribution),
    reconciliationThresholds: thresholds && {
      matchedFrom: thresholds.matched_from,
      minorFrom: thresholds.minor_from,
      severeBelow: thresholds.severe_below,
      minCompleteness: thresholds.min_completeness,
      minConversions: thresholds.min_conversions,
    },
    alertTargets: body.alert_targets,
  }
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as SettingsChange
}

function toAttribution(
  attribution: NonNullable<Request<'updateTenantSettings'>['body']['attribution']>,
): AttributionSettings {
  const { name, ...parameters } = attribution.path_transform
  return { models: attribution.models, pathTransform: { name, parameters } }
}

function toParts(parts: NonNullable<Request<'updateTenantSettings'>['body']['revenue_definition']>): RevenueParts {
  return {
    includesTax: parts.includes_tax,
    includesShipping: parts.includes_shipping,
    includesTips: parts.includes_tips,
    subtractsDiscounts: parts.subtracts_discounts,
  }
}

export const tenantHandlers = {
  getTenant,
  updateTenantSettings,
  listMembers,
  inviteMember,
  removeMember,
  acceptInvite,
  listApiKeys,
  createApiKey,
  revokeApiKey,
  getAuditLog,
} satisfies Partial<Handlers>
