import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../generated/client/index.js'
import * as clientOperations from '../../generated/client/operations.js'
import { type OperationId, operations } from '../../generated/operations.ts'
import { replies } from '../../generated/validators.js'
import { type MockHost, startMocks } from '../../mocks/host.ts'
import { type AnyResult, callAny } from './call-any.ts'

/** Of the right form; a mock knows no secrets. */
const SIGNATURES: Record<string, string> = {
  'stripe-signature': `t=${Math.floor(Date.now() / 1_000)},v1=${'0'.repeat(64)}`,
  'x-shopify-hmac-sha256': `${'A'.repeat(43)}=`,
  'x-wc-webhook-signature': `${'A'.repeat(43)}=`,
  'paypal-transmission-sig': 'A'.repeat(344),
}

let host: MockHost
beforeAll(async () => {
  host = await startMocks({ ports: 'free' })
})
afterAll(() => host.stop())

const cells = Object.values(clientOperations).flatMap((row) =>
  Object.keys(row.replies).map((status) => ({ id: row.id as OperationId, status: Number(status) })),
)

function call(id: OperationId, status: number): Promise<AnyResult> {
  const client = createClient({
    baseUrl: host.gatewayUrl,
    token: 'token-of-a-user',
    tenantKey: 'key-of-a-tenant',
    metricsToken: 'token-of-the-operator',
    retries: 0,
  })
  const isSigned = operations[id].security.flat().some((scheme) => scheme.endsWith('Signature'))
  return callAny(client, id, { headers: { prefer: `code=${status}`, ...(isSigned ? SIGNATURES : {}) } })
}

describe('every operation of the mock gateway', () => {
  test.each(Object.keys(operations) as OperationId[])('%s takes the branch of each documented status', async (id) => {
    const documented = cells.filter((cell) => cell.id === id)
    expect(documented.length).toBeGreaterThan(0)
    for (const { status } of documented) {
      const result = await call(id, status)
      expect(result, `${id} ${status}`).toMatchObject({ operationId: id, status, ok: status >= 200 && status < 300 })
      expect(result.response.headers.get('x-served-by')).toBe('mock')
      if (status >= 400) expect(result.problem?.status, `${id} ${status}`).toBe(status)
      const validate = replies[id][status]?.[result.mediaType ?? '']
      const body = result.data ?? result.problem
      if (validate !== undefined) expect(validate(body) ? [] : validate.errors, `${id} ${status}`).toEqual([])
    }
  })

  test('there are enough cells for this to mean something', () => {
    expect(cells.length).toBeGreaterThan(700)
  })
})

test('lists end, and deprecations are told', async () => {
  const told: string[] = []
  const api = createClient({
    baseUrl: host.gatewayUrl,
    token: 't',
    onDeprecated: ({ operationId }) => told.push(operationId),
  })
  const first = await api.pages('listDeadEvents').next()
  expect(first.value?.items.length).toBeGreaterThan(0)
  await api.getRealtimeRevenue()
  expect(told).toEqual(['getRealtimeRevenue'])
})
