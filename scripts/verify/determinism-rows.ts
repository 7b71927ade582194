import type pg from 'pg'

export interface Statement {
  text: string
  values: unknown[]
}

const BASE = Date.parse('2026-03-08T05:00:00Z')
const HOUR = 3_600_000
const at = (hours: number) => new Date(BASE + hours * HOUR)

/** Twenty orders of six visitors over two weeks in which clocks change, touches between them, some at one instant, and refunds. */
export function storyOf(tenantId: string): Statement[] {
  const visitor = (n: number) => `visitor ${n % 6}`
  const orders = Array.from({ length: 20 }, (_, n) => [
    {
      text: `insert into order_facts (tenant_id, order_key, event_id, currency, ordered_at, identity)
             values ($1, 'stripe:' || $2::text, $1, 'USD', $3, sha256($4::bytea))`,
      values: [tenantId, n, at(n * 17), n % 7 === 6 ? null : visitor(n)],
    },
    {
      text: `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
             values ($1, 'capture ' || $2::text, 'stripe:' || $2::text, 'capture', $3, 'USD', 'stripe', $1, $4)`,
      values: [tenantId, n, 1_000 + n * 37, at(n * 17)],
    },
  ])
  const touches = Array.from({ length: 40 }, (_, n) => ({
    text: `insert into touchpoints (tenant_id, origin, external_id, identity, occurred_at, channel, item_sha256)
           values ($1, 'server', 'touch-' || $2::text, sha256($3::bytea), $4, $5, sha256('x'))`,
    values: [tenantId, n, visitor(n), at(Math.floor(n / 2) * 17 - 5), ['email', 'sms', 'direct'][n % 3]],
  }))
  const refunds = [3, 3, 8, 11, 12].map((order, n) => ({
    text: `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, event_id, occurred_at)
           values ($1, 'refund ' || $2::text, 'stripe:' || $3::text, 'refund', $4, 'USD', 'stripe', $1, $5)`,
    values: [tenantId, n, order, -(300 + n * 400), at(400 + (n % 2))],
  }))
  return [...orders.flat(), ...touches, ...refunds]
}

/** A tenant with the delivery that the story is told by. */
export async function insertTenant(admin: pg.Client, tenantId: string, number: number): Promise<void> {
  await admin.query(
    `insert into tenants (tenant_id, slug, name, reporting_currency, time_zone)
     values ($1, 'verify-' || $2::text, 'Verification', 'USD', 'America/New_York')`,
    [tenantId, number],
  )
  await admin.query(
    `insert into webhook_endpoints (tenant_id, endpoint_id, vendor, name, endpoint_key)
     values ($1::uuid, $1::uuid, 'stripe', 'Verification', left(encode(sha256(($1::uuid)::text::bytea), 'hex'), 43))`,
    [tenantId],
  )
  await admin.query(
    `insert into webhook_events (tenant_id, event_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test, is_handled, correlation_id)
     values ($1::uuid, $1::uuid, 'stripe', 'evt_1', $1::uuid, 'charge.succeeded', sha256('x'), '{}', false, true, $1::uuid)`,
    [tenantId],
  )
}
