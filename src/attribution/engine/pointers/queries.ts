import { type RawBuilder, sql } from 'kysely'
import type { Tx } from '../../../db/tenant.ts'
import { toArrayArray, toBytesArray, toPlainArray, toTextArray, toTimeArray } from '../columns.ts'
import type { CurrencyTotal, Tier } from '../order.ts'
import type { CountedMoney, CountedOrder } from '../runs/day.ts'

/** Which credits of an order hold. */
export interface Pointer extends CountedOrder {
  orderKey: string
  revision: number
  orderedAt: Date
  identityTier: Tier | 'none'
}

/** Those of these orders that have one. */
export async function readPointers(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  orderKeys: readonly string[],
): Promise<Map<string, Pointer>> {
  const { rows } = await sql<Omit<Pointer, 'money'> & StoredMoney>`
    select o.order_key as "orderKey", o.revision, o.ordered_at as "orderedAt", o.identity_tier as "identityTier", o.touches, o.input_sha256 as "inputSha256",
           o.output_sha256 as "outputSha256", ${moneyColumns('o')}
    from unnest(${orderKeys as string[]}::text[]) as k (order_key)
    cross join lateral (
      select p.*
      from attribution_orders as p
      where p.tenant_id = ${tenantId} and p.edition_id = ${editionId} and p.order_key = k.order_key
      offset 0
    ) as o`.execute(tx)
  return new Map(rows.map((row) => [row.orderKey, { ...row, money: toMoney(row) }]))
}

/** The orders of a UTC day as they are now. */
export async function listCountedOrders(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  day: string,
): Promise<CountedOrder[]> {
  const { rows } = await sql<Omit<CountedOrder, 'money'> & StoredMoney>`
    select o.touches, o.input_sha256 as "inputSha256", o.output_sha256 as "outputSha256", ${moneyColumns('o')}
    from attribution_orders as o
    where o.tenant_id = ${tenantId} and o.edition_id = ${editionId}
      and o.ordered_at > '-infinity'
      and o.ordered_at >= ${day}::date::timestamp at time zone 'UTC'
      and o.ordered_at < ${day}::date::timestamp at time zone 'UTC' + interval '24 hours'`.execute(tx)
  return rows.map((row) => ({ ...row, money: toMoney(row) }))
}

/** An order as a publication leaves it. */
export interface OrderRevision {
  orderKey: string
  orderedAtUs: number
  identityTier: Tier | 'none'
  touches: number
  totals: readonly CurrencyTotal[]
  inputSha256: Buffer
  outputSha256: Buffer
}

/** Lets the credits of this publication be those that hold. */
export async function setOrders(
  tx: Tx,
  { tenantId, editionId, number }: { tenantId: string; editionId: string; number: number },
  orders: readonly OrderRevision[],
): Promise<void> {
  const money = (read: (total: CurrencyTotal) => bigint) => toArrayArray(orders.map(({ totals }) => totals.map(read)))
  const reporting = orders.map(({ totals }) =>
    totals.some(({ reportingMinor }) => reportingMinor === null)
      ? null
      : totals.map(({ reportingMinor }) => reportingMinor ?? 0n),
  )
  await sql`
    insert into attribution_orders (tenant_id, edition_id, order_key, revision, ordered_at, identity_tier, touches, currencies,
                                    captured_minor, refunded_minor, over_refunded_minor, reporting_minor, input_sha256, output_sha256)
    select ${tenantId}::uuid, ${editionId}::uuid, o.order_key, ${number}::integer,
           o.ordered_at, o.tier, o.touches, o.currencies::text[],
           o.captured::bigint[], o.refunded::bigint[], o.over_refunded::bigint[], o.reporting::bigint[], o.input, o.output
    from unnest(${toTextArray(orders.map(({ orderKey }) => orderKey))}::text[],
                ${toTimeArray(orders.map(({ orderedAtUs }) => orderedAtUs))}::timestamptz[],
                ${toPlainArray(orders.map(({ identityTier }) => identityTier))}::text[],
                ${toPlainArray(orders.map(({ touches }) => touches))}::integer[],
                ${toArrayArray(orders.map(({ totals }) => totals.map(({ currency }) => currency)))}::text[],
                ${money(({ capturedMinor }) => capturedMinor)}::text[], ${money(({ refundedMinor }) => refundedMinor)}::text[],
                ${money(({ overRefundedMinor }) => overRefundedMinor)}::text[], ${toArrayArray(reporting)}::text[],
                ${toBytesArray(orders.map(({ inputSha256 }) => inputSha256))}::bytea[],
                ${toBytesArray(orders.map(({ outputSha256 }) => outputSha256))}::bytea[])
           as o (order_key, ordered_at, tier, touches, currencies, captured, refunded, over_refunded, reporting, input, output)
    on conflict (tenant_id, edition_id, order_key) do update
      set revision = excluded.revision, ordered_at = excluded.ordered_at, identity_tier = excluded.identity_tier,
          touches = excluded.touches, currencies = excluded.currencies, captured_minor = excluded.captured_minor,
          refunded_minor = excluded.refunded_minor, over_refunded_minor = excluded.over_refunded_minor,
          reporting_minor = excluded.reporting_minor, input_sha256 = excluded.input_sha256,
          output_sha256 = excluded.output_sha256`.execute(tx)
}

/** Of keys that are no orders any more. */
export async function deleteOrders(
  tx: Tx,
  { tenantId, editionId }: { tenantId: string; editionId: string },
  orderKeys: readonly string[],
): Promise<void> {
  await sql`
    delete from attribution_orders
    where tenant_id = ${tenantId} and edition_id = ${editionId} and order_key = any (${orderKeys as string[]}::text[])`.execute(
    tx,
  )
}

/** The money of an order as it is stored: by currency, minor units. */
interface StoredMoney {
  currencies: string[]
  captured: string[]
  refunded: string[]
  overRefunded: string[]
}

/** Columns of attribution_orders. */
function moneyColumns(table: string): RawBuilder<unknown> {
  const text = (column: string) => sql`${sql.ref(`${table}.${column}`)}::text[]`
  return sql`${sql.ref(`${table}.currencies`)} as currencies, ${text('captured_minor')} as captured,
    ${text('refunded_minor')} as refunded, ${text('over_refunded_minor')} as "overRefunded"`
}

function toMoney({ currencies, captured, refunded, overRefunded }: StoredMoney): CountedMoney[] {
  return currencies.map((currency, index) => ({
    currency,
    capturedMinor: BigInt(captured[index] ?? 0),
    refundedMinor: BigInt(refunded[index] ?? 0),
    overRefundedMinor: BigInt(overRefunded[index] ?? 0),
  }))
}
