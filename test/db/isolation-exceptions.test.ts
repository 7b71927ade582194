import pg from 'pg'
import { beforeAll, expect, test } from 'vitest'
import { readModel } from '../../scripts/isolation/catalogue.ts'
import type { Model } from '../../scripts/isolation/model.ts'
import { checkStructure } from '../../scripts/isolation/structure/check.ts'
import { type Exceptions, REVIEWED } from '../../scripts/isolation/structure/fault.ts'
import { createTestDatabase } from '../support/database.ts'

let model: Model

beforeAll(async () => {
  const database = await createTestDatabase()
  const client = new pg.Client({ connectionString: database.adminUrl })
  client.on('error', () => {})
  await client.connect()
  model = await readModel(client)
  await client.end()
  await database.drop()
})

type Change = { [List in keyof Exceptions]?: (list: Exceptions[List]) => Exceptions[List] }

function faultsWith(change: Change): string[] {
  const changed = { ...REVIEWED }
  for (const [list, apply] of Object.entries(change))
    Object.assign(changed, { [list]: apply(REVIEWED[list as 'LOOKUPS'] as never) })
  return checkStructure(model, changed).map(({ rule, object }) => `${rule} ${object}`)
}

function without<T>(list: Record<string, T>, name: string): Record<string, T> {
  expect(Object.keys(list)).toContain(name)
  return Object.fromEntries(Object.entries(list).filter(([key]) => key !== name))
}

const NO_REASON = { reason: 'a test', access: {} }

test('the catalogue as it is has no faults', () => {
  expect(faultsWith({})).toEqual([])
})

test.each<[name: string, change: Change, fault: string]>([
  ['a table', { OUTSIDE: (list) => without(list, 'public.users') }, 'unlisted public.users'],
  ['a table with a tenant', { OUTSIDE: (list) => without(list, 'public.tenant_slugs') }, 'policy public.tenant_slugs'],
  ['a table of the queue', { OUTSIDE: (list) => without(list, 'pgboss.job') }, 'unlisted pgboss.job_common'],
  ['a look-up', { LOOKUPS: (list) => without(list, 'public.api_keys') }, 'policy public.api_keys'],
  [
    'a definer',
    { DEFINERS: (list) => without(list, 'internal.find_login(text)') },
    'definer internal.find_login(text)',
  ],
  [
    'a default privilege',
    { DEFAULT_PRIVILEGES: (list) => without(list, 'skeldir_owner pgboss f app_worker: EXECUTE') },
    'default-privilege default privileges',
  ],
  ['a maker of objects', { CREATORS: () => ({}) }, 'schema-create schema internal'],
])('%s that nobody reviewed is a fault', (_, change, fault) => {
  expect(faultsWith(change)).toContain(fault)
})

test.each<[name: string, change: Change, fault: string]>([
  ['a table that is not there', { OUTSIDE: (list) => ({ ...list, 'public.gone': NO_REASON }) }, 'unneeded public.gone'],
  [
    'a table that is under the template',
    { OUTSIDE: (list) => ({ ...list, 'public.touchpoints': NO_REASON }) },
    'unneeded public.touchpoints',
  ],
  [
    'a grant that is not given',
    {
      OUTSIDE: (list) => ({
        ...list,
        'public.users': { ...(list['public.users'] ?? NO_REASON), access: { app_ro: ['SELECT'] } },
      }),
    },
    'unneeded public.users',
  ],
  [
    'a policy that is not there',
    {
      OUTSIDE: (list) => ({
        ...list,
        'public.schema_migrations': { ...(list['public.schema_migrations'] ?? NO_REASON), policies: ['gone'] },
      }),
    },
    'unneeded public.schema_migrations',
  ],
  [
    'a look-up that no function makes',
    { LOOKUPS: (list) => ({ ...list, 'public.touchpoints': 'a test' }) },
    'unneeded public.touchpoints',
  ],
  [
    'a function that is not there',
    { DEFINERS: (list) => ({ ...list, 'internal.gone()': { reason: 'a test', roles: [], reach: 'context' } }) },
    'unneeded internal.gone()',
  ],
  [
    'a function that runs as its caller',
    {
      DEFINERS: (list) => ({ ...list, 'internal.refuse_change()': { reason: 'a test', roles: [], reach: 'context' } }),
    },
    'unneeded internal.refuse_change()',
  ],
  [
    'a function that leaves the context alone',
    { SWITCHERS: (list) => ({ ...list, 'internal.refuse_change()': 'a test' }) },
    'unneeded internal.refuse_change()',
  ],
  ['a view that is not there', { VIEWS: () => ({ 'public.gone': 'a test' }) }, 'unneeded public.gone'],
  [
    'a default privilege that is not given',
    { DEFAULT_PRIVILEGES: (list) => ({ ...list, 'skeldir_owner * r app_ro: SELECT': 'a test' }) },
    'unneeded default privileges',
  ],
  [
    'a maker of objects that is none',
    { CREATORS: (list) => ({ ...list, 'public app_rw': 'a test' }) },
    'unneeded public app_rw',
  ],
])('%s is a line that nothing needs', (_, change, fault) => {
  expect(faultsWith(change)).toContain(fault)
})
