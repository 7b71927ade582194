import { createHash, randomUUID } from 'node:crypto'
import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { createTestDatabase } from '../support/database.ts'
import { connectAs, givenTenantRows, newIds, type Row, type TenantIds, toInsert, tryIn } from '../support/rows.ts'

let admin: pg.Client
let api: pg.Client
let operator: pg.Client
let ours: TenantIds
let theirs: TenantIds

beforeAll(async () => {
  const database = await createTestDatabase()
  const cleanups: (() => Promise<unknown>)[] = [database.drop]
  const clean = (work: () => Promise<void>) => cleanups.unshift(work)
  admin = await connectAs(database, 'admin', clean)
  api = await connectAs(database, 'app_user', clean)
  operator = await connectAs(database, 'app_rw', clean)
  ours = await givenTenantRows(admin)
  theirs = await givenTenantRows(admin)
  return async () => {
    for (const work of cleanups) await work()
  }
})

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const set = (assignment: string) =>
  tryIn(api, ours.tenantId, `update tenants set ${assignment} where tenant_id = $1`, [ours.tenantId])

test.each([
  'lookback_days = 365',
  'retention_days = 30',
  'severe_below = 0, minor_from = 0.5, matched_from = 1',
  'min_conversions = 1000000',
])('settings: %s', async (assignment) => {
  expect(await set(assignment)).toMatchObject({ rowCount: 1 })
})

test.each([
  'lookback_days = 0',
  'lookback_days = 366',
  'retention_days = 29',
  'retention_days = 3651',
  'matched_from = 1.01',
  'severe_below = -0.1',
  'minor_from = 0.5, severe_below = 0.5',
  'matched_from = 0.7',
  'min_completeness = 1.5',
  'min_conversions = -1',
  'settings_version = 0',
])('settings: never %s', async (assignment) => {
  expect(await set(assignment)).toMatchObject({ code: '23514' })
})

test.each(['slug', 'name', 'created_at', 'tenant_id'])('the API never changes %s of a tenant', async (column) => {
  expect(await set(`${column} = ${column}`)).toMatchObject({ code: '42501' })
})

describe('an account is made by invitation only', () => {
  const invite = (tenantId: string, invitation: Row) =>
    admin.query(
      ...toInsert('member_invitations', {
        tenant_id: tenantId,
        role: 'viewer',
        token_hash: sha256(randomUUID()),
        expires_at: '2099-01-01T00:00:00Z',
        ...invitation,
      }),
    )
  const join = (tenantId: string | null, user: Row) =>
    tryIn(api, tenantId, ...toInsert('users', { password_hash: 'none', ...user }))
  const newPerson = () => ({ user_id: randomUUID(), email: `${randomUUID()}@example.test` })

  test('of the tenant of the transaction, for the person that it names', async () => {
    const person = newPerson()
    await invite(ours.tenantId, person)
    expect(await join(ours.tenantId, person)).toMatchObject({ rowCount: 1 })
    for (const refused of [
      await join(theirs.tenantId, person),
      await join(null, person),
      await join(ours.tenantId, { ...person, user_id: randomUUID() }),
      await join(ours.tenantId, { ...person, email: newPerson().email }),
      await join(ours.tenantId, newPerson()),
    ]) {
      expect(refused).toMatchObject({ code: '42501', message: expect.stringContaining('row-level security') })
    }
  })

  test('never in another state than active, and the API reads and changes no account', async () => {
    const person = newPerson()
    await invite(ours.tenantId, person)
    expect(await join(ours.tenantId, { ...person, status: 'disabled' })).toMatchObject({ code: '42501' })
    for (const statement of ['select email from users', "update users set status = 'active'", 'delete from users'])
      expect(await tryIn(api, ours.tenantId, statement), statement).toMatchObject({ code: '42501' })
  })
})

describe('narrow functions', () => {
  const list = (context: string | null, of: string, client = api) =>
    tryIn(client, context, "select user_id, email from internal.list_members($1, now(), '', 100)", [of])

  test('list members of the tenant of the transaction, and of no other one', async () => {
    const own = await givenTenantRows(admin)
    const listed = await list(own.tenantId, own.tenantId)
    // A member and an open invitation.
    expect(listed).toMatchObject({ rowCount: 2 })
    expect(JSON.stringify(listed)).toContain(own.userId)
    expect(await list(own.tenantId, theirs.tenantId)).toMatchObject({ rowCount: 0 })
    expect(await list(null, own.tenantId)).toMatchObject({ rowCount: 0 })
    expect(await list(own.tenantId, theirs.tenantId, operator)).toMatchObject({ rowCount: 0 })
  })

  test('know of other admins of the tenant of the transaction only', async () => {
    const [one, other] = [await givenTenantRows(admin), await givenTenantRows(admin)]
    await admin.query("update memberships set role = 'admin' where tenant_id = any ($1)", [
      [one.tenantId, other.tenantId],
    ])
    const has = (context: string, of: string) =>
      tryIn(api, context, 'select internal.has_other_admin($1, $2) as has', [of, randomUUID()])
    expect(await has(one.tenantId, one.tenantId)).toMatchObject({ rows: [{ has: true }] })
    expect(await has(one.tenantId, other.tenantId)).toMatchObject({ rows: [{ has: false }] })
    await admin.query("update users set status = 'disabled' where user_id = $1", [one.userId])
    expect(await has(one.tenantId, one.tenantId)).toMatchObject({ rows: [{ has: false }] })
  })

  test('find an invitation by the hash of its token, while it is open', async () => {
    const hash = sha256('a token')
    await admin.query(
      ...toInsert('member_invitations', {
        tenant_id: theirs.tenantId,
        user_id: randomUUID(),
        email: `${randomUUID()}@example.test`,
        role: 'admin',
        token_hash: hash,
        expires_at: '2099-01-01T00:00:00Z',
      }),
    )
    const find = (wanted: Buffer, at: string) =>
      tryIn(api, null, 'select tenant_id, user_id from internal.find_invitation($1, $2)', [wanted, at])
    expect(await find(hash, '2098-12-31T23:59:59Z')).toMatchObject({
      rows: [{ tenant_id: theirs.tenantId, user_id: null }],
    })
    expect(await find(hash, '2099-01-01T00:00:00Z')).toMatchObject({ rows: [] })
    expect(await find(sha256('another'), '2098-01-01T00:00:00Z')).toMatchObject({ rows: [] })
  })

  test('tell operators where somebody belongs, and the API not', async () => {
    const email = `${ours.userId}@example.test`
    const ask = (client: pg.Client) =>
      tryIn(client, null, 'select tenant_id, role from internal.list_memberships_of($1)', [email.toUpperCase()])
    expect(await ask(operator)).toMatchObject({ rows: [{ tenant_id: ours.tenantId, role: 'viewer' }] })
    expect(await ask(api)).toMatchObject({ code: '42501' })
  })
})

describe('the use of keys', () => {
  const keysOf = async ({ tenantId }: TenantIds) => {
    const { rows } = await admin.query('select key_id, last_used_at from api_keys where tenant_id = $1', [tenantId])
    return rows as { key_id: string; last_used_at: Date | null }[]
  }

  test('is entered for several tenants at once, each in its own context, and leaves no context behind', async () => {
    const [own, other] = [await givenTenantRows(admin), await givenTenantRows(admin)]
    const ids = [(await keysOf(own))[0]?.key_id, (await keysOf(other))[0]?.key_id]
    const at = new Date('2026-11-20T09:11:00Z')
    const enter = (tenants: string[]) =>
      api.query('select internal.record_api_key_use($1, $2, $3)', [tenants, ids, [at, at]])
    // The tenants exchanged: nothing fits, nothing is written.
    await enter([other.tenantId, own.tenantId])
    expect([...(await keysOf(own)), ...(await keysOf(other))].map((key) => key.last_used_at)).toEqual([null, null])
    await enter([own.tenantId, other.tenantId])
    expect([...(await keysOf(own)), ...(await keysOf(other))].map((key) => key.last_used_at)).toEqual([at, at])
    const { rows } = await api.query("select current_setting('app.current_tenant_id', true) as tenant")
    expect(rows[0].tenant || '').toBe('')
  })
})

describe('API keys', () => {
  const key = (changes: Row) => ({
    tenant_id: ours.tenantId,
    name: 'k',
    prefix: 'skp_12345678',
    secret_hash: sha256(randomUUID()),
    ...changes,
  })
  test.each([
    [['events:collect'], { rowCount: 1 }],
    [['events:write', 'spend:write'], { rowCount: 1 }],
    [['events:collect', 'events:write'], { code: '23514' }],
    [[], { code: '23514' }],
  ])('scopes %j', async (scopes, outcome) => {
    expect(await tryIn(api, ours.tenantId, ...toInsert('api_keys', key({ scopes })))).toMatchObject(outcome)
  })

  test.each(['revoked_at', 'last_used_at', 'created_at', 'key_id'])('are never made with %s', async (column) => {
    const value = column === 'key_id' ? randomUUID() : new Date()
    const row = key({ scopes: ['events:write'], [column]: value })
    expect(await tryIn(api, ours.tenantId, ...toInsert('api_keys', row))).toMatchObject({ code: '42501' })
  })
})

describe('the audit log', () => {
  const entry = (changes: Row) => ({
    tenant_id: ours.tenantId,
    actor_kind: 'system',
    action: 'settings.updated',
    correlation_id: randomUUID(),
    ...changes,
  })
  const change = (after: string) => JSON.stringify([{ pointer: '/x', before: null, after }])

  test.each<[string, Row]>([
    ['of the server itself', {}],
    ['of a member', { actor_kind: 'user', actor_id: randomUUID() }],
    ['about something', { target_kind: 'user', target_id: 'x' }],
    ['with changes', { changes: change('"viewer"') }],
  ])('takes an entry %s', async (_, changes) => {
    expect(await tryIn(api, ours.tenantId, ...toInsert('audit_log', entry(changes)))).toMatchObject({ rowCount: 1 })
  })

  test.each<[string, Row]>([
    ['a member without an id', { actor_kind: 'user' }],
    ['an operator with one', { actor_kind: 'operator', actor_id: randomUUID() }],
    ['nobody', { actor_kind: 'stranger' }],
    ['an action in another form', { action: 'Settings updated' }],
    ['half a target', { target_kind: 'user' }],
    ['changes that are no list', { changes: '{}' }],
    ['an e-mail address', { changes: change('"mira@example.test"') }],
    ['an e-mail address in a URL', { changes: change('"https://x.test/?q=mira%40example.test"') }],
    ['a member that is named like personal data', { changes: JSON.stringify([{ email: 'x' }]) }],
    ['an e-mail address as what it was done to', { target_kind: 'user', target_id: 'mira@example.test' }],
  ])('refuses %s', async (_, changes) => {
    expect(await tryIn(api, ours.tenantId, ...toInsert('audit_log', entry(changes)))).toMatchObject({ code: '23514' })
  })
})

test('a tenant has its first versions whatever made it: a process of the release before knows nothing of them', async ({
  onTestFinished,
}) => {
  const { tenantId } = newIds()
  const database = await createTestDatabase()
  onTestFinished(database.drop)
  const maker = await connectAs(database, 'app_rw', onTestFinished)
  const tenant = { tenant_id: tenantId, slug: `t-${tenantId}`, name: 'New', reporting_currency: 'EUR' }
  await maker.query('begin')
  await maker.query("select set_config('app.current_tenant_id', $1, true)", [tenantId])
  await maker.query(...toInsert('tenants', tenant))
  for (const table of ['revenue_definitions', 'channel_rule_versions', 'attribution_setting_versions']) {
    const { rows } = await maker.query(`select version from ${table} where tenant_id = $1`, [tenantId])
    expect(rows, table).toEqual([{ version: 1 }])
  }
  await maker.query('rollback')
})

test('tenants of an older schema get the settings that held for them, from their first day on', async ({
  onTestFinished,
}) => {
  const database = await createTestDatabase({ empty: true })
  onTestFinished(database.drop)
  const all = await readMigrations()
  const before = all.filter(({ name }) => name < '0007')
  await migrate({ databaseUrl: database.migrationUrl, migrations: before })
  const superuser = await connectAs(database, 'admin', onTestFinished)
  const { tenantId } = newIds()
  const tenant = {
    tenant_id: tenantId,
    slug: 'old',
    name: 'Old',
    reporting_currency: 'EUR',
    created_at: '2026-01-02T03:04:05Z',
  }
  await superuser.query(...toInsert('tenants', tenant))
  await migrate({ databaseUrl: database.migrationUrl })

  const reader = await connectAs(database, 'app_user', onTestFinished)
  const read = (table: string) => tryIn(reader, tenantId, `select version, effective_at from ${table}`)
  const first = { rows: [{ version: 1, effective_at: new Date('2026-01-02T03:04:05Z') }] }
  expect(await read('revenue_definitions')).toMatchObject(first)
  expect(await read('channel_rule_versions')).toMatchObject(first)
  expect(await read('attribution_setting_versions')).toMatchObject(first)
  expect(
    await tryIn(reader, tenantId, 'select settings_version, lookback_days, updated_at from tenants'),
  ).toMatchObject({
    rows: [{ settings_version: 1, lookback_days: 30, updated_at: null }],
  })
  const { rows } = await superuser.query(
    "select polname from pg_policy where polrelid = 'tenants'::regclass order by 1",
  )
  expect(rows.map(({ polname }) => polname)).toEqual(['lookup_by_control', 'open_to_runtime', 'tenant_only'])
})
