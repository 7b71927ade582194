import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/db/connect.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { isConnectionError } from '../../src/http/bind.ts'
import { createTestDatabase } from '../support/database.ts'
import { openDoor } from '../support/door.ts'

async function givenPool(max: number) {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const door = await openDoor(database.adminUrl)
  onTestFinished(door.close)
  const url = door.through(database.urlOf('app_user'))
  const db = connect({ url, applicationName: 'test', max, statementTimeoutMs: 200, log: pino({ level: 'silent' }) })
  onTestFinished(() => db.close())
  const pidOf = async () => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db.lookup)
    return rows[0]?.pid
  }
  return { db, door, pidOf }
}

test('a connection that falls silent under a question is given up, and another one answers the next', async () => {
  const { db, door, pidOf } = await givenPool(1)
  const before = await pidOf()
  door.hush()
  const error = await pidOf().catch((caught: unknown) => caught)
  expect(error).toMatchObject({ code: 'ETIMEDOUT', message: 'the database has not answered for 2200 ms' })
  expect(isConnectionError(error)).toBe(true)
  const after = await pidOf()
  expect(after).not.toBe(before)
  expect(db.pool.totalCount).toBe(1)
})

test('so does one in a transaction, with all that was sent on it', async () => {
  const { db, door, pidOf } = await givenPool(1)
  const scope = { tenantId: randomUUID(), correlationId: randomUUID() }
  const lost = inTenant(db, scope, async (tx) => {
    await sql`select 1`.execute(tx)
    door.hush()
    await Promise.all([sql`select 2`.execute(tx), sql`select 3`.execute(tx)])
  })
  await expect(lost).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  expect(await pidOf()).toBeTypeOf('number')
})

test('one that is asked nothing may be silent for longer, and is watched again when it is asked', async () => {
  const { db, door } = await givenPool(1)
  const held = await db.pool.connect()
  onTestFinished(() => held.release(true))
  const ask = async () => (await held.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
  const pid = await ask()
  // What another one is refused takes as long as the silence that would end this one.
  const other = await givenPool(1)
  await other.pidOf()
  other.door.hush()
  await expect(other.pidOf()).rejects.toMatchObject({ code: 'ETIMEDOUT' })
  expect(await ask()).toBe(pid)
  door.hush()
  await expect(ask()).rejects.toMatchObject({ code: 'ETIMEDOUT' })
})
