import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { PRIVILEGES, tryPrivilege } from '../../scripts/gates/worker/privileges.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { connectAs } from '../support/rows.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  return database.drop
})

/** As a worker that is in its tenant, in a transaction that nobody else sees and that is undone. */
async function askAsWorker(admin: pg.Client, name: string, { isPlanted }: { isPlanted: boolean }): Promise<string> {
  const { statement = '', plant = '' } = PRIVILEGES[name] ?? {}
  await admin.query('begin')
  try {
    if (isPlanted) await admin.query(plant)
    await admin.query('set local session authorization app_worker')
    await admin.query(`select set_config('app.current_tenant_id', $1, true)`, [randomUUID()])
    return await tryPrivilege((text) => admin.query(text), statement)
  } finally {
    await admin.query('rollback')
  }
}

test.each(Object.keys(PRIVILEGES))('%s: denied, and told where it is not', async (name) => {
  const admin = await connectAs(database, 'admin', onTestFinished)
  expect(await askAsWorker(admin, name, { isPlanted: false })).toBe('denied')
  expect(await askAsWorker(admin, name, { isPlanted: true })).not.toBe('denied')
})

test('what fails for another reason is not denied', async () => {
  const admin = await connectAs(database, 'admin', onTestFinished)
  expect(await tryPrivilege((text) => admin.query(text), 'select 1 / 0')).toBe('22012: division by zero')
})
