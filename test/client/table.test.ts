import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient, createClientOf, type OperationRow } from '../../generated/client/index.js'
import * as clientOperations from '../../generated/client/operations.js'
import { topics, type Vendor } from '../../generated/client/webhooks.js'
import { operations } from '../../generated/operations.ts'

interface Schema {
  anyOf?: { $ref: string }[]
  description?: string
  properties?: Record<string, { const?: string }>
}

const rows = Object.entries(operations)
const clientRows: Record<string, OperationRow> = { ...clientOperations }
const document = JSON.parse(readFileSync(join(import.meta.dirname, '../../generated/openapi.json'), 'utf8'))

test('there is a method for every operation of the contract, and a row that says the same as the server', () => {
  const api = createClient({ baseUrl: 'https://api.example.com' }) as unknown as Record<string, unknown>
  expect(Object.keys(api).sort()).toEqual([...Object.keys(operations), 'iterate', 'pages'].sort())
  expect(Object.keys(clientRows).sort()).toEqual(Object.keys(operations).sort())
  for (const [id, row] of rows) {
    const own = clientRows[id] as OperationRow
    expect(own).toMatchObject({
      id,
      method: row.method.toUpperCase(),
      path: row.path,
      security: row.security,
      rawBody: row.acceptsAnyMediaType,
      deprecated: row.deprecated,
      sunset: row.sunset,
      idempotencyKey: row.parameters.some(({ name }) => name === 'Idempotency-Key'),
      paged: row.parameters.some(({ name }) => name === 'cursor'),
    })
    const mediaTypes = Object.entries(row.replies).map(([status, reply]) => [status, [...reply.mediaTypes].sort()])
    const ownTypes = Object.entries(own.replies).map(([status, types]) => [status, [...types].sort()])
    expect(Object.fromEntries(ownTypes), id).toEqual(Object.fromEntries(mediaTypes))
    expect([...(own.body ?? [])].sort(), id).toEqual([...(row.requestBody?.mediaTypes ?? [])].sort())
  }
})

test('the styles of arrays in the query are those of the contract', () => {
  const arrays = rows.flatMap(([id, { parameters }]) =>
    parameters
      .filter(({ type, in: place }) => type === 'array' && place === 'query')
      .map((parameter) => ({ id, parameter })),
  )
  expect(arrays.length).toBeGreaterThan(0)
  for (const { id, parameter } of arrays) {
    const { style, explode } = parameter
    expect(clientRows[id]?.array, id).toEqual({ style, explode })
  }
})

test('the only numeric header of a reply is Retry-After', () => {
  const headers: [string, { schema?: { type?: string } }][] = Object.entries(document.components.headers)
  const numeric = headers.filter(([, { schema }]) => schema?.type === 'integer' || schema?.type === 'number')
  expect(numeric.map(([name]) => name)).toEqual(['Retry-After'])
})

test('the header of the tenant key is that of the contract', () => {
  expect(document.components.securitySchemes.tenantKey.name.toLowerCase()).toBe('x-skeldir-tenant-key')
})

test('a client of some operations has those only', async () => {
  const { login, listSessions } = clientOperations
  const api = createClientOf({ login, listSessions }, { baseUrl: 'https://api.example.com' })
  expect(Object.keys(api).sort()).toEqual(['iterate', 'listSessions', 'login', 'pages'])
  const pages = api.pages as (id: string) => unknown
  expect(() => pages('listMembers')).toThrow('listMembers is not a list')
})

test.each(['paypal', 'shopify', 'stripe', 'woocommerce'] as const)(
  'the topics of %s are those of the contract',
  (vendor: Vendor) => {
    const schemas: Record<string, Schema> = document.components.schemas
    const members = schemas[`${vendor[0]?.toUpperCase()}${vendor.slice(1)}Delivery`]?.anyOf ?? []
    const events = members.map(({ $ref }) => schemas[$ref.slice('#/components/schemas/'.length)] ?? {})
    const named = events.map(({ properties, description }) => {
      const { type, event_type: eventType } = properties ?? {}
      return type?.const ?? eventType?.const ?? /^`([^`<]+)`/.exec(description ?? '')?.[1]
    })
    expect(named.filter((topic) => topic !== undefined).sort()).toEqual([...topics[vendor]].sort())
    expect(topics[vendor].length).toBeGreaterThanOrEqual(4)
  },
)
