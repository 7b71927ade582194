import { beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract.ts'
import { usePlatform } from '../support/platform.ts'
import {
  atEndpointOf,
  type Caller,
  callersOf,
  forgetFailures,
  type Scene,
  schemesOf,
  sendAsAllowed,
  signers,
} from './support/callers.ts'
import { type Expected, expectedOf, isOfTheOperation } from './support/expected.ts'
import { countCells, listWithoutRow } from './support/matrix.ts'
import { type Place, placesOf } from './support/places.ts'
import {
  implementedIds,
  isImplemented,
  maskReply,
  type Natural,
  naturalOf,
  operationIds,
  type Reply,
  rowOf,
  sendTo,
  toSent,
} from './support/request.ts'
import { givenSite, type Site } from './support/site.ts'
import { missingLike, things } from './support/things.ts'

const platform = usePlatform()

let shared: Scene
/** The one 401 of the platform. */
let refused: string

beforeAll(async () => {
  shared = { own: await givenSite(platform), other: await givenSite(platform) }
  const request = { method: 'GET', target: '/api/auth/verify', headers: {}, body: null }
  const reply = await sendTo(platform.url, request)
  expect(reply.status).toBe(401)
  refused = maskReply(reply)
})

/** What an operation does to its tenant disturbs no other cell. */
async function sceneFor(isChanged: boolean): Promise<Scene> {
  return isChanged ? { own: await givenSite(platform), other: shared.other } : shared
}

async function callAs(caller: Caller, scene: Scene, natural: Natural): Promise<Reply> {
  await forgetFailures(scene.own, natural)
  const sent = toSent(natural)
  const credentials = await caller.headers(scene, natural.row, sent)
  return sendTo(platform.url, { ...sent, headers: { ...sent.headers, ...credentials } })
}

describe('operation × caller', () => {
  test.each(operationIds)('%s', async (operationId) => {
    const row = rowOf(operationId)
    const scene = await sceneFor(isImplemented(operationId) && row.security.length > 0)
    const natural = await requestFor(operationId, scene.own)
    const expected: Record<string, Expected> = {}
    const found: Record<string, Expected | number> = {}
    let open: number | undefined
    for (const caller of callersOf(row)) {
      const reply = await callAs(caller, scene, natural)
      const wanted = expectedOf(row, isImplemented(operationId), caller)
      expected[caller.name] = wanted
      found[caller.name] = reply.status
      if (wanted === 'admitted' && isOfTheOperation(row, reply.status)) found[caller.name] = wanted
      open ??= reply.status
      if (wanted === 'open' && reply.status === open && row.replies[open] !== undefined) found[caller.name] = wanted
      if (reply.status === 401) expect(maskReply(reply), caller.name).toBe(refused)
      if (caller.actsIn === 'other') expectNothingOf(scene.own, reply)
    }
    expect(found).toEqual(expected)
  })
})

/** A delivery goes to the endpoint of the site, which somebody of the site could make. */
async function requestFor(operationId: OperationId, site: Site): Promise<Natural> {
  const natural = naturalOf(operationId)
  return isImplemented(operationId) ? atEndpointOf(site, natural) : natural
}

/** Nothing in an answer to somebody else says who the tenant is, or who is in it. */
function expectNothingOf({ tenant, userIds }: Site, { text, headers }: Reply): void {
  const answer = text + JSON.stringify(headers)
  for (const mark of [tenant.tenantId, tenant.slug, tenant.email, tenant.userId, ...Object.values(userIds)])
    expect(answer).not.toContain(mark)
}

const places = implementedIds.flatMap((operationId) => placesOf(operationId)).filter((place) => place.things in things)

describe("operation × an id of another tenant's thing", () => {
  test.each(places.map((place): [string, Place] => [`${place.operationId} ${place.name}`, place]))(
    '%s',
    async (_, place) => {
      const scene = { own: await givenSite(platform), other: await givenSite(platform) }
      const id = await (things[place.things] as (site: Site) => Promise<string>)(scene.other)
      const missing = await sendAsAllowed(scene.own, place.withId(missingLike(id)))
      const foreign = await sendAsAllowed(scene.own, place.withId(id))
      expect(maskReply(foreign)).toBe(maskReply(missing))
      expect(foreign.headers['content-length']).toBe(missing.headers['content-length'])
      expectNothingOf(scene.other, foreign)
      if (place.name.startsWith('path')) {
        expect(foreign.status).toBe(rowOf(place.operationId).replies[404] === undefined ? 401 : 404)
      }
      // It is there, and nothing has happened to it: its owner can do what was refused.
      const owned = await sendAsAllowed(scene.other, place.withId(id))
      expect(owned.status, owned.text).toBeGreaterThanOrEqual(200)
      expect(owned.status, owned.text).toBeLessThan(300)
      // A filter that fits nothing is no fault.
      if (!/^(?:query |body \/filter\/)/.test(place.name)) expect(foreign.status).toBeGreaterThanOrEqual(400)
    },
  )
})

describe('the matrix', () => {
  test('has every operation of the contract, and nobody is left out', () => {
    const counts = countCells()
    expect(counts.operations).toBe(operationIds.length)
    const callerCells = Object.values(counts.callerCells).reduce((sum, count) => sum + count, 0)
    expect(callerCells).toBe(operationIds.reduce((sum, id) => sum + callersOf(rowOf(id)).length, 0))
    for (const operationId of operationIds) expect(callersOf(rowOf(operationId)).length).toBeGreaterThanOrEqual(15)
    // Each sort of answer occurs, so that no rule of the derivation is idle.
    for (const expected of [401, 403, 501, 'admitted', 'open'] as const)
      expect(counts.callerCells[expected], String(expected)).toBeGreaterThan(0)
  })

  test('knows how each vendor of an implemented operation signs', () => {
    const signatures = implementedIds.flatMap((id) => schemesOf(rowOf(id))).filter((name) => name.endsWith('Signature'))
    expect(signatures.filter((scheme) => !Object.hasOwn(signers, scheme))).toEqual([])
  })

  test('has no row for things that no implemented operation names, and for nothing else', () => {
    const without = listWithoutRow()
    expect([...without.values()].flat().filter(isImplemented)).toEqual([])
    expect([...without.keys()].sort()).toEqual([
      '/api/budget/recommendations/{job_id}',
      '/api/export/jobs/{job_id}',
      '/api/investigations/{investigation_id}',
      '/api/reconciliation/sync/{sync_id}',
      '/api/v1/explain/{entity_type}/{entity_id}',
    ])
  })
})
