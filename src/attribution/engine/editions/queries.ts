import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import { type EditionConfig, type FigureSettings, fromStored } from './config.ts'

/** What all figures of a tenant are computed by, and how far they are. */
export interface Edition {
  editionId: string
  config: EditionConfig
  configSha256: Buffer
  status: 'building' | 'published'
  /** Orders before this moment are computed; as the database writes it, `-infinity` among others. */
  builtUntil: string
  /** The number of the last publication. */
  publications: number
}

/** The published edition and the one that is being built, where there are such. */
export async function listLiveEditions(tx: Tx, tenantId: string): Promise<Edition[]> {
  const { rows } = await sql<Edition>`
    select e.edition_id as "editionId", e.config, e.config_sha256 as "configSha256", e.status, e.built_until::text as "builtUntil",
           e.publications
    from attribution_editions as e
    where e.tenant_id = ${tenantId} and e.status in ('building', 'published')
    order by e.number`.execute(tx)
  return rows.map((edition) => ({ ...edition, config: fromStored(edition.config) }))
}

export async function insertEdition(
  tx: Tx,
  tenantId: string,
  { config, configSha256 }: { config: EditionConfig; configSha256: Buffer },
): Promise<void> {
  await sql`
    insert into attribution_editions (tenant_id, number, config, config_sha256, models)
    select ${tenantId}::uuid, coalesce(max(e.number), 0) + 1, ${JSON.stringify(config)}::jsonb, ${configSha256},
           ${config.models.map(({ name }) => name)}::text[]
    from attribution_editions as e
    where e.tenant_id = ${tenantId}`.execute(tx)
}

/** It answers from the moment at which the transaction commits, and the one before it does not. */
export async function publishEdition(tx: Tx, tenantId: string, editionId: string): Promise<void> {
  await sql`
    update attribution_editions set status = 'superseded' where tenant_id = ${tenantId} and status = 'published'`.execute(
    tx,
  )
  await sql`
    update attribution_editions set status = 'published', published_at = now()
    where tenant_id = ${tenantId} and edition_id = ${editionId}`.execute(tx)
}

/** Of one that is not wanted any more before it was whole. */
export async function giveUpEdition(tx: Tx, tenantId: string, editionId: string): Promise<void> {
  await sql`
    update attribution_editions set status = 'superseded'
    where tenant_id = ${tenantId} and edition_id = ${editionId}`.execute(tx)
}

export async function setProgress(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  builtUntil: Date | 'infinity',
): Promise<void> {
  const until = builtUntil === 'infinity' ? builtUntil : builtUntil.toISOString()
  await sql`
    update attribution_editions set built_until = ${until}::timestamptz
    where tenant_id = ${tenantId} and edition_id = ${editionId}`.execute(tx)
}

export async function setPublications(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  publications: number,
): Promise<void> {
  await sql`
    update attribution_editions set publications = ${publications}
    where tenant_id = ${tenantId} and edition_id = ${editionId}`.execute(tx)
}

/** What decides about the figures of a tenant, as it is set now. */
export async function getFigureSettings(tx: Tx, tenantId: string): Promise<FigureSettings> {
  const { rows } = await sql<FigureSettings>`
    select t.lookback_days as "lookbackDays", t.reporting_currency as "reportingCurrency",
           (select max(r.version) from channel_rule_versions as r where r.tenant_id = t.tenant_id) as "channelRulesVersion",
           (select json_build_object('version', d.version, 'includesTax', d.includes_tax, 'includesShipping', d.includes_shipping,
                                     'includesTips', d.includes_tips, 'subtractsDiscounts', d.subtracts_discounts)
            from revenue_definitions as d where d.tenant_id = t.tenant_id order by d.version desc limit 1) as "revenueDefinition",
           (select json_build_object('version', a.version, 'models', a.models, 'pathTransform', a.path_transform)
            from attribution_setting_versions as a where a.tenant_id = t.tenant_id order by a.version desc limit 1) as attribution
    from tenants as t
    where t.tenant_id = ${tenantId}`.execute(tx)
  const [row] = rows
  if (row === undefined) throw new Error(`tenant ${tenantId} has no settings`)
  return row
}
