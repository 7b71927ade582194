import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sealAlertTargets, unwrapTenantKey } from '../../src/secrets/keyring.ts'
import { getAlertSecret } from '../../src/tenants/alerts/service.ts'
import { watchSilence } from '../../src/webhooks/poll/alarm.ts'
import { DAY, givenEndpoint, HOUR, type TestEndpoint } from '../support/given.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { readAudit } from '../support/tenants.ts'
import { toLoopback } from '../support/vendor-api.ts'
import { workerContext } from '../support/worker.ts'

const platform = usePlatform()

/** Deliveries of an endpoint each hour until `hoursAgo`, for three days. */
async function givenRhythm({ tenant, endpointId }: TestEndpoint, hoursAgo: number): Promise<void> {
  await platform.query(
    `insert into webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test, is_handled, correlation_id, received_at)
     select $1, 'stripe', 'evt_' || n, $2, 'charge.succeeded', sha256(n::text::bytea), '{}', false, true, gen_random_uuid(),
            now() - make_interval(hours => n)
     from generate_series($3::int, $3::int + 71) as n`,
    [tenant.tenantId, endpointId, hoursAgo],
  )
  await platform.query(
    'update webhook_endpoints set last_delivery_at = now() - make_interval(hours => $2) where endpoint_id = $1',
    [endpointId, hoursAgo],
  )
}

async function startReceiver() {
  const seen: { headers: Record<string, string | string[] | undefined>; body: string }[] = []
  let status = 204
  const server = createServer(async (request, response) => {
    seen.push({ headers: request.headers, body: await text(request) })
    response.writeHead(status).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  const answerBy = (next: number) => {
    status = next
  }
  return { url, seen, answerBy }
}

/** As settings would, but for the address, which must be public there. */
async function givenTargets(tenant: TestTenant, urls: string[], alerts: string[]): Promise<void> {
  const [row] = await platform.query<{ version: number; wrappingKid: string; wrappedKey: Buffer }>(
    'select key_version as version, wrapping_kid as "wrappingKid", wrapped_key as "wrappedKey" from tenant_keys where tenant_id = $1',
    [tenant.tenantId],
  )
  const key = unwrapTenantKey(platform.ctx.keys, { tenantId: tenant.tenantId, ...(row as NonNullable<typeof row>) })
  await platform.query('insert into tenant_alert_targets (tenant_id, key_version, sealed) values ($1, $2, $3)', [
    tenant.tenantId,
    key.version,
    sealAlertTargets(key, JSON.stringify({ emails: [], webhooks: urls.map((url) => ({ url, alerts })) })),
  ])
}

describe('silence', () => {
  test('longer than ten times the usual gap is told once, signed, and stands in the audit log', async () => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    const { tenant } = endpoint
    await givenRhythm(endpoint, 11)
    const receiver = await startReceiver()
    await givenTargets(tenant, [receiver.url], ['webhook_silence'])
    const ctx = workerContext(platform, tenant, onTestFinished)
    const [report] = await watchSilence(ctx, { send: toLoopback })
    expect(report).toMatchObject({ isSilent: true, limitMs: 10 * HOUR })
    await watchSilence(ctx, { send: toLoopback })

    expect(receiver.seen).toHaveLength(1)
    const [{ headers, body }] = receiver.seen as [(typeof receiver.seen)[0]]
    expect(JSON.parse(body)).toMatchObject({
      type: 'webhook_silence',
      data: { endpoint_id: endpoint.endpointId, vendor: 'stripe', limit_seconds: 36_000 },
    })
    const secret = Buffer.from((await getAlertSecret(ctx)).replace('whsec_', ''), 'base64')
    const signature = createHmac('sha256', secret)
      .update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`)
      .digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signature}`)
    const silent = (await readAudit(platform, tenant)).filter(({ action }) => action === 'webhook_endpoint.silent')
    expect(silent).toHaveLength(1)

    // A delivery ends it; the next silence is another one.
    await platform.query('update webhook_endpoints set last_delivery_at = now() where endpoint_id = $1', [
      endpoint.endpointId,
    ])
    expect(await watchSilence(ctx, { send: toLoopback })).toMatchObject([{ isSilent: false }])
    const later = { ...ctx, clock: () => new Date(Date.now() + 2 * DAY) }
    expect(await watchSilence(later, { send: toLoopback })).toMatchObject([{ isSilent: true }])
    expect(receiver.seen).toHaveLength(2)
  })

  test('is told again while nobody took it, five times at most, and never to targets of other alerts', async () => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    await givenRhythm(endpoint, 11)
    const receiver = await startReceiver()
    receiver.answerBy(500)
    await givenTargets(endpoint.tenant, [receiver.url], ['webhook_silence'])
    const ctx = workerContext(platform, endpoint.tenant, onTestFinished)
    for (let attempt = 0; attempt < 7; attempt++) await watchSilence(ctx, { send: toLoopback })
    expect(receiver.seen).toHaveLength(5)

    const other = await givenEndpoint(platform, 'stripe')
    await givenRhythm(other, 11)
    await givenTargets(other.tenant, [receiver.url], ['dead_events'])
    await watchSilence(workerContext(platform, other.tenant, onTestFinished), { send: toLoopback })
    expect(receiver.seen).toHaveLength(5)
  })

  test('is told to each target until it takes it, and to none twice', async () => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    await givenRhythm(endpoint, 11)
    const [first, second] = [await startReceiver(), await startReceiver()]
    second.answerBy(503)
    await givenTargets(endpoint.tenant, [first.url, second.url], ['webhook_silence'])
    const ctx = workerContext(platform, endpoint.tenant, onTestFinished)
    const watch = () => watchSilence(ctx, { send: toLoopback })
    await watch()
    await watch()
    expect([first.seen.length, second.seen.length]).toEqual([1, 2])
    second.answerBy(204)
    await watch()
    await watch()
    expect([first.seen.length, second.seen.length]).toEqual([1, 3])
    const ids = [...first.seen, ...second.seen].map(({ headers }) => headers['webhook-id'])
    expect(new Set(ids).size).toBe(1)
    const [stored] = await platform.query<{ text: string }>(
      'select s::text as text from endpoint_silences as s where tenant_id = $1',
      [endpoint.tenant.tenantId],
    )
    expect(stored?.text).not.toContain('127.0.0.1')
  })

  test.each([
    ['is no alarm', 9, false],
    ['that goes on until noon is one', 13, true],
  ])('of a shop that is closed for eight hours each night %s', async (_, hoursAgo, isSilent) => {
    const endpoint = await givenEndpoint(platform, 'stripe')
    // A delivery each five minutes for sixteen hours of the day: fewer than one gap in a hundred is a night.
    await platform.query(
      `insert into webhook_events (tenant_id, vendor, external_id, endpoint_id, topic, body_sha256, payload, is_test, is_handled, correlation_id, received_at)
       select $1, 'stripe', 'evt_' || day || '_' || slot, $2, 'charge.succeeded', sha256('x'::bytea), '{}', false, true, gen_random_uuid(),
              now() - make_interval(hours => $3::int, days => day, mins => slot * 5)
       from generate_series(0, 26) as day, generate_series(0, 191) as slot`,
      [endpoint.tenant.tenantId, endpoint.endpointId, hoursAgo],
    )
    await platform.query(
      'update webhook_endpoints set last_delivery_at = now() - make_interval(hours => $2) where endpoint_id = $1',
      [endpoint.endpointId, hoursAgo],
    )
    const ctx = workerContext(platform, endpoint.tenant, onTestFinished)
    const [report] = await watchSilence(ctx, { send: toLoopback })
    expect(report?.isSilent).toBe(isSilent)
    expect(Math.round((report?.limitMs ?? 0) / HOUR)).toBe(12)
  })

  test('of nine hours is none where there is a delivery each hour, nor of a new endpoint', async () => {
    const [usual, fresh] = [await givenEndpoint(platform, 'stripe'), await givenEndpoint(platform, 'stripe')]
    await givenRhythm(usual, 9)
    expect(
      await watchSilence(workerContext(platform, usual.tenant, onTestFinished), { send: toLoopback }),
    ).toMatchObject([{ isSilent: false, limitMs: 10 * HOUR }])
    expect(
      await watchSilence(workerContext(platform, fresh.tenant, onTestFinished), { send: toLoopback }),
    ).toMatchObject([{ isSilent: false, limitMs: null }])
  })
})
