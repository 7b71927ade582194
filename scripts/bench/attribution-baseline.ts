import { sql } from 'kysely'
import type { TenantContext } from '../../src/context.ts'
import { inTenant } from '../../src/db/tenant.ts'

/** For the rows of the baseline: logged and under the template, as the real ones. */
export const BASELINE_TABLE = `
  set role skeldir_owner;
  create table bench_allocations (
    tenant_id uuid not null, order_key text not null, touch_id text not null, channel text not null, share float8 not null,
    amount_minor bigint not null, primary key (tenant_id, order_key, touch_id));
  call internal.isolate_by_tenant('bench_allocations', array['app_worker']);
  grant select, insert, update on bench_allocations to app_worker;
  reset role`

/**
 * The method of the system that this one takes the place of: an order at a time, each with its touches, and a statement for each
 * row of its even split. Milliseconds for these orders.
 */
export async function runRowByRow(ctx: TenantContext, orders: number): Promise<number> {
  const { tenantId } = ctx
  const { rows } = await inTenant(ctx.db.main, ctx, (tx) =>
    sql<{ orderKey: string }>`
      select f.order_key as "orderKey" from order_facts as f where f.tenant_id = ${tenantId} order by f.ordered_at limit ${orders}`.execute(
      tx,
    ),
  )
  const started = performance.now()
  for (const { orderKey } of rows) {
    await inTenant(ctx.db.main, ctx, async (tx) => {
      const entry = await sql<{ amountMinor: bigint }>`
        select l.amount_minor as "amountMinor" from ledger_entries as l
        where l.tenant_id = ${tenantId} and l.order_key = ${orderKey} and l.kind = 'capture'`.execute(tx)
      const touches = await sql<{ touchId: string; channel: string }>`
        select t.external_id as "touchId", t.channel
        from order_facts as f
        join touchpoints as t on t.tenant_id = ${tenantId} and t.identity = f.identity and t.occurred_at <= f.ordered_at
        where f.tenant_id = ${tenantId} and f.order_key = ${orderKey}`.execute(tx)
      const total = entry.rows[0]?.amountMinor ?? 0n
      for (const { touchId, channel } of touches.rows) {
        const share = 1 / touches.rows.length
        await sql`
          insert into bench_allocations (tenant_id, order_key, touch_id, channel, share, amount_minor)
          values (${tenantId}::uuid, ${orderKey}, ${touchId}, ${channel}, ${share}, ${String(Math.floor(Number(total) * share))}::bigint)
          on conflict (tenant_id, order_key, touch_id) do update set share = excluded.share, amount_minor = excluded.amount_minor`.execute(
          tx,
        )
      }
    })
  }
  return performance.now() - started
}
