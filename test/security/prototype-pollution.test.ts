import { afterEach, expect, test } from 'vitest'
import { isObject, type Json } from '../../scripts/generate/json.ts'
import { usePlatform } from '../support/platform.ts'
import { shareOf } from '../support/share.ts'
import { atEndpointOf, sendAsAllowed } from './support/callers.ts'
import { objectsOf, pointerOf, withValue } from './support/places.ts'
import { implementedIds, listNaturals, naturalOf, type Reply, rowOf, sendTo } from './support/request.ts'
import { givenSite } from './support/site.ts'

const platform = usePlatform()

/** Members that reach into what all objects share, where somebody merges or looks up without care. */
const MEMBERS: readonly (readonly [string, Json])[] = [
  ['__proto__', { polluted: true }],
  ['constructor', { prototype: { polluted: true } }],
  ['prototype', { polluted: true }],
  ['toString', 'polluted'],
  ['hasOwnProperty', { polluted: true }],
  ['__defineGetter__', ['polluted']],
]

/** Their names as query parsers of other makes would take them. */
const QUERIES = [
  '__proto__[polluted]=true',
  '__proto__.polluted=true',
  '__proto__=polluted',
  'constructor[prototype][polluted]=true',
  'constructor.prototype.polluted=true',
  'toString=polluted',
  'hasOwnProperty=polluted',
]

/** Of each place; the operations of one run try every one of them many times over. */
const TRIED = 2
/** Of those that are tried with members of their query, path and headers; what reads these is one for all. */
const OPERATIONS = 20

// The server runs in this very process.
const shared = [Object.prototype, Array.prototype, String.prototype, Function.prototype].map((prototype) => ({
  prototype: prototype as object,
  members: Reflect.ownKeys(prototype).map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)]),
}))

afterEach(() => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  for (const { prototype, members } of shared) {
    expect(Reflect.ownKeys(prototype).map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)])).toEqual(
      members,
    )
  }
})

const withBody = implementedIds.filter((operationId) => isObject(naturalOf(operationId).body))

test.each(withBody)('%s: as members of its body', async (operationId) => {
  const site = await givenSite(platform)
  const isClosed = !rowOf(operationId).acceptsAnyMediaType
  for (const natural of listNaturals(operationId)) {
    if (!isObject(natural.body)) continue
    for (const path of objectsOf(natural.body)) {
      for (const [name, value] of shareOf(MEMBERS, TRIED, `${operationId} ${pointerOf(path)}`)) {
        const attacked = { ...natural, body: withValue(natural.body, [...path, name], value) }
        const { status, text } = await sendAsAllowed(site, await atEndpointOf(site, attacked))
        const what = `${pointerOf([...path, name])}: ${text}`
        if (isClosed) expect([400, 422], what).toContain(status)
        else expect(status, what).toBe(200)
      }
    }
  }
})

test.each(shareOf(implementedIds, OPERATIONS, 'operations without their bodies'))(
  '%s: in its query, its path and its headers',
  async (operationId) => {
    const site = await givenSite(platform)
    const natural = await atEndpointOf(site, naturalOf(operationId))
    const plain = await sendAsAllowed(site, natural)
    const isStrict = rowOf(operationId).replies[422] !== undefined
    for (const query of shareOf(QUERIES, TRIED, `${operationId} query`)) {
      const attacked = { ...natural, query: new URLSearchParams(query) }
      const { status, text } = await sendAsAllowed(site, attacked)
      if (isStrict) expect(status, `${query}: ${text}`).toBe(422)
      else expect(status, `${query}: ${text}`).toBe(plain.status)
    }
    for (const param of Object.keys(natural.params)) {
      for (const [name] of shareOf(MEMBERS, TRIED, `${operationId} ${param}`)) {
        const { status } = await sendAsAllowed(site, { ...natural, params: { ...natural.params, [param]: name } })
        expect([401, 404, 422], `${param} ${name}`).toContain(status)
      }
    }
    for (const [name] of shareOf(MEMBERS, TRIED, `${operationId} headers`)) {
      const fresh = { ...natural }
      const { status, text } = await sendAsAllowed(site, fresh, { [name.toLowerCase()]: 'polluted' })
      expect(isSameSort(status, plain), `${name}: ${status} ${text}`).toBe(true)
    }
  },
)

/** A second request may find that the first has done it already. */
function isSameSort(status: number, plain: Reply): boolean {
  return status === plain.status || (plain.status < 300 && (status < 300 || status === 409))
}

test('as paths and as methods', async () => {
  for (const [name] of MEMBERS) {
    for (const target of [`/${name}`, `/api/${name}`, `/api/auth/${name}`, `/docs/${name}`, `/api/tenant/${name}/x`]) {
      const { status } = await sendTo(platform.url, { method: 'GET', target, headers: {}, body: null })
      expect(status, target).toBe(404)
    }
  }
})
