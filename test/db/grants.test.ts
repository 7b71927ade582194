import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { grants } from '../../generated/grants.ts'
import { API_ROLES, type ApiRole } from '../../src/db/grants.ts'
import { listMissingGrants } from '../../src/health/queries.ts'
import { createTestDatabase } from '../support/database.ts'

/** What takes back what a line says. */
function revoke(line: string, role: ApiRole): string {
  const [, privilege, object] = /^(.+?) on (.+)$/.exec(line) as unknown as [string, string, string]
  const kind = object.startsWith('schema ') ? '' : object.includes('(') ? 'function ' : ''
  return `revoke ${privilege} on ${kind}${object} from ${role}`
}

test('every grant that is taken back is missed by its name, and nothing else is', async () => {
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const pool = new pg.Pool({ connectionString: database.adminUrl, max: 1 })
  pool.on('error', () => {})
  const db = new Kysely<Record<never, never>>({ dialect: new PostgresDialect({ pool }) })
  onTestFinished(() => db.destroy())
  expect(await listMissingGrants(db, grants)).toEqual([])
  const lines = API_ROLES.flatMap((role) => grants[role].map((line) => ({ role, line })))
  expect(lines.length).toBeGreaterThan(200)
  const unseen: string[] = []
  await pool.query('begin')
  for (const { role, line } of lines) {
    await pool.query('savepoint one')
    await pool.query(revoke(line, role))
    const missing = await listMissingGrants(db, grants)
    // A table's grant stands for that on each column, and takes those with it.
    const expected = `${line}, for ${role}`
    if (!missing.includes(expected) || missing.some((other) => !other.endsWith(objectOf(expected))))
      unseen.push(expected)
    await pool.query('rollback to savepoint one')
  }
  await pool.query('rollback')
  expect(unseen).toEqual([])
})

/** Whose grants may go with it: those on the same object for the same role. */
function objectOf(line: string): string {
  return line.slice(line.indexOf(' on '))
}
