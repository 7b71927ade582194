import { expect, onTestFinished, test } from 'vitest'
import { givenBooks, readShares } from '../../support/books.ts'
import { startPlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, workerContext } from '../../support/worker.ts'

// Such as a shop's order, of which a payment service tells of the refund alone: its payment came before the endpoint was there.
test('a refund under another key of the order counts, also where nothing else is known under that key', async () => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  const books = await givenBooks(admin, tenantId)
  await books.addOrders([{ key: 'one', at: new Date('2026-03-10T12:00:00Z'), amount: 1_000, visitor: 'ann' }])
  await books.addRefund({ order: 'payment', at: new Date('2026-03-11T12:00:00Z'), amount: 400 })
  await admin.query(
    `insert into order_groups (tenant_id, order_key, group_key)
     select $1, 'stripe:' || k, 'stripe:one' from unnest(array['one', 'payment']) as k`,
    [tenantId],
  )
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual(['one (unattributed) - 600'])
  const query = { start_date: '2026-03-10', end_date: '2026-03-12' }
  const [days, channels] = await Promise.all(
    (['getDailyRevenue', 'getChannelAttribution'] as const).map((operation) => platform.call(operation, { query })),
  )
  expect(channels?.body.net_revenue).toEqual(days?.body.net_revenue)
})
