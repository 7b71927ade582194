import { sql } from 'kysely'
import type { AttributionSettings } from '../../attribution/models/settings.ts'
import type { Tx } from '../../db/tenant.ts'
import type { ChannelRule, RevenueParts, Settings, Version } from './settings.ts'

export interface SettingsRow extends Omit<Settings, 'alertTargets'> {
  slug: string
  name: string
  createdAt: Date
  updatedAt: Date
  settingsVersion: number
  alertTargets: { keyVersion: number; sealed: Buffer } | null
}

/** Until the transaction ends, nobody else changes the tenant's settings. */
export async function lockSettings(tx: Tx, tenantId: string): Promise<void> {
  await tx.selectFrom('tenants').select('slug').where('tenant_id', '=', tenantId).forUpdate().executeTakeFirstOrThrow()
}

export async function getSettings(tx: Tx, tenantId: string): Promise<SettingsRow> {
  const { rows } = await sql<{
    row: SettingsRow
    keyVersion: number | null
    sealed: Buffer | null
    createdAt: Date
    updatedAt: Date
    definedAt: Date
    ruledAt: Date
    attributedAt: Date
  }>`
    select json_build_object(
             'slug', t.slug,
             'name', t.name,
             'settingsVersion', t.settings_version,
             'timeZone', t.time_zone,
             'reportingCurrency', t.reporting_currency,
             'lookbackDays', t.lookback_days,
             'retentionDays', t.retention_days,
             'revenueDefinition', json_build_object(
               'version', d.version,
               'includesTax', d.includes_tax,
               'includesShipping', d.includes_shipping,
               'includesTips', d.includes_tips,
               'subtractsDiscounts', d.subtracts_discounts),
             'channelRules', json_build_object('version', r.version, 'rules', r.rules),
             'attribution', json_build_object('version', m.version, 'models', m.models, 'pathTransform', m.path_transform),
             'reconciliationThresholds', json_build_object(
               'matchedFrom', t.matched_from,
               'minorFrom', t.minor_from,
               'severeBelow', t.severe_below,
               'minCompleteness', t.min_completeness,
               'minConversions', t.min_conversions),
             'allowedOrigins', array(
               select o.origin from tenant_allowed_origins as o where o.tenant_id = t.tenant_id order by o.position)
           )                                  as "row",
           a.key_version                      as "keyVersion",
           a.sealed,
           t.created_at                       as "createdAt",
           coalesce(t.updated_at, t.created_at) as "updatedAt",
           d.effective_at                     as "definedAt",
           r.effective_at                     as "ruledAt",
           m.effective_at                     as "attributedAt"
    from tenants as t
    join lateral (
      select v.version, v.effective_at, v.includes_tax, v.includes_shipping, v.includes_tips, v.subtracts_discounts
      from revenue_definitions as v where v.tenant_id = t.tenant_id order by v.version desc limit 1
    ) as d on true
    join lateral (
      select v.version, v.effective_at, v.rules
      from channel_rule_versions as v where v.tenant_id = t.tenant_id order by v.version desc limit 1
    ) as r on true
    join lateral (
      select v.version, v.effective_at, v.models, v.path_transform
      from attribution_setting_versions as v where v.tenant_id = t.tenant_id order by v.version desc limit 1
    ) as m on true
    left join tenant_alert_targets as a on a.tenant_id = t.tenant_id
    where t.tenant_id = ${tenantId}`.execute(tx)
  const [found] = rows
  if (found === undefined) throw new Error(`tenant ${tenantId} has no settings`)
  const { row, keyVersion, sealed, createdAt, updatedAt, definedAt, ruledAt, attributedAt } = found
  return {
    ...row,
    createdAt,
    updatedAt,
    revenueDefinition: { ...row.revenueDefinition, effectiveAt: definedAt },
    channelRules: { ...row.channelRules, effectiveAt: ruledAt },
    attribution: { ...row.attribution, effectiveAt: attributedAt },
    alertTargets: keyVersion === null || sealed === null ? null : { keyVersion, sealed },
  }
}

/** What `setSettings` can set: columns of the tenant itself. */
export type ColumnSettings = Partial<
  Pick<Settings, 'timeZone' | 'reportingCurrency' | 'lookbackDays' | 'retentionDays' | 'reconciliationThresholds'>
>

/** Counts the change, even where none of it is a column. Returns the version that the settings have now. */
export async function setSettings(tx: Tx, tenantId: string, change: ColumnSettings, changedAt: Date): Promise<number> {
  const { timeZone, reportingCurrency, lookbackDays, retentionDays, reconciliationThresholds: thresholds } = change
  const { version } = await tx
    .updateTable('tenants')
    .set(({ eb }) => ({
      settings_version: eb('settings_version', '+', 1),
      updated_at: changedAt,
      ...(timeZone !== undefined && { time_zone: timeZone }),
      ...(reportingCurrency !== undefined && { reporting_currency: reportingCurrency }),
      ...(lookbackDays !== undefined && { lookback_days: lookbackDays }),
      ...(retentionDays !== undefined && { retention_days: retentionDays }),
      ...(thresholds !== undefined && {
        matched_from: thresholds.matchedFrom,
        minor_from: thresholds.minorFrom,
        severe_below: thresholds.severeBelow,
        min_completeness: thresholds.minCompleteness,
        min_conversions: thresholds.minConversions,
      }),
    }))
    .where('tenant_id', '=', tenantId)
    .returning('settings_version as version')
    .executeTakeFirstOrThrow()
  return version
}

export async function insertRevenueDefinition(tx: Tx, tenantId: string, parts: RevenueParts & Version): Promise<void> {
  await tx
    .insertInto('revenue_definitions')
    .values({
      tenant_id: tenantId,
      version: parts.version,
      effective_at: parts.effectiveAt,
      includes_tax: parts.includesTax,
      includes_shipping: parts.includesShipping,
      includes_tips: parts.includesTips,
      subtracts_discounts: parts.subtractsDiscounts,
    })
    .execute()
}

export async function insertChannelRules(
  tx: Tx,
  tenantId: string,
  { version, effectiveAt, rules }: { rules: ChannelRule[] } & Version,
): Promise<void> {
  await tx
    .insertInto('channel_rule_versions')
    .values({ tenant_id: tenantId, version, effective_at: effectiveAt, rules: JSON.stringify(rules) })
    .execute()
}

export async function insertAttributionSettings(
  tx: Tx,
  tenantId: string,
  { version, effectiveAt, models, pathTransform }: AttributionSettings & Version,
): Promise<void> {
  await tx
    .insertInto('attribution_setting_versions')
    .values({
      tenant_id: tenantId,
      version,
      effective_at: effectiveAt,
      models: JSON.stringify(models),
      path_transform: JSON.stringify(pathTransform),
    })
    .execute()
}

export async function replaceAlertTargets(
  tx: Tx,
  tenantId: string,
  targets: { keyVersion: number; sealed: Buffer } | null,
  changedAt: Date,
): Promise<void> {
  if (targets === null) {
    await tx.deleteFrom('tenant_alert_targets').where('tenant_id', '=', tenantId).execute()
    return
  }
  const { keyVersion, sealed } = targets
  await tx
    .insertInto('tenant_alert_targets')
    .values({ tenant_id: tenantId, key_version: keyVersion, sealed, updated_at: changedAt })
    .onConflict((conflict) =>
      conflict.column('tenant_id').doUpdateSet({ key_version: keyVersion, sealed, updated_at: changedAt }),
    )
    .execute()
}

/** Whether Postgres knows the time zone too; fails the transaction with 22023 when it does not. */
export async function requireTimeZone(tx: Tx, name: string): Promise<void> {
  await sql`select now() at time zone ${name}`.execute(tx)
}
