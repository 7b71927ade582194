import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { givenApiKey, HOUR } from '../support/given.ts'
import { usePlatform } from '../support/platform.ts'
import { atEndpointOf, credentialsFor, KEY_HEADER, schemesOf, sendAsAllowed } from './support/callers.ts'
import { type Place, placesOf } from './support/places.ts'
import { implementedIds, maskReply, naturalOf, operationIds, rowOf, sendTo, toSent } from './support/request.ts'
import { bearer, givenSite, type Site, tokenFor } from './support/site.ts'
import { things } from './support/things.ts'

const platform = usePlatform()

afterEach(() => platform.setNow(null))

let own: Site
let other: Site
beforeAll(async () => {
  own = await givenSite(platform)
  other = await givenSite(platform)
})

/** What proxies, gateways and frameworks say about who is calling. Nothing here listens to it. */
const hintsOf = ({ tenant, userIds }: Site, token: string): Record<string, string> => ({
  'x-tenant-id': tenant.tenantId,
  'x-tenant': tenant.slug,
  'x-skeldir-tenant': tenant.tenantId,
  'x-skeldir-tenant-id': tenant.tenantId,
  'x-organization-id': tenant.tenantId,
  'x-user-id': userIds.admin,
  'x-user': userIds.admin,
  'x-user-role': 'admin',
  'x-role': 'admin',
  'x-scopes': 'events:write spend:write',
  'x-forwarded-user': userIds.admin,
  'x-forwarded-email': `admin@${tenant.slug}.example.test`,
  'x-forwarded-groups': 'admin',
  'x-forwarded-access-token': token,
  'x-auth-request-user': userIds.admin,
  'x-auth-request-access-token': token,
  'x-remote-user': userIds.admin,
  'remote-user': userIds.admin,
  'x-original-user': userIds.admin,
  'x-original-url': '/api/tenant',
  'x-rewrite-url': '/api/tenant',
  'x-api-key': tenant.apiKey,
  'x-access-token': token,
  'x-authorization': `Bearer ${token}`,
  'proxy-authorization': `Bearer ${token}`,
  cookie: `access_token=${token}; session=${token}; authorization=Bearer%20${token}`,
  'x-client-cert': 'CN=admin',
  'x-ssl-client-verify': 'SUCCESS',
  'x-forwarded-for': '127.0.0.1',
  'x-real-ip': '127.0.0.1',
  forwarded: `for=127.0.0.1;by=${tenant.slug}`,
  'x-internal': '1',
  'x-debug': '1',
})

const closed = implementedIds.filter((operationId) => rowOf(operationId).security.length > 0)

describe('headers that name somebody', () => {
  test.each(closed)('%s: let nobody in', async (operationId) => {
    const hints = hintsOf(other, await tokenFor(other, 'admin'))
    const sent = toSent(await atEndpointOf(own, naturalOf(operationId)))
    const plain = await sendTo(platform.url, sent)
    const hinted = await sendTo(platform.url, { ...sent, headers: { ...sent.headers, ...hints } })
    expect(plain.status).toBe(401)
    expect(maskReply(hinted)).toBe(maskReply(plain))
  })

  test.each(closed.filter((operationId) => rowOf(operationId).requiredRole !== null))(
    '%s: give nobody a higher role',
    async (operationId) => {
      const token = await tokenFor(own, 'viewer')
      const sent = toSent(naturalOf(operationId))
      const ask = (hints: Record<string, string>) =>
        sendTo(platform.url, { ...sent, headers: { ...sent.headers, ...bearer(token), ...hints } })
      const [plain, hinted] = [await ask({}), await ask(hintsOf(own, await tokenFor(own, 'admin')))]
      expect(plain.status).toBe(403)
      expect(maskReply(hinted)).toBe(maskReply(plain))
    },
  )

  test.each(closed)('%s: take nobody to another tenant', async (operationId) => {
    const site = await givenSite(platform)
    const natural = await atEndpointOf(site, naturalOf(operationId))
    const { text, headers, status } = await sendAsAllowed(site, natural, {
      ...hintsOf(other, await tokenFor(other, 'admin')),
      ...(schemesOf(natural.row).includes('tenantKey') && { [KEY_HEADER]: site.tenant.apiKey }),
    })
    expect(status).not.toBe(401)
    for (const mark of [other.tenant.tenantId, other.tenant.slug, ...Object.values(other.userIds)])
      expect(text + JSON.stringify(headers)).not.toContain(mark)
  })
})

describe('credentials', () => {
  const ask = (headers: Record<string, string | string[]>, target = '/api/auth/verify') =>
    sendTo(platform.url, { method: 'GET', target, headers, body: null })

  test('the scheme and the name of the header are of any case', async () => {
    const token = await tokenFor(own, 'viewer')
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR'])
      expect((await ask({ AUTHORIZATION: `${scheme} ${token}` })).status, scheme).toBe(200)
  })

  test('two of them are not one: neither in two headers nor in one', async () => {
    const [mine, theirs] = [await tokenFor(own, 'admin'), await tokenFor(other, 'admin')]
    for (const [first, second] of [
      [mine, theirs],
      [theirs, mine],
      [mine, 'made-up'],
      ['made-up', mine],
      [mine, mine],
    ] as const) {
      expect((await ask({ authorization: [`Bearer ${first}`, `Bearer ${second}`] })).status).toBe(400)
      for (const separator of [', ', ',', '; ', ' ', '\t', ' Bearer ', ', Bearer '])
        expect((await ask({ authorization: `Bearer ${first}${separator}${second}` })).status).toBe(401)
    }
    const { status, text } = await ask({ ...bearer(mine), [KEY_HEADER]: other.tenant.apiKey })
    expect(status).toBe(200)
    expect(text).toContain(own.tenant.tenantId)
  })

  test('two keys are no key', async () => {
    const keyed = closed.filter((operationId) => schemesOf(rowOf(operationId)).join() === 'tenantKey')
    expect(keyed.length).toBeGreaterThan(0)
    for (const operationId of keyed) {
      const sent = toSent(naturalOf(operationId))
      for (const keys of [
        [own.tenant.apiKey, other.tenant.apiKey],
        [other.tenant.apiKey, own.tenant.apiKey],
        [own.tenant.apiKey, own.tenant.apiKey],
        ['', own.tenant.apiKey],
      ]) {
        const answer = await sendTo(platform.url, { ...sent, headers: { ...sent.headers, [KEY_HEADER]: keys } })
        expect([400, 401]).toContain(answer.status)
      }
    }
  })

  test('a key that was good is refused from the moment on at which it expires', async () => {
    const [operationId] = closed.filter((id) => schemesOf(rowOf(id)).join() === 'tenantKey')
    if (operationId === undefined) throw new Error('no operation takes a key')
    const now = Date.now()
    const scopes = [rowOf(operationId).requiredScope ?? '']
    const key = await givenApiKey(platform, own.tenant, { scopes, expiresAt: new Date(now + HOUR) })
    const sent = toSent(naturalOf(operationId))
    const headers = { ...sent.headers, [KEY_HEADER]: key }
    for (const [at, isGood] of [
      [now, true],
      [now + HOUR - 1, true],
      [now + HOUR, false],
      [now, true],
    ] as const) {
      platform.setNow(new Date(at))
      const { status } = await sendTo(platform.url, { ...sent, headers })
      expect(status !== 401, `${at - now} ms`).toBe(isGood)
    }
  })

  test('of other schemes, in other places, and spelt in other ways are none', async () => {
    const token = await tokenFor(own, 'admin')
    const basic = Buffer.from(`${own.tenant.email}:${own.tenant.password}`).toString('base64')
    for (const authorization of [
      token,
      `Basic ${basic}`,
      `Token ${token}`,
      `Digest ${token}`,
      `Bearer`,
      `Bearer  ${token}`,
      `Bearer\t${token}`,
      `Bearer ${token}=`,
      `Bearer "${token}"`,
      `Bearer:${token}`,
      `Bearer ${own.tenant.apiKey}`,
      `Bearer ${encodeURIComponent('.')}${token}`,
    ])
      expect((await ask({ authorization })).status, authorization.slice(0, 12)).toBe(401)
    for (const name of ['access_token', 'token', 'authorization', 'jwt', 'bearer'])
      expect((await ask({}, `/api/auth/verify?${name}=${token}`)).status, name).toBe(401)
  })

  test('of any size are refused without a fault', async () => {
    for (const size of [4_097, 8_000, 15_000, 17_000, 100_000, 1_000_000]) {
      const text = 'a'.repeat(size)
      for (const headers of [bearer(text), { [KEY_HEADER]: `skd_${text}` }, { authorization: text }]) {
        // A server that reads no further may close before everything is sent.
        const status = await ask(headers).then(
          (answer) => answer.status,
          (error: NodeJS.ErrnoException) => error.code,
        )
        expect([401, 431, 'EPIPE', 'ECONNRESET'], `${size}`).toContain(status)
      }
    }
    expect((await ask(bearer(await tokenFor(own, 'viewer')))).status).toBe(200)
  })
})

describe('a method in a header or in the query is not the method', () => {
  const overridden = operationIds.flatMap((operationId) =>
    placesOf(operationId).filter(
      (place) =>
        implementedIds.includes(operationId) &&
        rowOf(operationId).method === 'delete' &&
        place.name.startsWith('path') &&
        place.things in things,
    ),
  )

  test.each(overridden.map((place): [string, Place] => [place.operationId, place]))('%s', async (_, place) => {
    const site = await givenSite(platform)
    const id = await (things[place.things] as (site: Site) => Promise<string>)(site)
    const sent = toSent(place.withId(id))
    const credentials = await credentialsFor(site, rowOf(place.operationId), sent)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'HEAD']) {
      for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X-Original-Method']) {
        const headers = { ...sent.headers, ...credentials, [name]: 'DELETE' }
        const plain = await sendTo(platform.url, { ...sent, method, headers: { ...sent.headers, ...credentials } })
        const answer = await sendTo(platform.url, { ...sent, method, headers })
        expect(answer.status, `${method} ${name}`).toBe(plain.status)
        const target = `${sent.target}?_method=DELETE`
        expect((await sendTo(platform.url, { ...sent, target, method, headers })).status).toBeGreaterThanOrEqual(400)
      }
    }
    // It is still there.
    const deleted = await sendTo(platform.url, { ...sent, headers: { ...sent.headers, ...credentials } })
    expect(deleted.status).toBe(204)
  })

  test('there is something to delete', () => {
    expect(overridden.length).toBeGreaterThan(0)
  })
})
