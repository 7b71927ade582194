import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { type PoolOptions, shakePool } from '../../scripts/isolation/pool.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, givenTenantRows, type OnTestFinished } from '../support/rows.ts'

async function givenPool(onTestFinished: OnTestFinished, transactions: number): Promise<PoolOptions> {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const admin = await connectAs(database, 'admin', onTestFinished)
  const tenants: string[] = []
  for (let made = 0; made < 5; made += 1) tenants.push((await givenTenantRows(admin)).tenantId)
  return { url: database.urlOf('app_user'), adminUrl: database.adminUrl, tenants, transactions, seed: 1 }
}

test('transactions that fail, time out, are cancelled or lose their connection leave no context in the pool', {
  timeout: 120_000,
}, async ({ onTestFinished }) => {
  const result = await shakePool(await givenPool(onTestFinished, 3_000))
  expect(result.faults).toEqual([])
  expect(result.transactions).toBe(3_000)
  expect(Object.values(result.troubles).every((times) => times > 0)).toBe(true)
  expect(result.made).toBeGreaterThan(4)
  expect(result.handedOut).toBeGreaterThan(2_900)
})

const leaky: Record<string, { run: typeof inTenant; fault: RegExp }> = {
  'a context that outlives its transaction': {
    run: async (db, { tenantId }) => {
      const client = await db.pool.connect()
      await client.query("select set_config('app.current_tenant_id', $1, false)", [tenantId])
      client.release()
      return 'done' as never
    },
    fault: /the context .* was left on a connection/,
  },
  'a transaction that is left open': {
    run: async (db) => {
      const client = await db.pool.connect()
      await client.query('begin; select pg_current_xact_id()')
      client.release()
      return 'done' as never
    },
    fault: /a transaction was left open/,
  },
  'the context of somebody else': {
    run: (db, scope, ...rest) => inTenant(db, { ...scope, tenantId: randomUUID() }, ...rest),
    fault: /saw nothing/,
  },
  'an error that is swallowed': {
    run: (...args) => inTenant(...args).catch(() => 'done' as never),
    fault: /ended with done/,
  },
}

test.for(Object.entries(leaky))('%s is noticed', async ([_, { run, fault }], { onTestFinished }) => {
  const options = await givenPool(onTestFinished, 60)
  const { faults } = await shakePool({ ...options, run })
  expect(faults.join('\n')).toMatch(fault)
})
