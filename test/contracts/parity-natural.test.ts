import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type OperationRow, operations } from '../../generated/operations.ts'
import { examplesOf, follow, listOperations, readDocument } from '../../scripts/contracts/parity/contract.ts'
import { fitsContract, judge } from '../../scripts/contracts/parity/natural.ts'
import type { WitnessReply, WitnessRequest } from '../../scripts/contracts/parity/witness.ts'
import type { Json, JsonObject } from '../../scripts/generate/json.ts'

const document = readDocument(join(import.meta.dirname, '../..'))

/** What the contract shows as the body of requestRecompute. */
function exampleBody(): Json {
  const body = follow(document, listOperations(document).get('requestRecompute')?.requestBody)
  const [example] = examplesOf(document, (body.content as JsonObject)['application/json'] as JsonObject)
  return example?.value as Json
}

describe('the same request on both sides', () => {
  const rows: Record<string, OperationRow> = operations
  const headersOf = (id: string) => (rows[id]?.security.length === 0 ? [] : [['authorization']])
  const request = (change: Partial<WitnessRequest> = {}): WitnessRequest => ({
    method: 'POST',
    target: '/api/attribution/recompute',
    params: {},
    query: {},
    headers: { 'content-type': 'application/json' },
    credentials: { authorization: { kind: 'bearer', value: null } },
    mediaType: 'application/json',
    body: { bytes: 2, base64: Buffer.from('{}').toString('base64') },
    ...change,
  })
  const refusal = (status: number, code: string, ...pointers: string[]): WitnessReply => ({
    status,
    mediaType: 'application/problem+json',
    headers: {},
    json: { code, errors: pointers.map((pointer) => ({ pointer, code: 'x', detail: 'x' })) },
  })
  const success = (status: number): WitnessReply => ({ status, mediaType: 'application/json', headers: {}, json: {} })
  const broken = { credentials: { authorization: { kind: 'malformed', value: 'Bearer ' } } } as const
  const bodyOf = (value: Json) => ({
    body: { bytes: 9, base64: Buffer.from(JSON.stringify(value)).toString('base64') },
  })

  test.each<[string, Partial<WitnessRequest>, WitnessReply, WitnessReply, string]>([
    [
      'the same faults',
      {},
      refusal(422, 'validation_failed', '/b', '/a'),
      refusal(422, 'validation_failed', '/a', '/b'),
      'agreed',
    ],
    [
      'faults at other places',
      {},
      refusal(422, 'validation_failed', '/a'),
      refusal(422, 'validation_failed', '/b'),
      'disagreed',
    ],
    ['another code', {}, refusal(422, 'validation_failed'), refusal(422, 'idempotency_key_reused'), 'disagreed'],
    ['another refusal', {}, refusal(400, 'malformed_request'), refusal(422, 'validation_failed'), 'disagreed'],
    ['a schema fault that the mock takes', {}, refusal(422, 'validation_failed', '/a'), success(202), 'disagreed'],
    ['a malformed credential', broken, refusal(401, 'unauthorized'), refusal(401, 'unauthorized'), 'agreed'],
    ['a malformed credential that the mock takes', broken, refusal(401, 'unauthorized'), success(202), 'disagreed'],
    [
      'no credential, which the mock takes',
      { credentials: {} },
      refusal(401, 'unauthorized'),
      success(202),
      'disagreed',
    ],
    ['a credential that only the server knows', {}, refusal(401, 'unauthorized'), success(202), 'state'],
    ['a role', {}, refusal(403, 'forbidden'), success(202), 'state'],
    ['a lost database', {}, refusal(503, 'service_unavailable'), success(202), 'state'],
    ['something that is not there', {}, refusal(404, 'not_found'), success(202), 'state'],
    [
      'something that is not there, behind a refusal',
      {},
      refusal(404, 'not_found'),
      refusal(422, 'validation_failed'),
      'disagreed',
    ],
    ['the same success', {}, success(202), success(202), 'agreed'],
    ['another success, which is not documented', {}, success(202), success(200), 'disagreed'],
    ['a success that the mock refuses', {}, success(202), refusal(422, 'validation_failed'), 'disagreed'],
  ])('%s', (_, change, real, mock, expected) => {
    const verdict = judge({
      operationId: 'requestRecompute',
      request: request(change),
      real,
      mock,
      credentialHeaders: headersOf('requestRecompute'),
    })
    expect(verdict.kind).toBe(expected)
  })

  test('a rule that no schema says is left to the server, a schema is not', () => {
    const good = request(bodyOf(exampleBody()))
    expect(fitsContract('requestRecompute', good)).toBe(true)
    expect(fitsContract('requestRecompute', request(bodyOf({ ...(exampleBody() as JsonObject), surplus: 1 })))).toBe(
      false,
    )
    expect(fitsContract('requestRecompute', { ...good, target: `${good.target}?surplus=1` })).toBe(false)
    const one = {
      operationId: 'requestRecompute',
      real: refusal(422, 'validation_failed', '/body'),
      credentialHeaders: [['authorization']],
    }
    expect(judge({ ...one, request: good, mock: success(202) }).kind).toBe('state')
  })

  test.each([
    ['text/csv', 400, 'malformed_request', 'state'],
    ['text/csv', 422, 'validation_failed', 'state'],
    ['application/json', 400, 'malformed_request', 'disagreed'],
  ])('what a text in %s holds, no schema can say: %i', (mediaType, status, code, kind) => {
    const sent = request({
      target: '/api/events/spend?time_zone=UTC',
      query: { time_zone: 'UTC' },
      headers: { 'content-type': mediaType },
      mediaType,
      body: { bytes: 3, base64: Buffer.from('"a"b').toString('base64') },
    })
    const one = {
      operationId: 'ingestSpend',
      real: refusal(status, code, '/body'),
      credentialHeaders: [['authorization']],
    }
    expect(judge({ ...one, request: sent, mock: success(200) }).kind).toBe(kind)
  })

  test.each([
    ['application/x-www-form-urlencoded', 'webhook_id=7', {}, 'state'],
    ['application/json', 'webhook_id=7', {}, 'disagreed'],
    ['application/x-www-form-urlencoded', 'webhook_id=x', {}, 'disagreed'],
    [
      'application/x-www-form-urlencoded',
      'webhook_id=7',
      { 'x-wc-webhook-signature': { kind: 'malformed', value: 'x' } },
      'disagreed',
    ],
  ] as const)('a ping of WooCommerce has an address only: %s %s %o', (mediaType, text, credentials, kind) => {
    const sent = request({ mediaType, credentials, body: { bytes: 12, base64: Buffer.from(text).toString('base64') } })
    const one = { operationId: 'receiveWoocommerceWebhook', credentialHeaders: [['x-wc-webhook-signature']] }
    expect(judge({ ...one, request: sent, real: refusal(401, 'unauthorized'), mock: success(200) }).kind).toBe(kind)
  })

  test('the operation that is public has no credentials to lack', () => {
    const one = { request: request({ credentials: {} }), real: refusal(401, 'unauthorized'), mock: success(200) }
    expect(judge({ ...one, operationId: 'login', credentialHeaders: headersOf('login') }).kind).toBe('state')
  })
})
