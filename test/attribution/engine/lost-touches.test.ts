import { expect, onTestFinished, test } from 'vitest'
import { applyRetentionOf } from '../../../src/tenants/retention/service.ts'
import { givenBooks, readRevisions, readShares } from '../../support/books.ts'
import { startPlatform } from '../../support/platform.ts'
import { connectAs } from '../../support/rows.ts'
import { bringUp, recomputeAll, workerContext } from '../../support/worker.ts'

const DAY = 86_400_000
const ago = (days: number) => new Date(Math.floor(Date.now() / DAY) * DAY - days * DAY)

async function givenOldOrder() {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const books = await givenBooks(admin, tenantId)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: ago(72), channel: 'email' },
    { id: 't2', visitor: 'ann', at: ago(71), channel: 'sms' },
  ])
  await books.addOrders([
    { key: 'old', at: ago(70), amount: 1_000, visitor: 'ann' },
    { key: 'new', at: ago(2), amount: 50, visitor: 'ann' },
  ])
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual(['new (unattributed) - 50', 'old email t1 500', 'old sms t2 500'])
  await admin.query('update tenants set retention_days = 30')
  await applyRetentionOf(ctx)
  expect((await admin.query('select external_id from touchpoints')).rows).toEqual([])
  return { admin, tenantId, books, ctx }
}

test('the past stays as it was told when touches are removed at the end of their time', async () => {
  const { admin, tenantId, ctx } = await givenOldOrder()
  const before = await readShares(admin, tenantId)
  await bringUp(ctx)
  await recomputeAll(ctx)
  expect(await readShares(admin, tenantId)).toEqual(before)
})

test('a refund after that is shared by the touches that had the money', async () => {
  const { admin, tenantId, books, ctx } = await givenOldOrder()
  const before = await readRevisions(admin, tenantId)
  await books.addRefund({ order: 'old', at: ago(1), amount: 501 })
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual(['new (unattributed) - 50', 'old email t1 249', 'old sms t2 250'])
  const after = await readRevisions(admin, tenantId)
  expect(after.old).toBeGreaterThan(before.old ?? 0)
  expect(after.new).toBe(before.new)
})

test('another edition takes them over from the one before it', async () => {
  const { admin, tenantId, ctx } = await givenOldOrder()
  const before = await readShares(admin, tenantId)
  await admin.query("update tenants set reporting_currency = 'EUR'")
  await bringUp(ctx)
  expect((await admin.query("select number from attribution_editions where status = 'published'")).rows).toEqual([
    { number: 2 },
  ])
  expect(await readShares(admin, tenantId)).toEqual(before)
  await admin.query('update tenants set lookback_days = 1')
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual(['new (unattributed) - 50', 'old sms t2 1000'])
})

test('a touch that the path transform leaves out is in no credit, and its end of time changes nothing', async () => {
  const platform = await startPlatform(onTestFinished)
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const { tenantId } = platform.tenant
  const books = await givenBooks(admin, tenantId)
  const ctx = workerContext(platform, platform.tenant, onTestFinished)
  await admin.query(
    `insert into attribution_setting_versions (tenant_id, version, path_transform)
     values ($1, 2, '{"name":"exposure","parameters":{}}')`,
    [tenantId],
  )
  await books.addTouches([
    { id: 't1', visitor: 'ann', at: ago(75), channel: 'email' },
    { id: 't2', visitor: 'ann', at: ago(74), channel: 'email' },
    { id: 't3', visitor: 'ann', at: ago(73), channel: 'sms' },
    { id: 't4', visitor: 'ann', at: ago(72), channel: 'sms' },
  ])
  await books.addOrders([{ key: 'old', at: ago(70), amount: 1_000, visitor: 'ann' }])
  await bringUp(ctx)
  const shares = await readShares(admin, tenantId)
  expect(shares).toEqual(['old email t1 500', 'old sms t3 500'])
  await admin.query('update tenants set retention_days = 30')
  await applyRetentionOf(ctx)
  expect((await admin.query('select external_id from touchpoints')).rows).toEqual([])
  await recomputeAll(ctx)
  expect(await readShares(admin, tenantId)).toEqual(shares)
  await books.addRefund({ order: 'old', at: ago(1), amount: 501 })
  await bringUp(ctx)
  expect(await readShares(admin, tenantId)).toEqual(['old email t1 249', 'old sms t3 250'])
})
