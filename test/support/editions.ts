import { givenBooks } from './books.ts'
import type { TestPlatform, TestTenant } from './platform.ts'
import { connectAs, type OnTestFinished } from './rows.ts'
import { bringUp, workerContext } from './worker.ts'

/** The day of all orders. */
export const DAY = '2026-03-10'
const at = (hour: number, day = 10) => new Date(Date.UTC(2026, 2, day, hour))

/**
 * A tenant whose orders were attributed by three editions: the first by the initial settings, the second by other weights of
 * `position`, and the third by a lookback of a week. Order `one` (10.00 USD, touches of email, display and direct, of which the first
 * is nine days old) was there at once; `two` (5.00 USD, sms) came while the second edition answered.
 */
export async function givenEditions(platform: TestPlatform, onTestFinished: OnTestFinished): Promise<TestTenant> {
  const tenant = await platform.createTenant()
  const { tenantId } = tenant
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const books = await givenBooks(admin, tenantId)
  const ctx = workerContext(platform, tenant, onTestFinished)
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: at(9, 1), channel: 'email' },
    { id: 't2', visitor: 'ann', at: at(9, 8), channel: 'display' },
    { id: 't3', visitor: 'ann', at: at(9, 9), channel: 'direct' },
    { id: 't4', visitor: 'ben', at: at(9, 9), channel: 'sms' },
  ])
  await books.addOrders([{ key: 'one', at: at(12), amount: 1_000, visitor: 'ann' }])
  await bringUp(ctx)
  await admin.query(
    `insert into attribution_setting_versions (tenant_id, version, models)
     values ($1, 2, '{"position": {"first": 1, "middle": 0, "last": 3}}')`,
    [tenantId],
  )
  await bringUp(ctx)
  await books.addOrders([{ key: 'two', at: at(13), amount: 500, visitor: 'ben' }])
  await bringUp(ctx)
  await admin.query('update tenants set lookback_days = 7 where tenant_id = $1', [tenantId])
  await bringUp(ctx)
  return tenant
}
