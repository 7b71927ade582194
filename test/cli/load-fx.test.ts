import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { listRates } from '../../src/attribution/rates/queries.ts'
import { inTenant } from '../../src/db/tenant.ts'
import { givenBooks } from '../support/books.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { usePlatform } from '../support/platform.ts'
import { connectAs, type OnTestFinished } from '../support/rows.ts'
import { runSkeldir } from '../support/skeldir.ts'
import { bringUp, workerContext } from '../support/worker.ts'

const platform = usePlatform()
const HEADER = 'date,base,quote,rate,source'

const environment = () => ({
  DATABASE_URL: platform.database.urlOf('app_user'),
  SKELDIR_MASTER_KEY: randomBytes(32).toString('base64'),
})

/** `skeldir admin load-fx` with a file of these lines. */
async function load(clean: OnTestFinished, lines: readonly string[], ...options: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'skeldir-fx-'))
  clean(async () => rmSync(folder, { recursive: true }))
  const path = join(folder, 'rates.csv')
  writeFileSync(path, `${lines.join('\n')}\n`)
  const { status, stdout, stderr } = await runSkeldir(['admin', 'load-fx', path, '--json', ...options], environment())
  return { status, stderr: stderr.replaceAll(path, 'FILE'), facts: stdout === '' ? null : JSON.parse(stdout) }
}

const stored = (source: string) =>
  platform.query<{ line: string }>(
    `select concat_ws(' ', as_of, base, quote, version, trim_scale(rate)) as line
     from fx_rates where source = $1 order by as_of, base, quote, version`,
    [source],
  )
const lines = async (source: string) => (await stored(source)).map(({ line }) => line)

const newSource = () => `bank-${randomBytes(6).toString('hex')}`

test('stores what is new, twice as once, and a correction as another version that holds', async ({
  onTestFinished,
}) => {
  const source = newSource()
  const first = [HEADER, `2026-03-30,EUR,USD,1.0900,${source}`, `2026-03-31,EUR,USD,1.0921,${source}`]
  expect(await load(onTestFinished, first)).toEqual({
    status: 0,
    stderr: '',
    facts: {
      rates: 2,
      first_day: '2026-03-30',
      last_day: '2026-03-31',
      skipped: 0,
      added: 2,
      corrected: 0,
      unchanged: 0,
    },
  })
  expect((await load(onTestFinished, first)).facts).toMatchObject({ added: 0, corrected: 0, unchanged: 2 })
  const second = [HEADER, `2026-03-30,EUR,USD,1.09,${source}`, `2026-03-31,EUR,USD,1.0922,${source}`]
  expect((await load(onTestFinished, second)).facts).toMatchObject({ added: 0, corrected: 1, unchanged: 1 })
  expect(await lines(source)).toEqual([
    '2026-03-30 EUR USD 1 1.09',
    '2026-03-31 EUR USD 1 1.0921',
    '2026-03-31 EUR USD 2 1.0922',
  ])
  const tenant = await platform.createTenant()
  const held = await inTenant(tenant.ctx.db.main, tenant.ctx, (tx) =>
    listRates(tx, { from: '2026-03-31', to: '2026-03-31' }),
  )
  expect(held.filter((rate) => rate.source === source)).toEqual([
    { base: 'EUR', quote: 'USD', asOf: '2026-03-31', source, rate: '1.0922' },
  ])
})

test('a file with a wrong line stores nothing, and names the line', async ({ onTestFinished }) => {
  const source = newSource()
  const { status, stderr, facts } = await load(onTestFinished, [
    HEADER,
    `2026-03-30,EUR,USD,1.09,${source}`,
    `2026-03-31,EUR,USD,many,${source}`,
  ])
  expect([status, facts]).toEqual([1, null])
  expect(stderr).toBe(
    'skeldir: FILE: the file cannot be read; nothing was stored\nline 3: the rate is not a decimal above 0 such as 1.0921\n',
  )
  expect(await lines(source)).toEqual([])
})

test('--dry-run reads and stores nothing', async ({ onTestFinished }) => {
  const source = newSource()
  const { status, facts } = await load(onTestFinished, [HEADER, `2026-03-30,EUR,USD,1.09,${source}`], '--dry-run')
  expect([status, facts]).toEqual([
    0,
    { rates: 1, first_day: '2026-03-30', last_day: '2026-03-30', skipped: 0, dry_run: true },
  ])
  expect(await lines(source)).toEqual([])
})

test('what a load can change is to be computed again where something is new, and nothing where nothing is', async ({
  onTestFinished,
}) => {
  const admin = await connectAs(platform.database, 'admin', onTestFinished)
  const given = async (currency: string) => {
    const tenant = await platform.createTenant()
    const books = await givenBooks(admin, tenant.tenantId)
    const at = new Date('2026-03-31T12:00:00Z')
    await books.addOrders([{ key: 'one', at, amount: 100, currency, visitor: null }])
    await bringUp(workerContext(platform, tenant, onTestFinished))
    return tenant.tenantId
  }
  const tenantIds = [await given('EUR'), await given('USD')]
  const changes = () =>
    platform.query(
      `select tenant_id as "tenantId", order_key as "orderKey", identity, from_at as "from", until_at as until
       from attribution_changes where tenant_id = any ($1::uuid[])`,
      [tenantIds],
    )
  const file = [HEADER, `2026-03-30,EUR,USD,1.09,${newSource()}`]
  const [from, until] = [new Date('2026-03-30T00:00:00Z'), new Date('2026-04-07T00:00:00Z')]
  const noted = [{ tenantId: tenantIds[0], orderKey: null, identity: null, from, until }]
  await load(onTestFinished, file)
  expect(await changes()).toEqual(noted)
  await load(onTestFinished, file)
  expect(await changes()).toEqual(noted)
})

test('- reads what comes in, such as the XML of the European Central Bank', async () => {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'admin', 'load-fx', '-', '--json'], {
    env: { ...childEnvironment(), ...environment() },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(
    '<Cube><Cube time="2026-03-27"><Cube currency="USD" rate="1.0815"/><Cube currency="ROL" rate="1"/></Cube></Cube>',
  )
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  expect([status, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({ rates: 1, skipped: 1, added: 1 })
  expect(await lines('ecb')).toEqual(['2026-03-27 EUR USD 1 1.0815'])
})

test.each([
  [[], 2, 'needs a file'],
  [['a.csv', 'b.csv'], 2, 'takes one file'],
  [['/nowhere/rates.csv'], 1, 'no such file'],
  [['a.csv', '--tenant', 'x'], 2, 'takes no --tenant'],
])('%j is refused in a sentence', async (args, status, sentence) => {
  const told = await runSkeldir(['admin', 'load-fx', ...args], environment())
  expect([told.status, told.stderr]).toEqual([status, expect.stringContaining(sentence)])
})

test('rates are public, and nobody changes one', async () => {
  const source = newSource()
  await platform.query(
    "insert into fx_rates (base, quote, as_of, source, rate) values ('EUR', 'GBP', '2026-03-31', $1, 0.85)",
    [source],
  )
  await expect(platform.query('update fx_rates set rate = 1 where source = $1', [source])).rejects.toThrow(
    /never changed/,
  )
  await expect(platform.query('delete from fx_rates where source = $1', [source])).rejects.toThrow(/never changed/)
})
