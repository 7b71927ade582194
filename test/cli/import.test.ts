import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test, vi } from 'vitest'
import { UsageError } from '../../src/cli/environment.ts'
import { runImport } from '../../src/cli/import.ts'
import { openRejections } from '../../src/cli/import-rejections.ts'
import type { ImportKindName } from '../../src/events/import/kind.ts'
import { type ImportOptions, importFile } from '../../src/events/import/service.ts'
import { operatorIn } from '../../src/tenants/operator.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { type TestTenant, until, usePlatform } from '../support/platform.ts'
import { connectAs } from '../support/rows.ts'
import { listTablesHolding } from '../support/stored.ts'

const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url))
const platform = usePlatform()
const folder = mkdtempSync(join(tmpdir(), 'skeldir-import-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** As an operator runs it. */
function start(args: readonly string[]) {
  return spawn(process.execPath, ['src/cli/main.ts', 'import', ...args], {
    cwd: repositoryRoot,
    env: {
      ...childEnvironment(),
      DATABASE_URL: platform.database.urlOf('app_user'),
      SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = start(args)
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status, stdout, stderr }
}

/** What the command does, in this process. */
async function importOf(kind: ImportKindName, path: string, tenant: TestTenant, options: Partial<ImportOptions> = {}) {
  const all: ImportOptions = {
    kind,
    path,
    format: path.endsWith('.csv') ? 'csv' : 'ndjson',
    timeZone: null,
    isDryRun: false,
    again: null,
    ...options,
  }
  const rejections = openRejections(path, { isFile: !all.isDryRun })
  try {
    return await importFile(operatorIn(platform.ctx, tenant.tenantId), all, {
      onStart: rejections.start,
      onRejected: rejections.add,
      onProgress: () => {},
      stop: new AbortController().signal,
    })
  } finally {
    rejections.end()
  }
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, `${randomUUID().slice(0, 8)}-${name}`)
  writeFileSync(path, content)
  return path
}

const lines = (...rows: string[]) => `${rows.join('\n')}\n`
const rejectedOf = (path: string) => readFileSync(`${path}.rejected.csv`, 'utf8').trimEnd().split('\n').slice(1)

const AT = '2026-03-01T10:00:00Z'

test('orders: purchases and refunds of a CSV are in the ledger; a row that cannot be is told with its line', async () => {
  const tenant = await platform.createTenant()
  const path = file(
    'orders.csv',
    lines(
      'order_id,occurred_at,currency,total,tax_minor,kind,conversion_id,visitor_id',
      `1001,${AT},EUR,119.00,1900,,,v-1`,
      `1001,2026-03-02T10:00:00+01:00,EUR,19,,refund,1001-r1,`,
      `1002,${AT},JPY,1500,,,,`,
      `1003,${AT},JPY,15.5,,,,`,
      `1004,2026-02-30T10:00:00Z,EUR,1,,,,`,
      `1005,2026-03-01 10:00,EUR,1,,,,`,
      `1006,${AT},EUR,1,,refund,,`,
      `1007,${AT},EUR,,,,,`,
      `1008,${AT},EUR,1,200,,,`,
      `1009,${AT},EUR,1,,,,ada.buyer@example.com`,
      `1010,${AT},EUR,1,,,`,
      `1011,2099-01-01T00:00:00Z,EUR,1,,,,`,
      `1001,${AT},EUR,119.00,1900,,,v-1`,
      `1002,${AT},JPY,1501,,,,`,
    ),
  )
  const report = await importOf('orders', path, tenant)
  expect(report).toMatchObject({
    status: 'finished',
    rows: 14,
    tally: {
      results: { accepted: 3, duplicate: 1, rejected: 10 },
      sums: { 'captured EUR': '11900', 'refunded EUR': '1900', 'captured JPY': '1500' },
    },
  })
  expect(rejectedOf(path).map((entry) => entry.split(',').slice(0, 2).join(' '))).toEqual([
    '5 amount_invalid',
    '6 invalid_row',
    '7 invalid_row',
    '8 invalid_row',
    '9 invalid_row',
    '10 amount_invalid',
    '11 personal_data',
    '12 invalid_row',
    '13 occurred_in_future',
    '15 conflict',
  ])
  expect(await listTablesHolding(platform, 'ada.buyer')).toEqual([])
  expect(readFileSync(`${path}.rejected.csv`, 'utf8')).not.toContain('ada')
  const entries = await platform.query(
    `select entry_key, order_key, kind, amount_minor::text as amount, currency, vendor, source
     from ledger_entries where tenant_id = $1 order by entry_key`,
    [tenant.tenantId],
  )
  expect(entries).toEqual([
    {
      entry_key: 'own:1001',
      order_key: 'own:1001',
      kind: 'capture',
      amount: '11900',
      currency: 'EUR',
      vendor: 'own',
      source: 'import',
    },
    {
      entry_key: 'own:1001-r1',
      order_key: 'own:1001',
      kind: 'refund',
      amount: '-1900',
      currency: 'EUR',
      vendor: 'own',
      source: 'import',
    },
    {
      entry_key: 'own:1002',
      order_key: 'own:1002',
      kind: 'capture',
      amount: '1500',
      currency: 'JPY',
      vendor: 'own',
      source: 'import',
    },
  ])
  const audit = await platform.query(
    `select action, target_kind from audit_log where tenant_id = $1 and action like 'import.%' order by occurred_at`,
    [tenant.tenantId],
  )
  expect(audit.map(({ action }) => action)).toEqual(['import.started', 'import.finished'])
})

test('an order that came over HTTP is a duplicate in a file, and the other way round', async () => {
  const tenant = await platform.createTenant()
  const path = file(
    'orders.ndjson',
    `\ufeff${JSON.stringify({ order_id: 'a', occurred_at: AT, currency: 'EUR', total_minor: 500, visitor_id: null })}\r\n`,
  )
  const item = {
    conversion_id: 'a',
    kind: 'purchase',
    order_id: 'a',
    occurred_at: AT,
    total: { amount_minor: 500, currency: 'EUR' },
  }
  const send = () => platform.call('ingestConversions', { tenant, body: { conversions: [item] } })
  expect((await send()).body.accepted).toBe(1)
  expect((await importOf('orders', path, tenant)).tally.results).toEqual({ duplicate: 1 })
})

test('touchpoints: channels by the rules of the tenant, or as the file names them; nothing of addresses is kept', async () => {
  const tenant = await platform.createTenant()
  const rows = [
    { visitor_id: 'v1', occurred_at: AT, utm_source: 'google', utm_medium: 'cpc', utm_campaign: 'Herbst' },
    {
      visitor_id: 'v1',
      occurred_at: AT,
      page_url: 'https://shop.example/jackets?gclid=SECRET-click&email=ada%40example.com',
    },
    { visitor_id: 'v1', occurred_at: AT, page_url: 'https://shop.example/', referrer: 'https://www.bing.com/' },
    { visitor_id: 'v1', occurred_at: AT, channel: 'affiliates', source: 'partner-7' },
    { visitor_id: 'v1', occurred_at: AT },
    { visitor_id: 'v1', occurred_at: AT, page_url: 'https://shop.example/thanks', referrer: 'https://www.paypal.com/' },
    { visitor_id: 'v1', occurred_at: AT, channel: 'carrier_pigeon' },
    { visitor_id: 'v1', occurred_at: AT, utm_source: 'ada@example.com' },
    { visitor_id: 'v1', occurred_at: AT, utm_source: 'google', utm_medium: 'cpc', utm_campaign: 'Herbst' },
    { visitor_id: 'v1', occurred_at: AT, ip: '203.0.113.7' },
    { visitor_id: { id: 1 }, occurred_at: AT },
  ]
  const path = file('visits.jsonl', lines(...rows.map((row) => JSON.stringify(row)), '', '{"visitor_id":', '[]'))
  const report = await importOf('touchpoints', path, tenant)
  expect(report).toMatchObject({
    rows: 13,
    tally: {
      results: { accepted: 5, skipped: 1, duplicate: 1, rejected: 6 },
      sums: { paid_search: '2', organic_search: '1', affiliates: '1', direct: '1' },
    },
  })
  const stored = await platform.query<Record<string, string>>(
    `select channel, source, campaign, click_kind, landing_path, referrer_host, channel_rules is not null as by_rules, origin, tier
     from touchpoints where tenant_id = $1 order by channel, campaign`,
    [tenant.tenantId],
  )
  expect(
    stored.map(({ channel, source, click_kind, landing_path, referrer_host, by_rules }) => [
      channel,
      source,
      click_kind,
      landing_path,
      referrer_host,
      by_rules,
    ]),
  ).toEqual([
    ['affiliates', 'partner-7', null, null, null, false],
    ['direct', null, null, null, null, true],
    ['organic_search', 'bing', null, '/', 'www.bing.com', true],
    ['paid_search', 'google', null, null, null, true],
    ['paid_search', 'google', 'gclid', '/jackets', null, true],
  ])
  for (const secret of ['SECRET-click', 'ada@example.com', 'ada%40'])
    expect(await listTablesHolding(platform, secret)).toEqual([])
})

test('spend: as over HTTP, in the time zone that is named; a second run does nothing, --again starts over', async () => {
  const tenant = await platform.createTenant()
  const path = file(
    'spend.csv',
    lines(
      'date,channel,source,amount_minor,currency',
      '2026-03-01,paid_search,google,500,USD',
      '2026-03-02,paid_search,google,7,EUR',
    ),
  )
  const zone = { timeZone: 'America/New_York' }
  const tally = { results: { accepted: 2 }, sums: { 'spent USD': '500', 'spent EUR': '7' } }
  expect(await importOf('spend', path, tenant, zone)).toMatchObject({ status: 'finished', tally })
  const corrected = {
    date: '2026-03-01',
    channel: 'paid_search',
    source: 'google',
    amount: { amount_minor: 9, currency: 'USD' },
  }
  const headers = { authorization: `Bearer ${tenant.tokens.manager}` }
  const query = { time_zone: 'America/New_York' }
  const body = { spend: [corrected] }
  const answer = await platform.call('ingestSpend', { tenant, token: null, headers, query, body })
  expect(answer.body.replaced).toBe(1)
  expect(await importOf('spend', path, tenant, zone)).toMatchObject({ status: 'was_finished', rows: 2, tally })
  const third = await importOf('spend', path, tenant, { ...zone, again: 'restart' })
  expect(third).toMatchObject({ status: 'finished', tally: { results: { replaced: 1, unchanged: 1 } } })
  expect((await importOf('spend', path, tenant)).tally.results).toEqual({ accepted: 2 })
})

test('--dry-run tells what would be and changes nothing', async () => {
  const tenant = await platform.createTenant()
  const row = (id: number) => `${id},${AT},EUR,1.00`
  const many = Array.from({ length: 1_200 }, (_, at) => row(at))
  const path = file('orders.csv', lines('order_id,occurred_at,currency,total', ...many, row(3), 'x'))
  const before = await countRows()
  const told: string[] = []
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((line) => told.push(String(line)) > 0)
  const dry = await importOf('orders', path, tenant, { isDryRun: true })
  write.mockRestore()
  expect(dry).toMatchObject({
    status: 'dry_run',
    rows: 1_202,
    tally: { results: { accepted: 1_200, duplicate: 1, rejected: 1 }, sums: { 'captured EUR': '120000' } },
  })
  expect(told).toEqual([expect.stringContaining('line 1203: invalid_row')])
  expect(existsSync(`${path}.rejected.csv`)).toBe(false)
  expect(await countRows()).toEqual(before)
  expect((await importOf('orders', path, tenant)).tally).toEqual(dry.tally)
})

test('--dry-run tells of repeats over batches what the import then tells', async () => {
  const tenant = await platform.createTenant()
  const order = (id: number, total = '1.00') => `${id},${AT},EUR,${total}`
  const many = Array.from({ length: 600 }, (_, at) => order(at))
  const orders = ['order_id,occurred_at,currency,total', ...many, order(0), order(1, '2.00'), ...many.slice(0, 600)]
  const day = (at: number) => new Date(Date.UTC(2026, 0, 1) - at * 86_400_000).toISOString().slice(0, 10)
  const cost = (at: number, amount = 1) => `${day(at)},email,news,${amount},EUR`
  const costs = Array.from({ length: 1_000 }, (_, at) => cost(at))
  const rows = ['date,channel,source,amount_minor,currency', ...costs, cost(0), cost(1, 7), cost(2, 8)]
  const visits = Array.from({ length: 600 }, (_, at) => `v-${at},${AT},,email`)
  const touches = ['visitor_id,occurred_at,event_id,channel', ...visits, ...visits, `v-1,${AT},,display`]
  // The third row of the spend is known already, with the figures that a later row comes back to.
  const known = file('known.csv', lines('date,channel,source,amount_minor,currency', cost(2, 8)))
  await importOf('spend', known, tenant)
  for (const [kind, content] of [
    ['orders', orders],
    ['spend', rows],
    ['touchpoints', touches],
  ] as const) {
    const path = file(`${kind}.csv`, lines(...content))
    const dry = await importOf(kind, path, tenant, { isDryRun: true })
    expect((await importOf(kind, path, tenant)).tally, kind).toEqual(dry.tally)
    expect(Object.keys(dry.tally.results).length, kind).toBeGreaterThan(1)
  }
})

test('nobody waits for a dry run: others store what an earlier batch of it has read', async ({ onTestFinished }) => {
  const tenant = await platform.createTenant()
  const rows = Array.from({ length: 501 }, (_, at) => `${at},${AT},EUR,1.00`)
  const path = file('orders.csv', lines('order_id,occurred_at,currency,total', ...rows))
  // Somebody else holds an id of the second batch, so the dry run stays there.
  const holder = await connectAs(platform.database, 'admin', onTestFinished)
  await holder.query('begin')
  await holder.query(
    `insert into conversions (tenant_id, source, conversion_id, kind, order_key, occurred_at, currency, total_minor,
                              tax_minor, shipping_minor, tip_minor, discount_minor, item_sha256)
     values ($1, 'import', '500', 'purchase', 'own:500', $2, 'EUR', 100, 0, 0, 0, 0, sha256('x'))`,
    [tenant.tenantId, AT],
  )
  let batches = 0
  const options = { kind: 'orders', path, format: 'csv', timeZone: null, isDryRun: true, again: null } as const
  const watch = {
    onStart: () => {},
    onRejected: () => {},
    onProgress: () => {
      batches += 1
    },
    stop: new AbortController().signal,
  }
  const report = importFile(operatorIn(platform.ctx, tenant.tenantId), options, watch)
  await until(
    async () => batches,
    (done) => done === 1,
  )
  const item = { conversion_id: '0', kind: 'purchase', order_id: '0', occurred_at: AT }
  const conversions = [{ ...item, total: { amount_minor: 100, currency: 'EUR' } }]
  const { body } = await platform.call('ingestConversions', { tenant, body: { conversions } })
  expect([body.accepted, batches]).toEqual([1, 1])
  await holder.query('rollback')
  expect((await report).tally.results).toEqual({ accepted: 501 })
})

const countRows = () =>
  platform.query(
    `select (select count(*) from conversions) as conversions, (select count(*) from ledger_entries) as entries,
            (select count(*) from order_facts) as facts, (select count(*) from import_files) as files,
            (select count(*) from pgboss.job) as jobs, (select count(*) from audit_log) as acts`,
  )

test('20,000 rows, killed in the middle: --resume goes on there, and nothing is lost or doubled', {
  timeout: 120_000,
}, async () => {
  const tenant = await platform.createTenant()
  const total = 20_000
  const channels = ['email', 'display', 'sms']
  const rows = Array.from({ length: total }, (_, at) =>
    at % 4_000 === 3_999
      ? `v${at},never,email,e${at}`
      : `v${at % 977},${new Date(Date.parse(AT) + at * 1000).toISOString()},${channels[at % 3]},e${at}`,
  )
  const path = file('visits.csv', lines('visitor_id,occurred_at,channel,event_id', ...rows))
  const rowsDone = async () => {
    const [row] = await platform.query<{ done: number }>(
      `select rows_done::integer as done from import_files where tenant_id = $1`,
      [tenant.tenantId],
    )
    return row?.done ?? 0
  }
  const stored = async () => {
    const [row] = await platform.query<{ stored: number }>(
      `select count(*)::integer as stored from touchpoints where tenant_id = $1`,
      [tenant.tenantId],
    )
    return row?.stored
  }
  const child = start(['touchpoints', path, '--tenant', tenant.slug])
  await until(rowsDone, (done) => done > 4_000, 60_000)
  child.kill('SIGKILL')
  await once(child, 'close')
  const done = await rowsDone()
  expect(done).toBeLessThan(total)
  expect(await stored()).toBe(done - Math.floor(done / 4_000))

  await expect(importOf('touchpoints', path, tenant)).rejects.toThrow(`ended after ${done} rows: --resume`)
  const { status, stdout } = await run('touchpoints', path, '--tenant', tenant.slug, '--resume', '--json')
  const report = JSON.parse(stdout)
  expect(report).toMatchObject({ status: 'finished', rows: total, results: { accepted: total - 5, rejected: 5 } })
  expect(status).toBe(1)
  const counts = Object.values(report.sums as Record<string, string>)
  expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(total - 5)
  expect(await stored()).toBe(total - 5)
  expect(rejectedOf(path).map((entry) => Number.parseInt(entry, 10))).toEqual([4_001, 8_001, 12_001, 16_001, 20_001])
})

test.each<[string, ImportKindName, string, string | Buffer | null]>([
  ['there is no file', 'orders', 'nowhere.csv', null],
  ['is not a file', 'orders', '.', null],
  ['is empty', 'orders', 'empty.csv', ''],
  ['is not UTF-8', 'orders', 'utf16.csv', Buffer.from('\ufefforder_id,occurred_at', 'utf16le')],
  ['lacks occurred_at, currency', 'orders', 'short.csv', 'order_id\n1\n'],
  ['Column 2 of the header row is none of', 'orders', 'email.csv', 'order_id,email,occurred_at,currency\n'],
  ['is none of date', 'spend', 'spend.csv', 'date;channel;source;amount_minor;currency\n'],
  ['look for a quote', 'spend', 'quote.csv', 'date,channel,source,amount_minor,currency\n2026-03-01,email,"x,1,USD\n'],
  ['a line of more than', 'orders', 'long.csv', `order_id,occurred_at,currency\n${','.repeat(1_100_000)}`],
])('a wrong file is refused: %s', async (reason, kind, name, content) => {
  const path = content === null ? join(folder, name) : file(name, content)
  await expect(importOf(kind, path, platform.tenant, { format: 'csv' })).rejects.toThrow(reason)
})

test('a wrong file ends the command with 2 and a sentence; a word on stdout is only for what was done', async () => {
  const path = file('customers.csv', 'order_id,email,occurred_at,currency\n')
  const { status, stdout, stderr } = await run('orders', path, '--tenant', platform.tenant.slug)
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain('Column 2 of the header row is none of order_id')
})

test('--help says how, and options that do not go together are refused', async () => {
  const told: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((line) => told.push(String(line)) > 0)
  expect(await runImport(['--help'])).toBe(0)
  write.mockRestore()
  for (const option of [
    'orders FILE',
    '--tenant SLUG',
    '--dry-run',
    '--resume',
    '--again',
    '--format',
    'guides/import',
  ])
    expect(told.join('')).toContain(option)
  const orders = (...options: string[]) => runImport(['orders', 'orders.csv', ...options])
  await expect(orders()).rejects.toThrow(UsageError)
  for (const options of [
    ['--resume', '--again'],
    ['--time-zone', 'Europe/Berlin'],
    ['--format', 'xml'],
    ['surplus.csv'],
  ])
    await expect(orders('--tenant', 'shop', ...options)).rejects.toThrow(UsageError)
  for (const words of [
    ['customers', 'a.csv'],
    ['orders'],
    ['orders', 'a.xlsx'],
    ['spend', 'a.csv', '--time-zone', 'Mars'],
  ])
    await expect(runImport([...words, '--tenant', 'shop'])).rejects.toThrow(UsageError)
})
