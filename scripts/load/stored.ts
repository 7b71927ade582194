import type { LoadWorld } from './world.ts'

/** Where a delivery ended up. */
export interface StoredRow {
  table: 'event' | 'dead'
  id: string
  tenantId: string
  endpointId: string
  sha256: string
}

/** What the database holds of the bodies with these hashes, whoever sent them. */
export async function readStored({ query }: LoadWorld, sha256s: Iterable<string>): Promise<StoredRow[]> {
  return query<StoredRow & { table: 'event' | 'dead' }>(
    `select 'event' as table, event_id as id, tenant_id as "tenantId", endpoint_id as "endpointId",
            encode(body_sha256, 'hex') as sha256
     from webhook_events where encode(body_sha256, 'hex') = any ($1)
     union all
     select 'dead', dead_event_id, tenant_id, endpoint_id, encode(body_sha256, 'hex')
     from dead_events where encode(body_sha256, 'hex') = any ($1)`,
    [[...new Set(sha256s)]],
  )
}

/** What should be there of one body at one door. */
export interface Wanted {
  name: string
  tenantId: string
  endpointId: string
  sha256: string
  /** `either`: once, wherever. */
  as: StoredRow['table'] | 'either'
  /** Ids that the answers named; each is the id of its row. */
  receipts: ReadonlySet<string>
}

/** Compares id by id; a sentence for each delivery that is not stored as it should be, and for each row that nobody sent. */
export function compareStored(wanted: Iterable<Wanted>, rows: readonly StoredRow[]): string[] {
  const key = (row: { tenantId: string; endpointId: string; sha256: string }) =>
    `${row.tenantId}/${row.endpointId}/${row.sha256}`
  const found = Map.groupBy(rows, key)
  const faults: string[] = []
  for (const want of wanted) {
    const { name, as, receipts } = want
    const own = found.get(key(want)) ?? []
    found.delete(key(want))
    const said = receipts.size === 0 ? 'never acknowledged' : `acknowledged as ${[...receipts].join(', ')}`
    if (own.length === 0) faults.push(`lost: ${name}, ${said}`)
    else if (own.length > 1) faults.push(`doubled: ${name} has ${own.length} rows`)
    else if (as !== 'either' && own[0]?.table !== as) faults.push(`misplaced: ${name} is ${own[0]?.table}, not ${as}`)
    const ids = new Set(own.map(({ id }) => id))
    for (const receipt of receipts) {
      if (own.length > 0 && !ids.has(receipt))
        faults.push(`false receipt: ${name} was told ${receipt}, which is not its row`)
    }
  }
  for (const rest of found.values())
    for (const { table, id } of rest) faults.push(`unasked: ${table} ${id} was sent by nobody`)
  return faults
}
