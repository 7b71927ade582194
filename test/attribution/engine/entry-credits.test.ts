import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { listLiveEditions } from '../../../src/attribution/engine/editions/queries.ts'
import type { CreditedEntry, OrderTouch, Part } from '../../../src/attribution/engine/order.ts'
import { addRow, createBatch, toRows, toSend } from '../../../src/attribution/engine/orders/batch.ts'
import { getCreditRowType, insertCredits } from '../../../src/attribution/engine/orders/queries.ts'
import { inTenant } from '../../../src/db/tenant.ts'
import { givenBooks } from '../../support/books.ts'
import { startPlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, workerContext } from '../../support/worker.ts'

const MODELS = 2
const LARGEST = 2n ** 63n - 1n
const AT = Date.parse('2026-03-01T00:00:00Z') * 1_000

async function givenWorker() {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  return { platform, admin, ctx, tenantId: platform.tenant.tenantId }
}

/** Postgres has no text with a zero, and pairs of surrogates only. */
const text = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 12 })
  .filter((value) => !value.includes('\0') && value.isWellFormed())
const name = fc.oneof(
  text,
  fc.constantFrom('a,b', '{}', '"quoted"', 'back\\slash', 'NULL', '(unattributed)', 'é', '漢字', '🛒'),
)
const amount: fc.Arbitrary<Part> = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: -LARGEST, max: LARGEST }).filter((value) => !Number.isSafeInteger(Number(value))),
)

const journey: fc.Arbitrary<OrderTouch[]> = fc.array(
  fc.record({
    occurredAtUs: fc.integer({ min: AT - 2 ** 46, max: AT }),
    origin: fc.constantFrom('server', 'order'),
    externalId: name,
    channel: name,
    campaign: fc.option(name),
    tier: fc.constantFrom('visitor_id', 'click_id', 'vendor_journey', 'landing_page'),
  }),
  { maxLength: 40 },
)

const credited = journey.chain((touches) => {
  const places = Math.max(touches.length, 1)
  const table = (part: fc.Arbitrary<Part>) =>
    fc.array(fc.array(part, { minLength: places, maxLength: places }), { minLength: MODELS, maxLength: MODELS })
  return fc.record({
    touches: fc.constant(touches),
    revenueMinor: fc.oneof(table(amount), fc.constant([])),
    conversionMicro: fc.oneof(table(fc.integer({ min: 0, max: 1_000_000 })), fc.constant([])),
    reporting: fc.oneof(fc.constant('same' as const), fc.constant(null), table(amount)),
  })
})

test('what the worker sends is what is stored, touch by touch', async () => {
  const { admin, ctx, tenantId } = await givenWorker()
  await fc.assert(
    fc.asyncProperty(credited, async ({ touches, revenueMinor, conversionMicro, reporting }) => {
      const entry = {
        entryKey: randomUUID(),
        kind: 'capture',
        amountMinor: 1n,
        currency: 'USD',
        reverses: null,
        occurredAtUs: AT,
      } as const
      const reportingMinor = reporting === 'same' ? revenueMinor : reporting
      const one: CreditedEntry = { entry, revenueMinor, conversionMicro, reportingMinor }
      const batch = createBatch(MODELS)
      for (const row of toRows({ orderKey: 'own:1', orderedAtUs: AT + 1, journey: touches }, one)) addRow(batch, row)
      const edition = { tenantId, editionId: tenantId, number: 1 }
      await inTenant(
        ctx.db.main,
        ctx,
        async (tx) => insertCredits(tx, edition, toSend(batch, await getCreditRowType(tx))),
        { executionContext: 'worker' },
      )
      const { rows } = await admin.query(
        `select position, channel, campaign, touch_origin as origin, touch_external_id as "externalId", tier,
                (extract(epoch from touched_at) * 1000000)::bigint::text as at,
                (extract(epoch from ordered_at) * 1000000)::bigint::text as ordered,
                revenue_minor::text[] as revenue, conversion_micro::text[] as conversion, reporting_minor::text[] as reporting
         from attribution_order_credits where tenant_id = $1 and entry_key = $2 order by position`,
        [tenantId, entry.entryKey],
      )
      const of = (table: CreditedEntry['revenueMinor'], place: number) =>
        Array.from({ length: MODELS }, (_, model) => String(table[model]?.[place] ?? 0))
      const none = { channel: '(unattributed)', campaign: null, origin: null, externalId: null, tier: null, at: null }
      const expected = (
        touches.length === 0
          ? [none]
          : touches.map(({ occurredAtUs, ...touch }) => ({ ...touch, at: String(occurredAtUs) }))
      ).map((touch, position) => ({
        ...touch,
        position,
        ordered: String(AT + 1),
        revenue: of(revenueMinor, position),
        conversion: of(conversionMicro, position),
        reporting: reportingMinor === null ? null : of(reportingMinor, position),
      }))
      expect(rows).toEqual(expected)
    }),
    { numRuns: 60 },
  )
})

test('a release that stores credits by touch goes on, and both kinds are read', async () => {
  const { platform, admin, ctx, tenantId } = await givenWorker()
  const books = await givenBooks(admin, tenantId)
  await books.addTouches([{ id: 't1', visitor: 'ann', at: new Date(AT / 1_000) }])
  await books.addOrders([{ key: '1', at: new Date(AT / 1_000 + 60_000), amount: 700, visitor: 'ann' }])
  await bringUp(ctx)
  const [edition] = await inTenant(ctx.db.main, ctx, (tx) => listLiveEditions(tx, tenantId))
  const models = edition?.config.models.length ?? 0
  const worker = await connectAs(platform.database, 'app_worker', onTestFinished)
  await worker.query('begin')
  await worker.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
  await worker.query(
    `insert into attribution_order_credits (tenant_id, edition_id, order_key, revision, entry_key, position, kind, currency,
                                            ordered_at, occurred_at, channel, revenue_minor, conversion_micro, reporting_minor)
     values ($1, $2, 'stripe:2', 1, 'e', 0, 'capture', 'USD', now(), now(), 'sms', array_fill(5::bigint, array[$3::integer]),
             array_fill(1000000::bigint, array[$3::integer]), null)`,
    [tenantId, edition?.editionId, models],
  )
  await worker.query('commit')
  const { rows } = await admin.query(
    `select order_key as key, channel, position, cardinality(revenue_minor) as models, revenue_minor[1] as revenue,
            reporting_minor[1] as reporting
     from attribution_order_credits where tenant_id = $1 order by order_key`,
    [tenantId],
  )
  expect(rows).toEqual([
    { key: 'stripe:1', channel: 'email', position: 0, models, revenue: '700', reporting: '700' },
    { key: 'stripe:2', channel: 'sms', position: 0, models, revenue: '5', reporting: null },
  ])
})
