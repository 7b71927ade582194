import { afterEach, expect, test } from 'vitest'
import { expectProblem, MALFORMED, masked, OVERSIZED, UNSUPPORTED } from '../support/answer.ts'
import { DAY, givenApiKey, toDay } from '../support/given.ts'
import { expectRateLimited } from '../support/limits.ts'
import { type CallOptions, type TestTenant, usePlatform } from '../support/platform.ts'
import { countStored, listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()
afterEach(() => platform.setNow(null))

const yesterday = toDay(new Date(Date.now() - DAY))

function row(change: Record<string, unknown> = {}) {
  return {
    date: yesterday,
    channel: 'paid_search',
    source: 'google',
    campaign: 'autumn-jackets',
    amount: { amount_minor: 48_250, currency: 'USD' },
    impressions: 18_904,
    clicks: 611,
    ...change,
  }
}

/** As a manager, and without the tenant's key. */
function post(
  body: unknown,
  { tenant = platform.tenant, headers = {}, ...rest }: Pick<CallOptions, 'tenant' | 'headers' | 'query'> = {},
) {
  const authorization = `Bearer ${tenant.tokens.manager}`
  return platform.call('ingestSpend', { tenant, token: null, headers: { authorization, ...headers }, body, ...rest })
}

const send = (tenant: TestTenant, spend: unknown[], query: Record<string, string> = {}) =>
  post({ spend }, { tenant, query })

const CSV = { 'content-type': 'text/csv' }
const sendCsv = (tenant: TestTenant, body: string | Buffer, headers: Record<string, string> = CSV) =>
  post(body, { tenant, headers })

const HEADER = 'date,channel,source,campaign,amount_minor,currency,impressions,clicks'

const storedBy = (tenant: TestTenant) =>
  platform.query<Record<string, unknown>>(
    `select day::text, time_zone, channel, source, campaign, currency, version, amount_minor::text as amount,
            impressions::text, clicks::text
     from spend_versions where tenant_id = $1
     order by day, time_zone, channel, source, campaign, currency, version`,
    [tenant.tenantId],
  )

const resultsOf = ({ body }: { body: { results: { result: string; code: string | null }[] } }) =>
  body.results.map(({ result, code }) => code ?? result)

test('200: new rows are accepted, the same again is unchanged, other figures replace, and the earlier ones are kept', async () => {
  const tenant = await platform.createTenant({ timeZone: 'Europe/Berlin' })
  const rows = [row(), row({ campaign: undefined, impressions: undefined, clicks: undefined })]
  const { status, body } = await send(tenant, rows)
  expect(status).toBe(200)
  expect(body).toEqual({
    accepted: 2,
    replaced: 0,
    unchanged: 0,
    rejected: 0,
    results: [1, 2].map((at) => ({ row: at, result: 'accepted', code: null })),
  })
  expect(resultsOf(await send(tenant, rows))).toEqual(['unchanged', 'unchanged'])
  const corrected = row({ amount: { amount_minor: 0, currency: 'USD' } })
  expect(resultsOf(await send(tenant, [corrected, row({ campaign: undefined, clicks: 0 })]))).toEqual([
    'replaced',
    'replaced',
  ])
  expect(resultsOf(await send(tenant, [corrected]))).toEqual(['unchanged'])
  expect(resultsOf(await send(tenant, [row()]))).toEqual(['replaced'])
  const named = (await storedBy(tenant)).filter(({ campaign }) => campaign === 'autumn-jackets')
  expect(named.map(({ version, amount, time_zone }) => [version, amount, time_zone])).toEqual([
    [1, '48250', 'Europe/Berlin'],
    [2, '0', 'Europe/Berlin'],
    [3, '48250', 'Europe/Berlin'],
  ])
})

test('200: each part of the key makes another row, the time zone too, under whatever spelling', async () => {
  const tenant = await platform.createTenant()
  const rows = [
    row(),
    row({ date: toDay(new Date(Date.now() - 2 * DAY)) }),
    row({ channel: 'display' }),
    row({ source: 'bing' }),
    row({ campaign: 'Autumn-jackets' }),
    row({ amount: { amount_minor: 48_250, currency: 'EUR' } }),
  ]
  expect((await send(tenant, rows)).body.accepted).toBe(rows.length)
  expect((await send(tenant, rows, { time_zone: 'America/New_York' })).body.accepted).toBe(rows.length)
  expect((await send(tenant, rows, { time_zone: 'america/new_york' })).body.unchanged).toBe(rows.length)
})

test('200: one batch holds one of each, answered in order', async () => {
  const tenant = await platform.createTenant()
  const { body } = await send(tenant, [
    row(),
    row({ clicks: 612 }),
    row({ source: 'a', date: toDay(new Date(Date.now() + 2 * DAY)) }),
    row({ source: 'b', date: toDay(new Date(Date.now() - 732 * DAY)) }),
    row({ source: 'c', amount: { amount_minor: -1, currency: 'USD' } }),
    row({ source: 'd', amount: { amount_minor: 1, currency: 'ZZZ' } }),
    row({ source: 'newsletter of ada@example.com' }),
    row({ source: ' \t ' }),
    row({ source: 'e', amount: { amount_minor: Number.MAX_SAFE_INTEGER, currency: 'USD' } }),
  ])
  expect(resultsOf({ body })).toEqual([
    'accepted',
    'repeated_row',
    'date_in_future',
    'date_too_long_ago',
    'amount_invalid',
    'amount_invalid',
    'personal_data',
    'invalid_row',
    'accepted',
  ])
  expect(body).toMatchObject({ accepted: 2, rejected: 7 })
  expect(await listTablesHolding(platform, 'ada@example.com')).toEqual([])
})

test('200: what the database refuses, refuses no other row', async ({ onTestFinished }) => {
  await platform.query("alter table spend_versions add constraint planted check (source <> 'refused')")
  onTestFinished(async () => void (await platform.query('alter table spend_versions drop constraint planted')))
  const tenant = await platform.createTenant()
  const rows = ['a', 'refused', 'b', 'c'].map((source) => row({ source }))
  expect(resultsOf(await send(tenant, rows))).toEqual(['accepted', 'personal_data', 'accepted', 'accepted'])
  expect(resultsOf(await send(tenant, rows))).toEqual(['unchanged', 'personal_data', 'unchanged', 'unchanged'])
})

test('200: a day is judged in the time zone that it is of', async () => {
  const tenant = await platform.createTenant({ timeZone: 'UTC' })
  const now = new Date(Date.now() - DAY)
  now.setUTCHours(23, 30)
  platform.setNow(now)
  // A key, since the manager's token is of a time that has not come yet.
  const headers = {
    'x-skeldir-tenant-key': await givenApiKey(platform, tenant, { scopes: ['spend:write'] }),
    authorization: '',
  }
  const body = { spend: [row({ date: toDay(new Date(now.getTime() + DAY)) })] }
  expect(resultsOf(await post(body, { tenant, headers }))).toEqual(['date_in_future'])
  const query = { time_zone: 'Asia/Tokyo' }
  expect(resultsOf(await post(body, { tenant, headers, query }))).toEqual(['accepted'])
})

test('200: CSV with the columns in any order, BOM, CRLF, quotes and empty lines', async () => {
  const tenant = await platform.createTenant()
  const csv = [
    '\ufeffCurrency,amount_minor , source,channel,date,campaign',
    `USD,100,google,paid_search,${yesterday},"shoes, ""red"""`,
    '',
    `"USD","7"," trail-podcast ",paid_other,${yesterday},`,
    `USD,9,bing,paid_search,${yesterday},"two`,
    'lines"',
  ].join('\r\n')
  expect(resultsOf(await sendCsv(tenant, csv, { 'content-type': 'text/csv; charset=utf-8' }))).toEqual([
    'accepted',
    'accepted',
    'accepted',
  ])
  expect((await storedBy(tenant)).map(({ source, campaign, amount }) => [source, campaign, amount])).toEqual([
    ['trail-podcast', '', '7'],
    ['bing', 'two lines', '9'],
    ['google', 'shoes, "red"', '100'],
  ])
  const same = [
    row({
      campaign: 'shoes, "red"',
      amount: { amount_minor: 100, currency: 'USD' },
      impressions: undefined,
      clicks: undefined,
    }),
  ]
  expect(resultsOf(await send(tenant, same))).toEqual(['unchanged'])
})

test('200: a CSV row that breaks the rules is rejected by itself, and what looks like a formula is a text', async () => {
  const tenant = await platform.createTenant()
  const good = `${yesterday},paid_search,google,`
  const lines: [string, string][] = [
    [`${good}=HYPERLINK("x"),1,USD,,`, 'malformed'],
    [`${good}"=HYPERLINK(""https://x.example"")",1,USD,,`, 'accepted'],
    [`${good}@SUM(1),1,USD,,`, 'accepted'],
    [`${good}-2+3,=1+1,USD,,`, 'invalid_row'],
    [`${good}b,1,USD,,,surplus`, 'invalid_row'],
    [`${good}c,1,USD`, 'invalid_row'],
    [`${good}d,1.5,USD,,`, 'invalid_row'],
    [`${good}e,-5,USD,,`, 'amount_invalid'],
    [`${good}f,9007199254740992,USD,,`, 'invalid_row'],
    [`${good}g,1,usd,,`, 'invalid_row'],
    [`${good}h,1,USD,1e3,`, 'invalid_row'],
    [`2026-02-30,paid_search,google,i,1,USD,,`, 'invalid_row'],
    [`${yesterday},carrier_pigeon,google,j,1,USD,,`, 'invalid_row'],
    [`${yesterday},__proto__,google,k,1,USD,,`, 'invalid_row'],
    [`${yesterday},paid_search,,l,1,USD,,`, 'invalid_row'],
    [`${good}${'m'.repeat(256)},1,USD,,`, 'invalid_row'],
    [`${good}n\0,1,USD,,`, 'invalid_row'],
    [`${good}call +49 30 1234567,1,USD,,`, 'personal_data'],
    [`${good}o,1,ZZZ,,`, 'amount_invalid'],
    [`${good}constructor,1,USD,0,0`, 'accepted'],
  ]
  const rows = lines.filter(([, result]) => result !== 'malformed')
  const answer = await sendCsv(tenant, [HEADER, ...rows.map(([line]) => line)].join('\n'))
  expect(resultsOf(answer)).toEqual(rows.map(([, result]) => result))
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  expect((await storedBy(tenant)).map(({ campaign }) => campaign)).toContain('=HYPERLINK("https://x.example")')
})

test('200: 1,000 rows from two senders at once are stored once, and versions are counted', async () => {
  const tenant = await platform.createTenant()
  const rows = Array.from({ length: 1_000 }, (_, at) => row({ campaign: `c${at}` }))
  const answers = await Promise.all([send(tenant, rows), send(tenant, rows.toReversed())])
  expect(answers.reduce((sum, { body }) => sum + body.accepted, 0)).toBe(1_000)
  expect(answers.reduce((sum, { body }) => sum + body.unchanged, 0)).toBe(1_000)
  const changed = (clicks: number) => send(tenant, [row({ campaign: 'c0', clicks })])
  expect((await Promise.all([changed(1), changed(2), changed(3)])).flatMap(resultsOf)).toEqual(
    Array(3).fill('replaced'),
  )
  expect((await storedBy(tenant)).map(({ version }) => version).filter((version) => version !== 1)).toEqual([2, 3, 4])
})

test('200: with a key that has the scope; a tenant sees its own only', async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  for (const tenant of [one, other]) {
    const key = await givenApiKey(platform, tenant, { scopes: ['spend:write'] })
    const headers = { 'x-skeldir-tenant-key': key }
    const { body } = await platform.call('ingestSpend', { token: null, headers, body: { spend: [row()] } })
    expect(body.accepted).toBe(1)
  }
})

test.each(MALFORMED)('400: %s', async (_, body) => {
  expectProblem(await post(body), 'malformed_request')
})

test.each([
  ['a quote that nobody closes', `${HEADER}\n${yesterday},paid_search,"google,,1,USD,,\n`],
  ['a quote inside of a cell', `${HEADER}\n${yesterday},paid_search,goo"gle,,1,USD,,\n`],
  ['text after a closing quote', `${HEADER}\n${yesterday},paid_search,"goo"gle,,1,USD,,\n`],
  ['a row beyond 64 KiB', `${HEADER}\n${'x'.repeat(70_000)}`],
  ['Latin-1', Buffer.from(`${HEADER}\n${yesterday},paid_search,caf\xe9,,1,USD,,\n`, 'latin1')],
  ['UTF-16', Buffer.from(`\ufeff${HEADER}\n`, 'utf16le')],
])('400: CSV with %s', async (_, csv) => {
  const before = await countStored(platform)
  expectProblem(await sendCsv(platform.tenant, csv), 'malformed_request')
  expect(await countStored(platform)).toEqual(before)
})

test('401: no credentials, and a key that is unknown, are answered alike', async () => {
  const body = { spend: [row()] }
  const expected = await platform.call('ingestSpend', { body, token: null })
  expectProblem(expected, 'unauthorized')
  const headers = { 'x-skeldir-tenant-key': `skd_${'A'.repeat(43)}` }
  expect(masked(await platform.call('ingestSpend', { token: null, body, headers }))).toBe(masked(expected))
})

test('403: a viewer, and a key with another scope', async () => {
  const body = { spend: [row()] }
  const authorization = `Bearer ${platform.tenant.tokens.viewer}`
  expectProblem(await post(body, { headers: { authorization } }), 'forbidden')
  const headers = { 'x-skeldir-tenant-key': platform.tenant.apiKey }
  expectProblem(await platform.call('ingestSpend', { token: null, body, headers }), 'forbidden')
})

test('406: an answer that is not JSON', async () => {
  expectProblem(await post({ spend: [row()] }, { headers: { accept: 'text/csv' } }), 'not_acceptable')
})

test('413: more than 1 MiB, as JSON and as CSV', async () => {
  expectProblem(await post(OVERSIZED), 'payload_too_large')
  expectProblem(await sendCsv(platform.tenant, OVERSIZED), 'payload_too_large')
})

test.each([
  ...UNSUPPORTED,
  ['CSV in Latin-1', { 'content-type': 'text/csv; charset=iso-8859-1' }, Buffer.from] as const,
])('415: %s', async (_, headers, encode) => {
  const body = encode(JSON.stringify({ spend: [row()] }))
  expectProblem(await post(body, { headers }), 'unsupported_media_type')
})

test.each([
  ['none', [], ['/body/spend']],
  ['1,001', Array.from({ length: 1_001 }, () => row()), ['/body/spend']],
  ['an unknown channel', [row({ channel: 'carrier_pigeon' })], ['/body/spend/0/channel']],
  ['a day that is none', [row({ date: '2026-02-30' })], ['/body/spend/0/date']],
  [
    'an amount as a float',
    [row({ amount: { amount_minor: 1.5, currency: 'USD' } })],
    ['/body/spend/0/amount/amount_minor'],
  ],
  ['a surplus member', [row({ account: '1' })], ['/body/spend/0/account']],
  ['clicks below 0', [row({ clicks: -1 })], ['/body/spend/0/clicks']],
])('422: %s, of the whole batch', async (_, spend, pointers) => {
  const before = await countStored(platform)
  expectProblem(await send(platform.tenant, spend), 'validation_failed', pointers)
  expect(await countStored(platform)).toEqual(before)
})

const line = `${yesterday},paid_search,google,,1,USD,,`
test.each([
  ['a header row alone', HEADER],
  ['1,001 rows', [HEADER, ...Array.from({ length: 1_001 }, () => line)].join('\n')],
  ['no column of the currency', `date,channel,source,amount_minor\n${yesterday},paid_search,google,1`],
  ['a column that is not known', `${HEADER},email\n${line},a`],
  ['a column twice', `${HEADER},Clicks\n${line},1`],
  ['__proto__ as a column', `${HEADER},__proto__\n${line},1`],
  ['semicolons', `${HEADER}\n${line}`.replaceAll(',', ';')],
])('422: CSV with %s', async (_, csv) => {
  const before = await countStored(platform)
  expectProblem(await sendCsv(platform.tenant, csv), 'validation_failed', ['/body'])
  expect(await countStored(platform)).toEqual(before)
})

test.each(['Mars/Olympus', 'Europe', 'UTC+2'])('422: %s is no time zone', async (time_zone) => {
  expectProblem(await send(platform.tenant, [row()], { time_zone }), 'validation_failed', ['/query/time_zone'])
})

test('429: the quota of events is used up', async () => {
  const tenant = await platform.createTenant()
  const headers = { authorization: `Bearer ${tenant.tokens.manager}` }
  await expectRateLimited(platform, 'ingestSpend', { tenant, token: null, headers, body: '{' }, 'ingest')
})

test('503: the database is gone; sent again when it is back, it is accepted', async () => {
  const tenant = await platform.createTenant()
  expectProblem(await platform.withoutDatabase(() => send(tenant, [row()])), 'service_unavailable')
  expect((await send(tenant, [row()])).body.accepted).toBe(1)
})
