import { expect, test } from 'vitest'
import { rotateTenantKey } from '../../src/tenants/rotate-keys.ts'
import { type TestTenant, usePlatform } from '../support/platform.ts'
import { callAsAdmin, readAudit } from '../support/tenants.ts'

const platform = usePlatform()

const read = (tenant: TestTenant) => callAsAdmin(platform, 'getTenant', { tenant })
const sealedBy = (tenant: TestTenant) =>
  platform.query('select key_version as version from tenant_alert_targets where tenant_id = $1', [tenant.tenantId])

async function change(tenant: TestTenant, body: object) {
  const { headers } = await read(tenant)
  const answer = await callAsAdmin(platform, 'updateTenantSettings', {
    tenant,
    body,
    headers: { 'if-match': headers.get('etag') as string },
  })
  expect(answer.status).toBe(200)
}

const targets = (email: string) => ({ emails: [{ email, alerts: ['dead_events'] }], webhooks: [] })

test('alert targets stay readable when the data key is rotated, and the next change is sealed by the new one', async () => {
  const tenant = await platform.createTenant()
  await change(tenant, { alert_targets: targets('one@alerts.example') })
  const before = await read(tenant)
  await rotateTenantKey(platform.admin, tenant.slug)
  const after = await read(tenant)
  expect(after.body).toEqual(before.body)
  expect(after.headers.get('etag')).toBe(before.headers.get('etag'))
  expect(await sealedBy(tenant)).toEqual([{ version: 1 }])

  await change(tenant, { alert_targets: targets('two@alerts.example') })
  expect(await sealedBy(tenant)).toEqual([{ version: 2 }])
  expect((await read(tenant)).body.settings.alert_targets).toEqual(targets('two@alerts.example'))
  expect(await readAudit(platform, tenant)).toMatchObject([
    { action: 'settings.updated' },
    { action: 'tenant_key.rotated', actorKind: 'operator', changes: [{ pointer: '/version', after: '2' }] },
    { action: 'settings.updated', actorKind: 'user' },
  ])
})

test("one tenant's alert targets do not open in another tenant's row", async () => {
  const [one, other] = [await platform.createTenant(), await platform.createTenant()]
  for (const tenant of [one, other]) await change(tenant, { alert_targets: targets('x@alerts.example') })
  await platform.query(
    `update tenant_alert_targets as a set sealed = b.sealed from tenant_alert_targets as b
     where a.tenant_id = $1 and b.tenant_id = $2`,
    [one.tenantId, other.tenantId],
  )
  const response = await fetch(`${platform.url}/api/tenant`, {
    headers: { authorization: `Bearer ${one.tokens.admin}` },
  })
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('alerts.example')
})
