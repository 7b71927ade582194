import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createTenantKey, deriveKeyRing } from '../../src/secrets/keyring.ts'
import { rotateMasterKey, rotateTenantKey } from '../../src/tenants/rotate-keys.ts'
import { deliverStripe, givenEndpoint, stripeCharge, ulid } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'

const platform = usePlatform()
const newMaster = randomBytes(32)

const charge = () => stripeCharge({ amount: 4850, at: new Date() })

function secretVersions(tenantId: string) {
  return platform.query<{ version: number }>(
    'select key_version as version from webhook_secrets where tenant_id = $1',
    [tenantId],
  )
}

test('a delivery is taken before, during and after the rotation of a data key', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { tenant } = endpoint
  expect((await deliverStripe(platform, endpoint, charge())).body.result).toBe('accepted')

  const rotated = await rotateTenantKey(platform.admin, tenant.slug)
  expect(rotated).toEqual({ tenantId: tenant.tenantId, version: 2, secretsSealed: 1 })
  expect(await secretVersions(tenant.tenantId)).toEqual([{ version: 2 }])
  expect((await deliverStripe(platform, endpoint, charge())).body.result).toBe('accepted')
})

test('a secret that an older key sealed is sealed again when it is next used, and not before it has proven a delivery', async () => {
  const endpoint = await givenEndpoint(platform, 'stripe')
  const { tenantId } = endpoint.tenant
  const { wrappingKid, wrappedKey } = createTenantKey(platform.ctx.keys, tenantId, 2)
  await platform.query(
    'insert into tenant_keys (tenant_id, key_version, wrapping_kid, wrapped_key) values ($1, 2, $2, $3)',
    [tenantId, wrappingKid, wrappedKey],
  )
  const forged = await deliverStripe(platform, { ...endpoint, secret: 'whsec_wrong_wrong' }, charge())
  expect(forged.status).toBe(401)
  expect(await secretVersions(tenantId)).toEqual([{ version: 1 }])

  expect((await deliverStripe(platform, endpoint, charge())).body.result).toBe('accepted')
  expect(await secretVersions(tenantId)).toEqual([{ version: 2 }])
  expect((await deliverStripe(platform, endpoint, charge())).body.result).toBe('accepted')
})

test('a visitor stays the same visitor when the data key is rotated', async () => {
  const tenant = await platform.createTenant()
  const visitor_id = ulid()
  const send = () => {
    const at = new Date().toISOString()
    const touch = { event_id: ulid(), visitor_id, session_id: ulid(), occurred_at: at, channel: 'email' }
    return platform.call('ingestTouchpoints', { tenant, body: { touchpoints: [touch] } })
  }
  expect((await send()).status).toBe(200)
  await rotateTenantKey(platform.admin, tenant.slug)
  expect((await send()).status).toBe(200)
  const identities = await platform.query<{ seen: string }>(
    'select count(*) || $2 || count(distinct identity) as seen from touchpoints where tenant_id = $1',
    [tenant.tenantId, ' touches, identities '],
  )
  expect(identities).toEqual([{ seen: '2 touches, identities 1' }])
})

test('after the rotation of the master key the old one opens nothing, and the new one everything', async () => {
  const tenant = await platform.createTenant()
  const both = { ...platform.admin, keys: deriveKeyRing([newMaster, ...platform.config.masterKeys]) }
  const first = await rotateMasterKey(both)
  expect(first.failed).toEqual([])
  expect(first.rewrapped).toBeGreaterThan(0)
  expect(await rotateMasterKey(both)).toMatchObject({ rewrapped: 0, unchanged: first.rewrapped + first.unchanged })

  const onlyNew = { ...platform.admin, keys: deriveKeyRing([newMaster]) }
  expect(await rotateTenantKey(onlyNew, tenant.slug)).toMatchObject({ version: 2 })
  const onlyOld = await rotateMasterKey(platform.admin)
  expect(onlyOld.rewrapped).toBe(0)
  expect(onlyOld.failed.map(({ slug }) => slug)).toContain(tenant.slug)
  expect(onlyOld.failed[0]?.message).toMatch(/^the master key [0-9a-f]{16} is not in the ring$/)
  // Back, for the other tests of the file.
  const back = { ...platform.admin, keys: deriveKeyRing([...platform.config.masterKeys, newMaster]) }
  expect((await rotateMasterKey(back)).failed).toEqual([])
})
