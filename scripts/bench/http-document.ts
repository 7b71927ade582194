import { readFileSync } from 'node:fs'
import type { MiniDocument, MiniOperation } from './http-contract.ts'

export type Workload = 'live' | 'get' | 'post'

const ITEM_ID = '0f4b3a52-6f0e-4f6d-9a51-6f7e2b6a8c11'

/** What the client sends. All three operations are public, so that authentication is not part of the figure. */
export const requests: Record<Workload, { method: 'GET' | 'POST'; path: string; body?: string }> = {
  live: { method: 'GET', path: '/health/live' },
  get: { method: 'GET', path: `/bench/resource-0/items/${ITEM_ID}?limit=25` },
  post: {
    method: 'POST',
    path: '/bench/resource-0/items',
    body: JSON.stringify({ name: 'A thing', amount: { amount_minor: 1999, currency: 'EUR' }, tags: ['a', 'b', 'c'] }),
  },
}

/** What every server of the bench answers. */
export const replies: Record<Workload, { status: number; body: object }> = {
  live: { status: 200, body: { status: 'alive' } },
  get: { status: 200, body: item() },
  post: { status: 201, body: item() },
}

function item(): object {
  return {
    item_id: ITEM_ID,
    name: 'A thing',
    amount: { amount_minor: 1999, currency: 'EUR' },
    tags: ['a', 'b', 'c'],
    created_at: '2026-01-02T03:04:05Z',
  }
}

export function loadRealDocument(): MiniDocument {
  return JSON.parse(readFileSync(new URL('../../generated/openapi.json', import.meta.url), 'utf8'))
}

export function countOperations(document: MiniDocument): number {
  return Object.values(document.paths).flatMap((path) => Object.keys(path)).length
}

/**
 * Pairs of a templated GET and a POST with a body. The measured pair, number 0, stands in the middle: a router that scans
 * sees half of the others before it.
 */
export function generatePaths(pairs: number): MiniDocument['paths'] {
  const numbers = Array.from({ length: pairs - 1 }, (_, index) => index + 1)
  numbers.splice(Math.floor(numbers.length / 2), 0, 0)
  return Object.fromEntries(
    numbers.flatMap((number) => [
      [`/bench/resource-${number}/items/{item_id}`, { get: getOperation(number) }],
      [`/bench/resource-${number}/items`, { post: postOperation(number) }],
    ]),
  )
}

const uuid = { type: 'string', format: 'uuid' }
const money = {
  type: 'object',
  required: ['amount_minor', 'currency'],
  properties: {
    amount_minor: { type: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
    currency: { type: 'string', pattern: '^[A-Z]{3}$' },
  },
  additionalProperties: false,
}
const written = {
  name: { type: 'string', minLength: 1, maxLength: 100 },
  amount: money,
  tags: { type: 'array', maxItems: 10, items: { type: 'string', maxLength: 20 } },
}
const itemSchema = {
  type: 'object',
  required: ['item_id', 'name', 'amount', 'tags', 'created_at'],
  properties: { item_id: uuid, ...written, created_at: { type: 'string', format: 'date-time' } },
  additionalProperties: false,
}
const correlation = { name: 'X-Correlation-ID', in: 'header', schema: uuid }
const refused = { description: 'Refused', content: { 'application/problem+json': { schema: { type: 'object' } } } }

function getOperation(number: number): MiniOperation {
  return {
    operationId: `getItem${number}`,
    security: [],
    parameters: [
      correlation,
      { name: 'item_id', in: 'path', required: true, schema: uuid },
      { name: 'limit', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 100 } as { type: string } },
    ],
    responses: {
      200: { description: 'OK', content: { 'application/json': { schema: itemSchema } } },
      406: refused,
      422: refused,
    },
  }
}

function postOperation(number: number): MiniOperation {
  const schema = { type: 'object', required: ['name', 'amount'], properties: written, additionalProperties: false }
  return {
    operationId: `createItem${number}`,
    security: [],
    parameters: [correlation],
    requestBody: { required: true, content: { 'application/json': { schema } } },
    responses: {
      201: { description: 'Created', content: { 'application/json': { schema: itemSchema } } },
      400: refused,
      406: refused,
      413: refused,
      415: refused,
      422: refused,
    },
  }
}
