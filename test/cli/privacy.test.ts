import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import { adminOf } from '../support/admin.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { givenEndpoint } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'
import { runSkeldir, spawnSkeldir } from '../support/skeldir.ts'
import { readAudit } from '../support/tenants.ts'
import { countTies, givenBuyer, givenShopifyShop } from '../support/traces.ts'
import { workerContext } from '../support/worker.ts'

const platform = usePlatform()

const environment = () => ({
  DATABASE_URL: platform.database.urlOf('app_user'),
  SKELDIR_MASTER_KEY: platform.config.masterKeys.map((key) => key.toString('base64')).join(','),
})

/** `skeldir poll` as an operator runs it: it reads a credential from its standard input. */
async function poll(args: string[], input = ''): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['src/cli/main.ts', 'poll', ...args], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: { ...childEnvironment(), ...environment() },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stdin.end(input)
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { status, stdout, stderr }
}

describe('skeldir poll', () => {
  test('takes a credential on standard input, tells of endpoints without one, and finds no silence in a new one', async () => {
    const { tenant, endpointId } = await givenEndpoint(platform, 'stripe')
    const bare = await poll(['--tenant', tenant.slug, '--dry-run', '--json'])
    expect(bare.status).toBe(1)
    expect(JSON.parse(bare.stdout).items).toMatchObject([
      { vendor: 'stripe', topic: null, fault: 'no_access: no credential is set for this endpoint' },
    ])
    const set = ['set-credential', '--tenant', tenant.slug, '--endpoint', endpointId]
    expect(await poll(set, '{"api_key":"rk_live_1"}')).toMatchObject({ status: 0, stderr: '' })
    const wrong = await poll(set, '{"api_key":7,"other":"rk_live_secret"}')
    expect(wrong).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('a credential of stripe is a JSON object with api_key'),
    })
    expect(wrong.stderr).not.toContain('rk_live_secret')
    expect((await poll(set, 'rk_live_secret')).stderr).not.toContain('rk_live_secret')
    const silence = await poll(['silence', '--tenant', tenant.slug, '--json'])
    expect(JSON.parse(silence.stdout).items).toMatchObject([{ vendor: 'stripe', limit_seconds: null, silent: false }])
    expect((await readAudit(platform, tenant)).map(({ action }) => action)).toContain(
      'webhook_endpoint.poll_credential_set',
    )
  })

  test.each([
    [['--tenant', 'x', '--vendor', 'paypol'], '--vendor is one of'],
    [['--dry-run'], 'poll needs --tenant'],
    [['often', '--tenant', 'x'], 'there is no "poll often"'],
    [['--tenant', 'x', '--since', 'yesterday'], '--since is a time such as'],
    [['set-credential', '--tenant', 'x'], 'there is no tenant "x"'],
  ])('%j is refused', async (args, sentence) => {
    const { status, stderr } = await runSkeldir(['poll', ...args], environment())
    expect(status).toBeGreaterThan(0)
    expect(stderr).toContain(sentence)
  })
})

test('erase-orders does by hand what a vendor may ask for, and says so as an operator', async () => {
  const endpoint = await givenShopifyShop(platform)
  const { tenant } = endpoint
  const buyer = await givenBuyer(platform, endpoint)
  const ids = await platform.query<{ id: string }>('select event_id as id from webhook_events where tenant_id = $1', [
    tenant.tenantId,
  ])
  await normalizeEvents(
    workerContext(platform, tenant, onTestFinished),
    ids.map(({ id }) => id),
  )
  expect((await countTies(platform, tenant)).identities).toBe(1)
  const told = await adminOf(platform).json('erase-orders', '--tenant', tenant.slug, '--order-id', buyer.orderKey)
  expect(told).toMatchObject({ orders: 1, order_facts: 1, payloads: 1 })
  expect(await countTies(platform, tenant)).toEqual({ touchpoints: 0, identities: 0, payloads: 0 })
  const erased = await platform.query(
    "select actor_kind as kind from audit_log where tenant_id = $1 and action = 'privacy.customer_erased'",
    [tenant.tenantId],
  )
  expect(erased).toEqual([{ kind: 'operator' }])
  const refused = await adminOf(platform).refusal('erase-orders', '--tenant', tenant.slug, '--order-id', 'everything')
  expect(refused.sentence).toContain('"everything" is not an order')
})

test('scan-personal-data finds what stands in a row, names it without repeating it, and ends with 1', async () => {
  const endpoint = await givenShopifyShop(platform)
  const { tenant } = endpoint
  await givenBuyer(platform, endpoint)
  const clean = await adminOf(platform).json('scan-personal-data', '--tenant', tenant.slug)
  expect(clean.items.find(({ table }: { table: string }) => table === 'webhook_events')).toMatchObject({
    rows: 1,
    hits: 0,
  })
  await platform.query('alter table dead_events disable trigger no_personal_data')
  await platform.query(
    `insert into dead_events (tenant_id, vendor, endpoint_id, class, code, detail, body_sha256, payload, correlation_id)
     values ($1, 'shopify', $2, 'schema', 'planted', 'planted', sha256('x'), '{"deep":[{"to":"somebody@example.com"}]}', gen_random_uuid())`,
    [tenant.tenantId, endpoint.endpointId],
  )
  await platform.query('alter table dead_events enable trigger no_personal_data')
  const { status, stderr } = await adminOf(platform, spawnSkeldir).run('scan-personal-data', '--tenant', tenant.slug)
  expect(status).toBe(1)
  expect(stderr).toContain('dead_events: 1 rows, such as a text that looks like an e-mail address')
  expect(stderr).not.toContain('somebody')
})

test('alert-secret is what Standard Webhooks wants, and another one for each tenant', async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  const secretOf = async ({ slug }: { slug: string }) =>
    (await adminOf(platform).json('alert-secret', '--tenant', slug)).secret
  const secret = await secretOf(one)
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(await secretOf(one)).toBe(secret)
  expect(await secretOf(other)).not.toBe(secret)
})
