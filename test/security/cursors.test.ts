import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { OperationId } from '../../src/contract.ts'
import { givenOwnOrders } from '../support/money.ts'
import { usePlatform } from '../support/platform.ts'
import { shareOf } from '../support/share.ts'
import { sendAsAllowed } from './support/callers.ts'
import { implementedIds, type Natural, naturalOf, type Reply, rowOf } from './support/request.ts'
import { givenSite, type Site, tokenFor } from './support/site.ts'
import { givenRun, things } from './support/things.ts'

const platform = usePlatform()

/** Of each list, the others whose cursors it is offered. */
const SIBLINGS = 3

const paged = implementedIds.filter((id) => rowOf(id).parameters.some(({ name }) => name === 'cursor'))

function page(operationId: OperationId, query: Record<string, string>): Natural {
  const natural = naturalOf(operationId)
  return { ...natural, query: new URLSearchParams([...natural.query, ...Object.entries(query)]) }
}

/** Of lists whose things have no path of their own. */
const reports: Partial<Record<OperationId, (site: Site) => Promise<unknown>>> = {
  listAttributionRuns: (site) => givenRun(site, naturalOf('listAttributionRuns').query.get('date') ?? ''),
  listErrors: async (site) => {
    const token = await tokenFor(site, 'viewer')
    const body = { message: randomUUID(), occurred_at: new Date().toISOString() }
    return platform.call('logError', { token, body })
  },
  listLedgerEntries: ({ tenant }) => {
    const id = randomUUID()
    const at = new Date()
    const entries = [{ entryKey: `own:${id}`, kind: 'capture', amountMinor: 100n, at }] as const
    return givenOwnOrders(platform, tenant, [{ orderKey: `own:${id}`, orderedAt: at, currency: 'USD', entries }])
  },
}

/** With at least three things in the list: those that a sibling path names, and those that come of themselves. */
async function givenList(operationId: OperationId): Promise<Site> {
  const site = await givenSite(platform)
  for (let i = 0; i < 3; i++) await reports[operationId]?.(site)
  const { path } = rowOf(operationId)
  for (const [place, make] of Object.entries(things))
    if (place.startsWith(`${path}/{`)) for (let i = 0; i < 3; i++) await make(site)
  return site
}

async function cursorOf(operationId: OperationId, site: Site): Promise<string> {
  const { status, text } = await sendAsAllowed(site, page(operationId, { limit: '1' }))
  expect(status, text).toBe(200)
  const { next_cursor: cursor } = JSON.parse(text) as { next_cursor: string | null }
  if (cursor === null) throw new Error(`${operationId} has but one page`)
  return cursor
}

const refused = (reply: Reply) => {
  expect(reply.status, reply.text).toBe(422)
  const { errors } = JSON.parse(reply.text) as { errors: { pointer: string }[] }
  expect(errors.map(({ pointer }) => pointer)).toEqual(['/query/cursor'])
}

test('there are lists', () => {
  expect(paged.length).toBeGreaterThan(0)
})

test.each(paged)('%s: a cursor is good for its own list only', async (operationId) => {
  const [own, other] = [await givenList(operationId), await givenList(operationId)]
  const [mine, theirs] = [await cursorOf(operationId, own), await cursorOf(operationId, other)]
  const next = await sendAsAllowed(own, page(operationId, { limit: '1', cursor: mine }))
  expect(next.status).toBe(200)

  const foreign = await sendAsAllowed(own, page(operationId, { limit: '1', cursor: theirs }))
  refused(foreign)
  expect(foreign.text).not.toContain(other.tenant.tenantId)

  const siblings = paged.filter((id) => id !== operationId)
  for (const sibling of shareOf(siblings, SIBLINGS, operationId)) {
    const list = await givenList(sibling)
    refused(await sendAsAllowed(list, page(operationId, { limit: '1', cursor: await cursorOf(sibling, list) })))
  }
})

test.each(paged)('%s: a cursor that somebody has changed is refused', async (operationId) => {
  const site = await givenList(operationId)
  const cursor = await cursorOf(operationId, site)
  const bytes = Buffer.from(cursor, 'base64url')
  const flipped = Array.from({ length: bytes.length }, (_, index) => {
    const copy = Buffer.from(bytes)
    copy[index] = (copy[index] ?? 0) ^ 1
    return copy.toString('base64url')
  })
  const forged = [
    {},
    [],
    [0, ''],
    { a: '2026-01-01T00:00:00Z', i: '0' },
    ["' or true --", "' or true --"],
    null,
    1e300,
  ].map((value) => Buffer.from(JSON.stringify(value)).toString('base64url'))
  const cut = [cursor.slice(0, -1), cursor.slice(0, 8), cursor.slice(1), `${cursor}A`, `${cursor}${cursor}`]
  for (const text of [...flipped, ...forged, ...cut, 'x', '-', '__proto__'])
    refused(await sendAsAllowed(site, page(operationId, { limit: '1', cursor: text })))
})
