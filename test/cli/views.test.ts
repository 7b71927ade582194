import { beforeEach, describe, expect, test } from 'vitest'
import { viewNames } from '../../src/rollups/views.ts'
import { usePlatform } from '../support/platform.ts'
import { runSkeldir } from '../support/skeldir.ts'

const platform = usePlatform()

const views = (...args: string[]) =>
  runSkeldir(['views', ...args], {
    DATABASE_URL: platform.database.urlOf('app_user'),
    SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
  })

const addEntry = (tenantId: string, key: string) =>
  platform.query(
    `insert into ledger_entries (tenant_id, entry_key, order_key, kind, amount_minor, currency, vendor, source, occurred_at)
     values ($1, $2, 'shopify:1', 'capture', 100, 'USD', 'shopify', 'import', '2026-03-01T12:00:00Z')`,
    [tenantId, key],
  )

describe('skeldir views', () => {
  beforeEach(() => platform.query('truncate view_refreshes, view_changes, view_daily_revenue'))

  test('says of each view how far it is behind and what its last refresh came to, and refreshes it', async () => {
    const [own, other] = [platform.tenant, await platform.createTenant()]
    await addEntry(own.tenantId, 'a')
    await addEntry(other.tenantId, 'a')
    await platform.query("update view_changes set changed_at = changed_at - interval '90 seconds'")
    const before = JSON.parse((await views('--json')).stdout).items
    expect(before.map(({ view }: { view: string }) => view)).toEqual(viewNames)
    expect(before[3]).toMatchObject({ target_seconds: 60, stale: 'yes', parts_behind: 2, last_refresh: null })
    expect(before[3].behind_seconds).toBeGreaterThanOrEqual(90)
    expect(before[2]).toMatchObject({ target_seconds: 3600, stale: 'no', parts_behind: 2, outcome: null })

    const one = await views('refresh', 'daily_revenue', '--tenant', own.slug, '--json')
    expect(one).toMatchObject({ status: 0, stderr: '' })
    expect(JSON.parse(one.stdout).items).toMatchObject([
      { view: 'daily_revenue', outcome: 'success', tenants: 1, parts: 1 },
    ])
    expect(await platform.query('select tenant_id from view_daily_revenue')).toEqual([{ tenant_id: own.tenantId }])

    const all = await views('refresh')
    expect(all.status).toBe(0)
    expect(all.stdout).toMatch(/^view +outcome +tenants +parts +ms +message$/m)
    expect(all.stdout).toMatch(/^realtime_revenue +success +2 +2 /m)
    const after = JSON.parse((await views('--json')).stdout).items
    for (const row of after)
      expect(row).toMatchObject({ behind_seconds: 0, stale: 'no', parts_behind: 0, outcome: 'success' })
  })

  test('ends with 1 where a view could not be refreshed, and says why', async () => {
    await platform.query('alter table view_daily_revenue add constraint never check (entries < 0) not valid')
    try {
      await addEntry(platform.tenant.tenantId, 'b')
      const told = await views('refresh', '--json')
      expect(told.status).toBe(1)
      const items = JSON.parse(told.stdout).items as { view: string; outcome: string; message: string | null }[]
      expect(items.filter(({ outcome }) => outcome === 'failure').map(({ view }) => view)).toEqual(['daily_revenue'])
      expect(items[2]?.message).toContain('violates check constraint "never"')
    } finally {
      await platform.query('alter table view_daily_revenue drop constraint never')
    }
  })

  test.each([
    [['refresh', 'everything'], 'a view is one of allocation_summary'],
    [['remove'], 'there is no "views remove"'],
    [['refresh', 'daily_revenue', 'realtime_revenue'], 'there is no "views refresh daily_revenue realtime_revenue"'],
    [['--tenant', 'x'], '--tenant belongs to "views refresh"'],
    [['refresh', '--tenant', 'nobody'], 'there is no tenant "nobody"'],
  ])('%j is told what is wrong', async (args, sentence) => {
    const { status, stdout, stderr } = await views(...args)
    expect(status).not.toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toContain(sentence)
  })

  test('--help names the views', async () => {
    const { status, stdout } = await views('--help')
    expect(status).toBe(0)
    for (const view of viewNames) expect(stdout).toContain(view)
  })
})
