import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type RunSkeldir, runSkeldir, spawnSkeldir } from '../support/skeldir.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  return database.drop
})

/** `skeldir admin` on the database of this file; in this process, unless `how` is another. */
const admin = (...args: string[]) => adminBy(runSkeldir, ...args)
const adminBy = (how: RunSkeldir, ...args: string[]) =>
  how(['admin', ...args], {
    DATABASE_URL: database.urlOf('app_user'),
    SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
  })

async function newTenant(...options: string[]): Promise<string> {
  const slug = `t-${randomUUID().slice(0, 8)}`
  const { status, stderr } = await admin('create-tenant', '--slug', slug, '--name', 'Test shop', ...options)
  expect([status, stderr]).toEqual([0, ''])
  return slug
}

async function readOrigins(slug: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: database.adminUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ origin: string }>(
      'select origin from tenant_allowed_origins join tenants using (tenant_id) where slug = $1 order by position',
      [slug],
    )
    return rows.map(({ origin }) => origin)
  } finally {
    await client.end()
  }
}

async function setOrigins(slug: string, ...origins: string[]): Promise<unknown> {
  const { status, stdout, stderr } = await admin('set-allowed-origins', '--tenant', slug, '--json', ...origins)
  expect([status, stderr]).toEqual([0, ''])
  return JSON.parse(stdout)
}

describe('set-allowed-origins', () => {
  test('replaces the whole list, prints it as browsers write origins, and empties it', async () => {
    const tenant = await newTenant()
    expect(await setOrigins(tenant, 'https://Console.example/', 'http://localhost:5173')).toEqual({
      tenant,
      allowed_origins: ['https://console.example', 'http://localhost:5173'],
    })
    const list = ['http://localhost:5173', 'https://bücher.example', 'HTTP://localhost:5173']
    const { stdout } = await admin('set-allowed-origins', '--tenant', tenant, ...list)
    expect(stdout).toBe(
      [
        `tenant           ${tenant}`,
        'allowed_origins  http://localhost:5173',
        'allowed_origins  https://xn--bcher-kva.example',
        '',
      ].join('\n'),
    )
    expect((await admin('set-allowed-origins', '--tenant', tenant)).stdout).toContain('allowed_origins  (none)')
    expect(await setOrigins(tenant)).toEqual({ tenant, allowed_origins: [] })
  })

  test.each([
    ['shop.example', '"shop.example" is not an origin that can be allowed'],
    ['*', '"*" is not an origin'],
    ['null', '"null" is not an origin'],
    ['http://shop.example', '"http://shop.example" is not an origin'],
    ['https://shop.example/path', '"https://shop.example/path" is not an origin'],
  ])('%s is refused in a sentence, and nothing changes', async (origin, sentence) => {
    const tenant = await newTenant('--allowed-origin', 'https://a.example')
    const { status, stdout, stderr } = await admin(
      'set-allowed-origins',
      '--tenant',
      tenant,
      'https://b.example',
      origin,
    )
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toContain(sentence)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(await readOrigins(tenant)).toEqual(['https://a.example'])
  })

  test('takes fifty and not one more', async () => {
    const tenant = await newTenant()
    const origins = Array.from({ length: 51 }, (_, i) => `https://page-${i}.example`)
    expect(await setOrigins(tenant, ...origins.slice(1))).toMatchObject({ allowed_origins: origins.slice(1) })
    const { status, stderr } = await admin('set-allowed-origins', '--tenant', tenant, ...origins)
    expect([status, stderr]).toEqual([1, 'skeldir: a tenant may allow 50 origins, not 51\n'])
  })

  test('needs a tenant that there is', async () => {
    const without = await adminBy(spawnSkeldir, 'set-allowed-origins', 'https://a.example')
    expect([without.status, without.stderr]).toEqual([2, expect.stringContaining('needs --tenant')])
    const unknown = await adminBy(spawnSkeldir, 'set-allowed-origins', '--tenant', 'nobody', 'https://a.example')
    expect([unknown.status, unknown.stderr]).toEqual([1, 'skeldir: there is no tenant "nobody"\n'])
  })
})

describe('create-tenant', () => {
  test('takes origins as they come, and makes no tenant when one is wrong', async () => {
    const slug = `t-${randomUUID().slice(0, 8)}`
    const create = (...origins: string[]) =>
      admin(
        'create-tenant',
        '--slug',
        slug,
        '--name',
        'x',
        ...origins.flatMap((origin) => ['--allowed-origin', origin]),
      )
    expect(await create('https://a.example', 'ftp://b.example')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('"ftp://b.example" is not an origin'),
    })
    expect(await create('https://a.example', 'https://b.example:8443')).toMatchObject({ status: 0, stderr: '' })
    expect(await readOrigins(slug)).toEqual(['https://a.example', 'https://b.example:8443'])
  })

  test('takes no words besides its options', async () => {
    const { status, stderr } = await admin('create-tenant', '--slug', 's', '--name', 'x', 'https://a.example')
    expect([status, stderr]).toEqual([2, expect.stringContaining('takes no "https://a.example"')])
  })
})

test('--help tells of both', async () => {
  const { status, stdout } = await adminBy(spawnSkeldir, '--help')
  expect(status).toBe(0)
  expect(stdout).toContain('skeldir admin set-allowed-origins --tenant S [URL]')
  expect(stdout).toContain('--allowed-origin URL')
})

describe('set-rate-limit', () => {
  test('gives a tenant a number of its own, and takes it back', async () => {
    const tenant = await newTenant()
    const set = async (...options: string[]) => {
      const { status, stdout, stderr } = await admin('set-rate-limit', '--tenant', tenant, '--json', ...options)
      expect([status, stderr]).toEqual([0, ''])
      return JSON.parse(stdout)
    }
    expect(await set('--policy', 'ingest', '--per-minute', '250000')).toEqual({
      tenant,
      policy: 'ingest',
      per_minute: 250_000,
    })
    expect(await set('--policy', 'default', '--per-minute', 'usual')).toEqual({
      tenant,
      policy: 'default',
      per_minute: 600,
    })
  })

  test.each([
    ['no number', ['--policy', 'default'], 2, /needs --per-minute/],
    ['another word', ['--policy', 'default', '--per-minute', 'many'], 2, /a whole number, or "usual"/],
    ['another policy', ['--policy', 'gold', '--per-minute', '5'], 1, /"gold" is not a policy/],
  ])('with %s changes nothing', async (_, options, code, message) => {
    const { status, stderr } = await admin('set-rate-limit', '--tenant', 'nobody', ...options)
    expect(status).toBe(code)
    expect(stderr).toMatch(message)
  })
})
