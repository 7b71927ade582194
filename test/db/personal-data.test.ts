import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { findPersonalData, PERSONAL_KEYS, PERSONAL_LIKE, plainOf } from '../../src/webhooks/personal-data.ts'
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

test.each(['find', 'search'])('the list of names of internal.%s_personal_data is the exported one', async (verb) => {
  const { rows } = await admin.query('select pg_get_functiondef($1::regprocedure) as text', [
    `internal.${verb}_personal_data(jsonb)`,
  ])
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
    ['an address that was encoded twice', { path: '/a/jane%2540mail.de' }, true],
    ['an address in wide forms', { note: 'jane＠mail。de' }, true],
    ['an address in wide forms inside a URL', { path: '/a/jane%EF%BC%A0mail.de' }, true],
    ['an address behind a zero-width character', { note: 'a\ufeff@b.example' }, true],
    ['an @ behind a blank of Unicode', { note: 'a\u2003@b.example' }, false],
    ['an image of twice the size', { note: 'foo@2x.png' }, false],
    ['an address at a host like an image', { note: 'jane@png.example' }, true],
    ['a percentage and what is no encoding', { note: '50% off %zz %ff%C3 %E2%82' }, false],
    ['an @ without a host', { note: 'jane@home' }, false],
    ['a member that only resembles one', { emails_sent: 3, zipper: 'red', ipsum: 1 }, false],
    ['an empty text and an empty key', { '': '' }, false],
    ['an international number', { note: 'call +49 170 1234567' }, true],
    ['an international number without spaces', { note: '+4917012345678' }, true],
    ['an international number inside a URL', { url: '/?t=%2B491701234567' }, true],
    ['an American number', ['(555) 123-4567'], true],
    ['an American number with dots', { a: { b: '555.123.4567' } }, true],
    ['a number as a key', { '+1 555 123 4567': 1 }, true],
    ['a number in wide digits', { note: '＋４９ １７０ １２３４５６７' }, true],
    ['a national number', ['0170 1234567'], true],
    ['a national number with its area', ['(030) 1234567'], true],
    ['a national number with blanks that do not break', ['020\u00a07946\u00a00958'], true],
    ['a national number in pairs', ['06.12.34.56.78'], true],
    ['a number that a name and its text make together', { 555: '123-4567' }, false],
    ['the number of an order', { id: '100-200-3000' }, false],
    ['a round sum', { campaign: 'summer +100000000' }, false],
    ['the day of a campaign', { campaign: 'sale+20261120' }, false],
    ['an id of digits', { id: '820982911946154508', other: '5551234567' }, false],
    ['times with an offset', ['2026-11-20T08:09:17.123+05:30', '2026-11-20 08:09:17+00'], false],
    ['uuids', ['0f6b7c52-1234-4567-8901-123456789012'], false],
    ['an IPv4 address', { note: 'from 203.0.113.77' }, true],
    ['an IPv4 address with a port', { href: 'https://10.24.121.37:14084/v1' }, true],
    ['an IPv6 address', { note: '2001:db8:85a3:0:0:8a2e:370:7334' }, true],
    ['a short IPv6 address in capitals', { note: 'FE80::1FF:FE23:4567:890A' }, true],
    ['versions of four parts', { a: 'v1.2.3.4', b: '01.02.03.04' }, false],
    ['an API version and a price', { version: '2026-10-28.endive', price: '1.299.00' }, false],
    ['keys of entries', ['stripe:ch_1:refund:0-100', 'paypal:3CA00000AA000001A:dispute:closed'], false],
    ['Turkish capitals', { ZİP: 1 }, false],
  ]
  test.each(cases)('%s', async (_, document, isPersonal) => {
    expect(findPersonalData(document as never) !== null).toBe(isPersonal)
    expect((await find(document)) !== null).toBe(isPersonal)
  })

  // A character that the two took for different things was stored by nobody: its delivery died for a query parameter.
  describe('by the same patterns', () => {
    /** Of those that a text of the database can hold. */
    const isCharacter = (point: number) => point > 0 && (point < 0xd800 || point > 0xdfff)
    /** In PostgreSQL every group may be one that captures. */
    const toSql = ({ source }: RegExp) => source.replaceAll('(?:', '(').replaceAll(String.raw`\/`, '/')

    test('letter by letter', async () => {
      const { rows } = await admin.query(
        `select pg_get_functiondef('internal.search_personal_data(jsonb)'::regprocedure) as text`,
      )
      const patterns = [...rows[0].text.matchAll(/content ~ '([^']*)' then/g)].map(([, pattern]) => pattern)
      expect(patterns).toEqual(PERSONAL_LIKE.map(toSql))
    })

    test('which mean the same by every character of Unicode', async () => {
      const points = Array.from({ length: 0x110000 }, (_, point) => point).filter(isCharacter)
      const texts = Array.from({ length: Math.ceil(points.length / 4_096) }, (_, at) =>
        String.fromCodePoint(...points.slice(at * 4_096, (at + 1) * 4_096)),
      )
      // What may stand before the @ of an address; the other classes of the patterns are of ASCII alone.
      const [word = ''] = /^\[[^\]]*\]/.exec(PERSONAL_LIKE[0]?.source ?? '') ?? []
      const { rows } = await admin.query<{ plain: string; words: string }>(
        `select internal.plain_text(t) as plain, regexp_replace(t, $2, '#', 'g') as words
         from unnest($1::text[]) with ordinality as s (t, at) order by s.at`,
        [texts, word],
      )
      const isSame = (text: string, at: number) =>
        plainOf(text) === rows[at]?.plain && text.replace(new RegExp(word, 'gu'), '#') === rows[at]?.words
      expect(texts.findIndex((text, at) => !isSame(text, at))).toBe(-1)
    })

    test('in the encoding of a URL, once, twice and broken', async () => {
      const points = Array.from({ length: 0x110000 }, (_, point) => point)
        .filter(isCharacter)
        .filter((point) => point < 0x900 || point % 499 === 0)
      const texts = points.flatMap((point) => {
        const once = encodeURIComponent(String.fromCodePoint(point)).replace(
          /^(?!%)(.)$/u,
          (sign) => `%${sign.charCodeAt(0).toString(16).padStart(2, '0')}`,
        )
        return [`a${once}b`, `${encodeURIComponent(once)}%`, once.slice(0, -1), `${once.slice(3)}x`]
      })
      const { rows } = await admin.query<{ plain: string }>(
        'select internal.plain_text(t) as plain from unnest($1::text[]) with ordinality as s (t, at) order by s.at',
        [texts],
      )
      expect(texts.filter((text, at) => plainOf(text) !== rows[at]?.plain)).toEqual([])
    })
  })
})

/** Parts of what the search looks for, and of what ends or hides it in the text of a document. */
const FRAGMENTS = [
  ...['a', 'Z', 'é', '7', '12', '555', '123', '4567', '2001', 'db8', '0', '+', '+1', '%2b', '%40', '@', '.', ':', '::'],
  ...['-', '_', ' ', '(', ')', '/', '"', ': ', '\\', '\\x', '\n', '\t', '{', '}', ',', 'jane', 'example.org'],
  ...['\u00a0', '\u2011', '＠', '＋４', '。', '0170', '%25', '%EF%BC%A0', '%C3', '(030)', '06', '.png', '\ufeff'],
  ...['10.0.0.1', 'fe80', 'e-mail', 'EMAIL', 'zip', 'line', 'last4', 'ip', '–', '\u007f'],
]

test('whatever the search finds, the guard lets it look for', async () => {
  const text = fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 9 }).map((parts) => parts.join(''))
  const { document } = fc.letrec<{ document: unknown; leaf: unknown }>((tie) => ({
    document: fc.oneof(
      { maxDepth: 3 },
      tie('leaf'),
      fc.array(tie('document'), { maxLength: 3 }),
      fc.dictionary(text, tie('document'), { maxKeys: 3 }),
    ),
    leaf: fc.oneof(text, text, fc.integer(), fc.constantFrom(null, true)),
  }))
  const seed = Date.now() % 1_000_000
  const documents = fc.sample(document, { seed, numRuns: 4_000 })
  const { rows } = await admin.query(
    `select count(*) filter (where internal.search_personal_data(d) is not null)::integer as found,
            array_agg(d::text) filter (where internal.search_personal_data(d) is distinct from internal.find_personal_data(d)) as missed
     from jsonb_array_elements($1::jsonb) as d`,
    [JSON.stringify(documents)],
  )
  expect(rows[0].missed, `seed ${seed}`).toBeNull()
  // Neither nothing nor all of it: the sample would prove little.
  expect(rows[0].found).toBeGreaterThan(200)
  expect(rows[0].found).toBeLessThan(3_800)
})

describe('the trigger', () => {
  const insert = (table: string, changes: Row) => {
    const row = rowsOf({ ...tenant, eventId: randomUUID(), deadEventId: randomUUID() }).find(
      ([name]) => name === table,
    )?.[1]
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
    // What jobs carry are our own ids, redacted again where it is written down; a row refused would be a failure untold. What
    // attribution writes is its own settings and figures.
    expect(rows.map(({ name }) => name).sort()).toEqual([
      'attribution_editions',
      'attribution_window_runs',
      'worker_failed_jobs',
    ])
  })

  test('costs little on a large payload', async () => {
    const payload = { lines: Array.from({ length: 2_000 }, (_, id) => ({ id, title: `Blue mug number ${id}` })) }
    const started = performance.now()
    expect(await find(payload)).toBeNull()
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
