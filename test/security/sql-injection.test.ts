import { afterAll, beforeAll, expect, test } from 'vitest'
import { liftLimits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { shareOf } from '../support/share.ts'
import { atEndpointOf, sendAsAllowed } from './support/callers.ts'
import { implementedIds, type Natural, naturalOf, type Reply, rowOf, sendTo } from './support/request.ts'
import { countRows, type RowCounts } from './support/row-counts.ts'
import { givenSite, type Site } from './support/site.ts'
import { recordStatements, type Statements } from './support/statements.ts'
import { type TextPlace, textPlacesOf } from './support/texts.ts'

const platform = usePlatform()

/** Long enough to be told from a slow machine. The server cancels a statement after 10 s, which would be a 5xx. */
const SLEEP_S = 60

/** Ways out of a literal, an identifier, a number, a comment, a pattern, a list, a setting. */
const FRAGMENTS: readonly string[] = [
  "' or '1'='1",
  "'; drop table tenants; --",
  `'||(select pg_sleep(${SLEEP_S}))||'`,
  `1; select pg_sleep(${SLEEP_S})`,
  `1 or (select 1 from pg_sleep(${SLEEP_S})) is not null`,
  `" or pg_sleep(${SLEEP_S}) is null --`,
  "') union all select null, current_user --",
  "\\'; delete from users; --",
  '$$; truncate users; $$',
  "%' or true --",
  '*/ or true /*',
  "x', true), set_config('app.current_tenant_id', '",
  '1) or (1=1',
]
const HARMLESS = 'harmless'
/** Of each operation. */
const PLACES = 2
/** Of each place; the places of one run try every fragment many times over. */
const TRIED = 3

let statements: Statements
beforeAll(() => {
  statements = recordStatements()
  return () => statements.stop()
})

// Runs whatever order the tests come in.
afterAll(() => {
  const texts = [...statements.seen]
  expect(texts.length).toBeGreaterThan(20)
  for (const fragment of FRAGMENTS) expect(texts.filter((text) => text.includes(fragment))).toEqual([])
})

/** What an operation may answer: nothing undeclared, and no fault of the server's. */
function expectSound({ status, text }: Reply, natural: Natural, what: string): void {
  expect(status, `${what}: ${text}`).toBeLessThan(500)
  expect(natural.row.replies[status], `${what}: ${status} ${text}`).toBeDefined()
}

test.each(implementedIds)('%s takes nothing but values', { timeout: 120_000 }, async (operationId) => {
  const site = await givenSite(platform)
  await liftLimits(platform, site.tenant)
  // What comes later is then a second one, whichever place is changed.
  const first = await sendAsAllowed(site, await atEndpointOf(site, naturalOf(operationId)))
  expect(first.status, first.text).toBeLessThan(operationId === 'getWorkerHealth' ? 504 : 500)
  // Nothing happens between two places: what is there after one is what is there before the next.
  let rows = await countRows(platform)
  const places = textPlacesOf(operationId)
  const attacked = places.length > PLACES ? shareOf(places, PLACES, operationId) : places
  for (const place of attacked) rows = await attack(site, place, rows)
})

async function attack(site: Site, place: TextPlace, before: RowCounts): Promise<RowCounts> {
  const isPath = place.name.startsWith('path')
  const request = async (text: string) => {
    const natural = place.withText(text)
    return isPath ? natural : atEndpointOf(site, natural)
  }
  const harmless = await request(HARMLESS)
  expectSound(await sendAsAllowed(site, harmless), harmless, `${place.name} ${HARMLESS}`)
  const between = await countRows(platform)
  const send = async (fragment: string) => {
    const natural = await request(fragment)
    expectSound(await sendAsAllowed(site, natural), natural, `${place.name} ${fragment}`)
  }
  // Of an account, failures are counted and forgotten before the next; all else comes at once, which takes half the time.
  const fragments = shareOf(FRAGMENTS, TRIED, `${harmless.operationId} ${place.name}`)
  if (harmless.row.domain === 'auth') for (const fragment of fragments) await send(fragment)
  else await Promise.all(fragments.map(send))
  const after = await countRows(platform)
  for (const [table, count] of after) {
    const grown = count - (between.get(table) ?? 0)
    const byHarmless = (between.get(table) ?? 0) - (before.get(table) ?? 0)
    expect(grown, `${place.name}: rows of ${table}`).toBeGreaterThanOrEqual(0)
    // What is wrong in a delivery is kept as a dead event, of which a harmless one need not be.
    const most = harmless.row.acceptsAnyMediaType ? Math.max(byHarmless, 1) : byHarmless
    expect(grown, `${place.name}: rows of ${table}`).toBeLessThanOrEqual(most * fragments.length)
  }
  return after
}

test('credentials are values too', async () => {
  const bearerId = implementedIds.find((id) => rowOf(id).security.some((schemes) => schemes.includes('bearerAuth')))
  const keyId = implementedIds.find((id) => rowOf(id).security.some((schemes) => schemes.includes('tenantKey')))
  const before = await countRows(platform)
  for (const fragment of FRAGMENTS) {
    const attempts = [
      [bearerId, { authorization: `Bearer ${fragment}` }],
      [bearerId, { authorization: fragment }],
      [keyId, { 'x-skeldir-tenant-key': fragment }],
      [keyId, { 'x-skeldir-tenant-key': `skd_${fragment}`.padEnd(47, 'x') }],
    ] as const
    for (const [operationId, headers] of attempts) {
      if (operationId === undefined) throw new Error('there is nothing to open')
      const { method, path } = rowOf(operationId)
      const sent = { method: method.toUpperCase(), target: path, headers, body: null }
      expect((await sendTo(platform.url, sent)).status).toBe(401)
    }
  }
  expect(await countRows(platform)).toEqual(before)
})
