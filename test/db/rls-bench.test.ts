import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { printRlsTax } from '../../scripts/bench/rls.ts'
import { hotQueries } from '../../scripts/bench/rls-queries.ts'
import { fillForRls, SIZE, tenantId } from '../../scripts/bench/rls-rows.ts'
import { connect } from '../../src/db/connect.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs } from '../support/rows.ts'

const scope = { tenantId: tenantId(2), correlationId: randomUUID() }

/** Whether there is anything in an answer: a query that finds nothing would cost nothing either way. */
function isEmpty(answer: unknown): boolean {
  if (answer === undefined || answer === null) return true
  if (Array.isArray(answer)) return answer.length === 0
  if (typeof answer === 'object' && 'rows' in answer) return isEmpty(answer.rows)
  return answer instanceof Map && answer.size === 0
}

test('every query that the benchmark measures finds the rows that it was given', async ({ onTestFinished }) => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const size = { ...SIZE, tenants: 2, orders: 300 }
  await fillForRls(await connectAs(database, 'admin', onTestFinished), size)
  const queries = hotQueries(size)
  const log = pino({ level: 'silent' })
  for (const { name, role, run } of queries) {
    const db = connect({ url: database.urlOf(role), applicationName: 'test', max: 1, log })
    onTestFinished(db.close)
    const answer = await inTenant(db, scope, (tx) => run(tx, scope.tenantId, 1))
    expect(isEmpty(answer), name).toBe(false)
  }
  expect(queries).toHaveLength(10)
})

test('the verdict names both goals', () => {
  const times = { p50: 1, p95: 2 }
  const row = { query: 'a.query', role: 'app_user', calls: 1, withPolicies: times, without: times, tax: 1 }
  const tax = {
    rows: [row],
    median: 1.1,
    worst: 1.2,
    goals: { aim: 1.05, must: 1.25 },
    meetsAim: false,
    meetsMust: true,
  }
  expect(printRlsTax(tax)).toContain('RLS tax: median 1.100 (goal 1.05, missed), highest 1.200 (must 1.25, met)')
})
