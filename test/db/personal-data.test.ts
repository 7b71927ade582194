import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { findPersonalData, PERSONAL_KEYS } from '../../src/webhooks/personal-data.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, givenTenantRows, type Row, rowsOf, type TenantIds, toInsert, tryIn } from '../support/rows.ts'

let admin: pg.Client
let ingest: pg.Client
let tenant: TenantIds

beforeAll(async () => {
  const database = await createTestDatabase()
  const cleanups: (() => Promise<unknown>)[] = [database.drop]
  const clean = (work: () => Promise<void>) => void cleanups.unshift(work)
  admin = await connectAs(database, 'admin', clean)
  ingest = await connectAs(database, 'app_ingest', clean)
  tenant = await givenTenantRows(admin)
  return async () => {
    for (const work of cleanups) await work()
  }
})

async function find(document: unknown): Promise<string | null> {
  const { rows } = await admin.query('select internal.find_personal_data($1::jsonb) as finding', [
    JSON.stringify(document),
  ])
  return rows[0].finding
}

test('the list of names in the database is the exported one', async () => {
  const { rows } = await admin.query(
    "select pg_get_functiondef('internal.find_personal_data(jsonb)'::regprocedure) as text",
  )
  const list = /any \(array\[([^\]]*)\]\)/.exec(rows[0].text)?.[1] ?? ''
  const names = [...list.matchAll(/'([^']*)'/g)].map(([, name]) => name)
  expect(names.sort()).toEqual([...PERSONAL_KEYS].sort())
  expect(new Set(PERSONAL_KEYS).size).toBe(PERSONAL_KEYS.length)
})

test('each name is found, as it stands and with other case and separators', async () => {
  for (const name of PERSONAL_KEYS) {
    expect(await find({ [name]: 'x' }), name).toBe(`member ${name}`)
    expect(await find({ [name.toUpperCase().split('').join('_')]: null }), name).toBe(`member ${name}`)
  }
})

/** One truth: whatever the first line finds or lets pass, the second line does too. */
describe('finds what src/webhooks/personal-data.ts finds', () => {
  const deep = (depth: number, leaf: unknown): unknown => (depth === 0 ? leaf : { a: [deep(depth - 1, leaf)] })
  const cases: [name: string, document: unknown, isPersonal: boolean][] = [
    ['nothing', {}, false],
    ['a name', { name: 'Blue mug', id: 5, ok: true, none: null }, false],
    ['a key at the top', { Email: null }, true],
    ['a key with separators', { 'billing-ADDRESS': {} }, true],
    ['a key in a list', [{ a: [{ first_name: 'x' }] }], true],
    ['a key 60 levels down', deep(30, { zip: 1 }), true],
    ['an address', { note: 'write to jane.doe@example.org please' }, true],
    ['an address as a bare text', 'jane@example.org', true],
    ['an address in a list', { notes: ['a', ['jane@example.org']] }, true],
    ['an address 60 levels down', deep(30, 'jane@example.org'), true],
    ['an address in capitals', { note: 'JANE@EXAMPLE.ORG' }, true],
    ['an address inside a URL', { url: 'https://shop.test/?u=jane%40example.org' }, true],
    ['an address as a key', { 'jane@example.org': 1 }, true],
    ['an address after a very long text', { note: `${'x'.repeat(50_000)} jane@example.org` }, true],
    ['a handle', { note: '@jane' }, false],
    ['a price', { note: '3 @ 4.50' }, false],
    ['an @ without a host', { note: 'jane@home' }, false],
    ['a member that only resembles one', { emails_sent: 3, zipper: 'red', ipsum: 1 }, false],
    ['an empty text and an empty key', { '': '' }, false],
    ['Turkish capitals', { ZİP: 1 }, false],
  ]
  test.each(cases)('%s', async (_, document, isPersonal) => {
    expect(findPersonalData(document as never) !== null).toBe(isPersonal)
    expect((await find(document)) !== null).toBe(isPersonal)
  })
})

describe('the trigger', () => {
  const insert = (table: string, changes: Row) => {
    const row = rowsOf({ ...tenant, eventId: randomUUID() }).find(([name]) => name === table)?.[1]
    return tryIn(ingest, tenant.tenantId, ...toInsert(table, { ...row, ...changes }))
  }

  test.each([
    ['webhook_events', { payload: JSON.stringify({ customer: { Email: 'x' } }) }],
    ['webhook_events', { payload: JSON.stringify({ note: ['jane@example.org'] }) }],
    ['dead_events', { payload: JSON.stringify([{ 'last-name': 'x' }]) }],
    ['dead_events', { detail: 'jane@example.org is not a number' }],
    ['touchpoints', { campaign: 'jane@example.org' }],
    ['touchpoints', { source: 'u=jane%40example.org' }],
  ])('refuses the whole row of %s: %j', async (table, changes) => {
    const refused = await insert(table, changes)
    expect(refused).toMatchObject({
      code: '23514',
      message: expect.stringContaining(`personal data refused in ${table}`),
    })
    expect(JSON.stringify(refused)).not.toContain('jane')
  })

  test.each(['webhook_events', 'dead_events', 'touchpoints'])('lets a clean row of %s pass', async (table) => {
    expect(await insert(table, {})).toMatchObject({ rowCount: 1 })
  })

  test('stands on every table of ingestion that holds JSON or free text of a sender', async () => {
    const { rows } = await admin.query(`
      select distinct c.relname as name from pg_class as c
      join pg_attribute as a on a.attrelid = c.oid and a.atttypid = 'jsonb'::regtype
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
        and not exists (select from pg_trigger as t where t.tgrelid = c.oid and t.tgname = 'no_personal_data')`)
    expect(rows).toEqual([])
  })

  test('costs little on a large payload', async () => {
    const payload = { lines: Array.from({ length: 2_000 }, (_, id) => ({ id, title: `Blue mug number ${id}` })) }
    const started = performance.now()
    expect(await find(payload)).toBeNull()
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
