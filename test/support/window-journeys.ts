import { randomUUID } from 'node:crypto'
import type pg from 'pg'

/** A visitor's touches, and what they bought, as they are stored. */
export interface StoredJourney {
  /** 32 bytes; null for an order of which no visitor is known. Visitors count in the order of these. */
  identity: Buffer | null
  /** Where nobody is known they are those that the first order brought itself. */
  touches: readonly { channel: string; at: Date }[]
  orders: readonly StoredOrder[]
}

export interface StoredOrder {
  key: string
  at: Date
  amountMinor: number
  refundedMinor?: number
  currency?: string
  /** A key by which another vendor reports the same order: it alone says whose it is. */
  otherKey?: string
}

/** The n-th visitor. */
export function visitor(n: number): Buffer {
  const identity = Buffer.alloc(32)
  identity.writeUInt32BE(n, 0)
  return identity
}

/**
 * Stores journeys as ingestion leaves them, some hundred thousand rows in seconds: without foreign keys and triggers, but for the
 * change that means everything. `admin` is the superuser.
 */
export async function storeJourneys(
  admin: pg.Client,
  tenantId: string,
  journeys: readonly StoredJourney[],
): Promise<void> {
  const touches = journeys.flatMap(({ identity, touches, orders: [order] }) =>
    touches.map((touch) => ({ identity, orderKey: identity === null ? `own:${order?.key}` : null, ...touch })),
  )
  const orders = journeys.flatMap(({ identity, orders }) => orders.map((order) => ({ identity, ...order })))
  const refunds = orders.filter(({ refundedMinor = 0 }) => refundedMinor > 0)
  await admin.query('begin')
  await admin.query("set local session_replication_role = 'replica'")
  await admin.query(
    `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, order_key, item_sha256)
     select $1, 'server', $2 || n, t.identity, t.at, t.channel, t.order_key, sha256('x')
     from unnest($3::bytea[], $4::timestamptz[], $5::text[], $6::text[]) with ordinality as t (identity, at, channel, order_key, n)`,
    [
      tenantId,
      randomUUID(),
      touches.map(({ identity }) => identity),
      touches.map(({ at }) => at),
      touches.map(({ channel }) => channel),
      touches.map(({ orderKey }) => orderKey),
    ],
  )
  const facts = orders.flatMap((order) => {
    const { otherKey } = order
    if (otherKey === undefined) return [order]
    return [
      { ...order, identity: null },
      { ...order, key: otherKey },
    ]
  })
  await admin.query(
    `insert into order_facts (tenant_id, order_key, conversion_id, currency, ordered_at, identity)
     select $1, 'own:' || o.key, gen_random_uuid(), o.currency, o.at, o.identity
     from unnest($2::text[], $3::bytea[], $4::timestamptz[], $5::text[]) as o (key, identity, at, currency)`,
    [
      tenantId,
      facts.map(({ key }) => key),
      facts.map(({ identity }) => identity),
      facts.map(({ at }) => at),
      facts.map(({ currency = 'USD' }) => currency),
    ],
  )
  const grouped = orders.filter(({ otherKey }) => otherKey !== undefined)
  await admin.query(
    `insert into order_groups (tenant_id, order_key, group_key)
     select $1, 'own:' || g.other, 'own:' || g.key from unnest($2::text[], $3::text[]) as g (other, key)`,
    [tenantId, grouped.map(({ otherKey }) => otherKey), grouped.map(({ key }) => key)],
  )
  const entries = [
    ...orders.map((order) => ({ ...order, kind: 'capture', amount: order.amountMinor })),
    ...refunds.map((order) => ({ ...order, kind: 'refund', amount: -(order.refundedMinor ?? 0) })),
  ]
  await admin.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
     select $1, 'own:' || e.key || ':' || e.kind, 'own:' || e.key, e.kind, e.amount, e.currency, 'own', 'import', e.at
     from unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[]) as e (key, kind, amount, currency, at)`,
    [
      tenantId,
      entries.map(({ key }) => key),
      entries.map(({ kind }) => kind),
      entries.map(({ amount }) => amount),
      entries.map(({ currency = 'USD' }) => currency),
      entries.map(({ at }) => at),
    ],
  )
  await admin.query('insert into attribution_changes (tenant_id) values ($1)', [tenantId])
  await admin.query('commit')
  await admin.query('analyze touchpoints, order_facts, ledger_entries')
}
