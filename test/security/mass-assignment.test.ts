import { expect, test } from 'vitest'
import { isObject, type Json } from '../../scripts/generate/json.ts'
import { usePlatform } from '../support/platform.ts'
import { shareOf } from '../support/share.ts'
import { sendAsAllowed } from './support/callers.ts'
import { objectsOf, pointerOf, withValue } from './support/places.ts'
import { implementedIds, listNaturals, naturalOf, rowOf } from './support/request.ts'
import { countRows } from './support/row-counts.ts'
import { givenSite } from './support/site.ts'
import { bodySchemaOf, membersOf } from './support/texts.ts'

const platform = usePlatform()

/** Of those that are tried with a query; what reads it is one for all. */
const OPERATIONS = 20

/** What a caller would like to decide, and the server does. */
const WANTED: Record<string, Json> = {
  tenant_id: '00000000-0000-4000-8000-000000000001',
  tenantId: '00000000-0000-4000-8000-000000000001',
  user_id: '00000000-0000-4000-8000-000000000001',
  owner_id: '00000000-0000-4000-8000-000000000001',
  session_id: '00000000-0000-4000-8000-000000000001',
  key_id: '00000000-0000-4000-8000-000000000001',
  id: '00000000-0000-4000-8000-000000000001',
  role: 'admin',
  is_admin: true,
  scopes: ['events:write', 'spend:write'],
  principal: { kind: 'operator' },
  status: 'active',
  password_hash: 'none',
  secret_hash: 'none',
  revoked_at: null,
  created_at: '2026-01-01T00:00:00Z',
}

const withOwnBody = implementedIds.filter(
  (operationId) => !rowOf(operationId).acceptsAnyMediaType && isObject(naturalOf(operationId).body),
)

test('every operation with a body of ours is here', () => {
  expect(withOwnBody.length).toBeGreaterThan(5)
})

test.each(withOwnBody)('%s lets nobody set what it does not offer', async (operationId) => {
  const site = await givenSite(platform)
  const schema = bodySchemaOf(operationId)
  const declared = { top: membersOf(schema, false), anywhere: membersOf(schema, true) }
  const before = await countRows(platform)
  for (const natural of listNaturals(operationId)) {
    if (!isObject(natural.body)) continue
    for (const path of objectsOf(natural.body)) {
      for (const [name, value] of Object.entries(WANTED)) {
        if ((path.length === 0 ? declared.top : declared.anywhere).has(name)) continue
        const attacked = { ...natural, body: withValue(natural.body, [...path, name], value) }
        const { status, text } = await sendAsAllowed(site, attacked)
        const pointer = `/body${pointerOf([...path, name])}`
        expect(status, `${pointer}: ${text}`).toBe(422)
        const { errors } = JSON.parse(text) as { errors: { pointer: string }[] }
        expect(errors.map((error) => error.pointer)).toContain(pointer)
      }
    }
  }
  expect(await countRows(platform)).toEqual(before)
})

test.each(shareOf(implementedIds, OPERATIONS, 'operations with a query'))(
  '%s takes no identity from its query',
  async (operationId) => {
    const site = await givenSite(platform)
    const natural = naturalOf(operationId)
    if (rowOf(operationId).replies[422] === undefined) return
    const declared = new Set(rowOf(operationId).parameters.map(({ name }) => name))
    for (const [name, value] of Object.entries(WANTED)) {
      if (declared.has(name)) continue
      const query = new URLSearchParams([...natural.query, [name, String(value)]])
      const { status, text } = await sendAsAllowed(site, { ...natural, query })
      expect(status, `${name}: ${text}`).toBe(422)
    }
  },
)
