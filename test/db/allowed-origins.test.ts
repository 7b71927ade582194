import type pg from 'pg'
import { beforeAll, expect, test } from 'vitest'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, givenTenantRows, tryIn } from '../support/rows.ts'

let provisioning: pg.Client
let api: pg.Client
let tenantId: string

beforeAll(async () => {
  const database = await createTestDatabase()
  const cleanups: (() => Promise<unknown>)[] = [database.drop]
  const clean = (work: () => Promise<void>) => cleanups.unshift(work)
  const admin = await connectAs(database, 'admin', clean)
  provisioning = await connectAs(database, 'app_rw', clean)
  api = await connectAs(database, 'app_user', clean)
  tenantId = (await givenTenantRows(admin)).tenantId
  await admin.query('delete from tenant_allowed_origins')
  await admin.query("insert into tenant_allowed_origins values ($1, 'https://kept.example', 1)", [tenantId])
  return async () => {
    for (const work of cleanups) await work()
  }
})

const insert = (origin: string, position: number) =>
  tryIn(
    provisioning,
    tenantId,
    'insert into tenant_allowed_origins (tenant_id, origin, position) values ($1, $2, $3)',
    [tenantId, origin, position],
  )

test.each([
  ['https://shop.example', 2],
  ['https://xn--bcher-kva.example:8443', 50],
  ['http://localhost:5173', 2],
])('%s at place %i is taken', async (origin, position) => {
  expect(await insert(origin, position)).toMatchObject({ rowCount: 1 })
})

test.each([
  ['no place', 'https://shop.example', 0, '23514'],
  ['a place beyond the last', 'https://shop.example', 51, '23514'],
  ['a place that is taken', 'https://shop.example', 1, '23505'],
  ['the same again', 'https://kept.example', 2, '23505'],
  ['upper case', 'https://Shop.example', 2, '23514'],
  ['a path', 'https://shop.example/', 2, '23514'],
  ['a wildcard', 'https://*.example', 2, '23514'],
  ['no scheme', 'shop.example', 2, '23514'],
  ['plain http', 'http://shop.example', 2, '23514'],
  ['null', 'null', 2, '23514'],
  ['a second line', 'https://shop.example\n', 2, '23514'],
])('%s is refused', async (_, origin, position, code) => {
  expect(await insert(origin, position)).toMatchObject({ code })
})

test('the API learns whether anybody allows an origin, and nothing else of another tenant', async () => {
  const ask = (origin: string) => tryIn(api, null, 'select internal.is_allowed_origin($1) as found', [origin])
  expect(await ask('https://kept.example')).toMatchObject({ rows: [{ found: true }] })
  expect(await ask('https://other.example')).toMatchObject({ rows: [{ found: false }] })
  expect(await tryIn(api, null, 'select origin from tenant_allowed_origins')).toMatchObject({ rows: [] })
  expect(await tryIn(api, null, 'delete from tenant_allowed_origins')).toMatchObject({ rowCount: 0 })
  expect(await tryIn(provisioning, null, "select internal.is_allowed_origin('x')")).toMatchObject({ code: '42501' })
})
