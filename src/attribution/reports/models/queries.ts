import { sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import { type EditionConfig, fromStored } from '../../engine/editions/config.ts'

/** What the figures of a tenant are computed by. */
export interface PublishedEdition {
  editionId: string
  number: number
  config: EditionConfig
}

/** The edition that answers, or undefined before the first is whole. */
export async function findPublishedEdition(tx: Tx, tenantId: string): Promise<PublishedEdition | undefined> {
  const { rows } = await sql<PublishedEdition>`
    select e.edition_id as "editionId", e.number, e.config
    from attribution_editions as e
    where e.tenant_id = ${tenantId} and e.status = 'published'`.execute(tx)
  const [edition] = rows
  return edition && { ...edition, config: fromStored(edition.config) }
}
