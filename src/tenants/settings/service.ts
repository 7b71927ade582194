import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { requestPublication } from '../../attribution/recompute/service.ts'
import type { TenantContext } from '../../context.ts'
import { sqlState } from '../../db/errors.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { matchesTag } from '../../etag.ts'
import { ProblemError } from '../../problem/problem.ts'
import { openAlertTargets, sealAlertTargets, unwrapTenantKey } from '../../secrets/keyring.ts'
import { setAllowedOrigins, toAllowedOrigin } from '../allowed-origins.ts'
import { recordAudit } from '../audit.ts'
import { getTenantKey, listTenantKeys } from '../queries.ts'
import { findSettingsFaults } from './checks.ts'
import {
  getSettings,
  insertAttributionSettings,
  insertChannelRules,
  insertRevenueDefinition,
  lockSettings,
  replaceAlertTargets,
  requireTimeZone,
  type SettingsRow,
  setSettings,
} from './queries.ts'
import type { AlertTargets, RevenueParts, Settings, SettingsChange, Version } from './settings.ts'

export interface TenantDetails {
  etag: string
  slug: string
  name: string
  createdAt: Date
  updatedAt: Date
  settingsVersion: number
  settings: Settings
}

/** `tenant` is null where the caller holds the current one (`ifNoneMatch`). */
export function getTenant(
  ctx: TenantContext,
  { ifNoneMatch }: { ifNoneMatch: string | undefined },
): Promise<{ etag: string; tenant: TenantDetails | null }> {
  return inTenant(ctx.db.main, ctx, async (tx) => {
    const tenant = await readTenant(ctx, tx)
    return { etag: tenant.etag, tenant: matchesTag(ifNoneMatch, tenant.etag) ? null : tenant }
  })
}

/**
 * Replaces the settings that `change` names and that differ; what is calculated from then on uses them. Throws
 * `precondition_failed` unless `ifMatch` is the current tag, and `validation_failed`.
 */
export async function updateTenantSettings(
  ctx: TenantContext,
  { ifMatch, change }: { ifMatch: string; change: SettingsChange },
): Promise<TenantDetails> {
  const faults = findSettingsFaults(change)
  if (faults.length > 0) throw invalid(faults)
  return inTenant(ctx.db.main, ctx, async (tx) => {
    await lockSettings(tx, ctx.tenantId)
    const before = await readTenant(ctx, tx)
    if (before.etag !== ifMatch) {
      throw new ProblemError('precondition_failed', 'The settings have changed since you read them. Read them again.')
    }
    const wanted = keepChanges(before.settings, change)
    if (Object.keys(wanted).length === 0) return before
    await writeChanges(ctx, tx, before, wanted)
    const after = await readTenant(ctx, tx)
    await recordAudit(tx, {
      actor: ctx.principal,
      action: 'settings.updated',
      subject: `tenant:${ctx.tenantId}`,
      changes: describeChanges(before, after, wanted),
    })
    return after
  })
}

async function readTenant(ctx: TenantContext, tx: Tx): Promise<TenantDetails> {
  const { slug, name, createdAt, updatedAt, settingsVersion, alertTargets, ...settings } = await getSettings(
    tx,
    ctx.tenantId,
  )
  return {
    etag: toEtag(ctx.tenantId, settingsVersion),
    slug,
    name,
    createdAt,
    updatedAt,
    settingsVersion,
    settings: { ...settings, alertTargets: await openTargets(ctx, tx, alertTargets) },
  }
}

async function openTargets(ctx: TenantContext, tx: Tx, stored: SettingsRow['alertTargets']): Promise<AlertTargets> {
  if (stored === null) return { emails: [], webhooks: [] }
  const keys = await listTenantKeys(tx, ctx.tenantId)
  const key = keys.find(({ version }) => version === stored.keyVersion)
  if (key === undefined) throw new Error(`the tenant has no data key ${stored.keyVersion}`)
  return JSON.parse(openAlertTargets(unwrapTenantKey(ctx.keys, key), stored.sealed)) as AlertTargets
}

/** Without what is as it was. Origins come in the form in which they are stored. */
function keepChanges(current: Settings, change: SettingsChange): SettingsChange {
  const { revenueDefinition, channelRules, attribution, ...rest } = current
  const before: SettingsChange = {
    ...rest,
    revenueDefinition: withoutVersion(revenueDefinition),
    channelRules: channelRules.rules,
    attribution: withoutVersion(attribution),
  }
  const wanted: SettingsChange = { ...change }
  if (change.allowedOrigins !== undefined) {
    wanted.allowedOrigins = [...new Set(change.allowedOrigins.map((text) => toAllowedOrigin(text) ?? text))]
  }
  for (const name of Object.keys(wanted) as (keyof SettingsChange)[]) {
    if (isDeepStrictEqual(wanted[name], before[name])) delete wanted[name]
  }
  return wanted
}

function withoutVersion<Setting extends Version>({ version, effectiveAt, ...setting }: Setting) {
  return setting
}

async function writeChanges(
  ctx: TenantContext,
  tx: Tx,
  { settings }: TenantDetails,
  { revenueDefinition, allowedOrigins, channelRules, attribution, alertTargets, ...columns }: SettingsChange,
): Promise<void> {
  const { tenantId } = ctx
  const effectiveAt = ctx.clock()
  if (columns.timeZone !== undefined) await requireKnownTimeZone(tx, columns.timeZone)
  if (revenueDefinition !== undefined) {
    const version = settings.revenueDefinition.version + 1
    await insertRevenueDefinition(tx, tenantId, { ...revenueDefinition, version, effectiveAt })
  }
  if (channelRules !== undefined) {
    const version = settings.channelRules.version + 1
    await insertChannelRules(tx, tenantId, { rules: channelRules, version, effectiveAt })
  }
  if (attribution !== undefined) {
    const version = settings.attribution.version + 1
    await insertAttributionSettings(tx, tenantId, { ...attribution, version, effectiveAt })
  }
  if (allowedOrigins !== undefined) await setAllowedOrigins(tx, tenantId, allowedOrigins)
  if (alertTargets !== undefined) {
    await replaceAlertTargets(tx, tenantId, await sealTargets(ctx, tx, alertTargets), effectiveAt)
  }
  await setSettings(tx, tenantId, columns, effectiveAt)
  const { lookbackDays, reportingCurrency } = columns
  const deciding = [revenueDefinition, channelRules, attribution, lookbackDays, reportingCurrency]
  if (deciding.some((setting) => setting !== undefined)) await requestPublication(tx, ctx)
}

async function sealTargets(
  ctx: TenantContext,
  tx: Tx,
  targets: AlertTargets,
): Promise<{ keyVersion: number; sealed: Buffer } | null> {
  if (targets.emails.length === 0 && targets.webhooks.length === 0) return null
  const key = unwrapTenantKey(ctx.keys, await getTenantKey(tx, ctx.tenantId))
  return { keyVersion: key.version, sealed: sealAlertTargets(key, JSON.stringify(targets)) }
}

/** Node and Postgres have lists of their own; a name is good when both know it. */
async function requireKnownTimeZone(tx: Tx, name: string): Promise<void> {
  try {
    await requireTimeZone(tx, name)
  } catch (cause) {
    if (sqlState(cause) !== '22023') throw cause
    throw invalid([{ pointer: '/body/time_zone', code: 'time_zone', detail: 'There is no such time zone.' }])
  }
}

/** Rules by version, since they may be long and each version is kept; alert targets hold addresses and secrets: neither value. */
function describeChanges(
  before: TenantDetails,
  after: TenantDetails,
  wanted: SettingsChange,
): Record<string, { before?: unknown; after?: unknown }> {
  const changes: Record<string, { before?: unknown; after?: unknown }> = {
    '/version': { before: before.settingsVersion, after: after.settingsVersion },
  }
  const [old, now] = [before.settings, after.settings]
  const add = (pointer: string, read: (settings: Settings) => unknown) => {
    changes[`/settings/${pointer}`] = { before: read(old), after: read(now) }
  }
  if (wanted.timeZone !== undefined) add('time_zone', ({ timeZone }) => timeZone)
  if (wanted.reportingCurrency !== undefined) add('reporting_currency', ({ reportingCurrency }) => reportingCurrency)
  if (wanted.lookbackDays !== undefined) add('lookback_days', ({ lookbackDays }) => lookbackDays)
  if (wanted.retentionDays !== undefined) add('retention_days', ({ retentionDays }) => retentionDays)
  if (wanted.revenueDefinition !== undefined) add('revenue_definition', (s) => toWireParts(s.revenueDefinition))
  if (wanted.allowedOrigins !== undefined) add('allowed_origins', ({ allowedOrigins }) => allowedOrigins)
  if (wanted.channelRules !== undefined) add('channel_rules/version', ({ channelRules }) => channelRules.version)
  if (wanted.attribution !== undefined) {
    add('attribution/version', ({ attribution }) => attribution.version)
    add('attribution/models', ({ attribution }) => attribution.models)
    add('attribution/path_transform', ({ attribution }) => toWireTransform(attribution.pathTransform))
  }
  if (wanted.reconciliationThresholds !== undefined)
    add('reconciliation_thresholds', (s) => toWireThresholds(s.reconciliationThresholds))
  if (wanted.alertTargets !== undefined) add('alert_targets', () => undefined)
  return changes
}

/** As the contract spells them. */
export function toWireParts(parts: RevenueParts & { version: number }) {
  return {
    version: parts.version,
    includes_tax: parts.includesTax,
    includes_shipping: parts.includesShipping,
    includes_tips: parts.includesTips,
    subtracts_discounts: parts.subtractsDiscounts,
  }
}

export function toWireTransform({ name, parameters }: Settings['attribution']['pathTransform']) {
  return { name, ...parameters }
}

export function toWireThresholds(thresholds: Settings['reconciliationThresholds']) {
  return {
    matched_from: thresholds.matchedFrom,
    minor_from: thresholds.minorFrom,
    severe_below: thresholds.severeBelow,
    min_completeness: thresholds.minCompleteness,
    min_conversions: thresholds.minConversions,
  }
}

/** Strong: every change counts the version up. */
function toEtag(tenantId: string, settingsVersion: number): string {
  const hash = createHash('sha256').update(`settings|${tenantId}|${settingsVersion}`).digest('base64url')
  return `"${hash}"`
}

function invalid(errors: { pointer: string; code: string; detail: string }[]): ProblemError {
  return new ProblemError('validation_failed', 'The request does not match the contract.', { errors })
}
