import { describe, expect, test } from 'vitest'
import { type OperationRow, operations } from '../../generated/operations.ts'
import { createMask, maskText } from '../../scripts/contracts/parity/mask.ts'
import { fromWitness } from '../../scripts/contracts/parity/request.ts'
import { type Exchange, MAX_BODY_BYTES, toWitness, type Witness } from '../../scripts/contracts/parity/witness.ts'

const SECRET = 'Correct-Horse-7'
const rows: Record<string, OperationRow> = operations

function witnessOf(
  operationId: string,
  request: Partial<Exchange['request']>,
  reply: Partial<Exchange['reply']> = {},
): Witness {
  return toWitness({
    operationId,
    test: 'a test',
    row: rows[operationId] as OperationRow,
    request: { target: '/', params: {}, query: {}, headers: {}, body: null, ...request },
    reply: { status: 200, headers: [['content-type', 'application/json']], text: '{}', ...reply },
  })
}

const bodyOf = ({ request }: Witness) => Buffer.from(request.body?.base64 ?? '', 'base64').toString('latin1')

describe('what is masked', () => {
  test.each([
    ['letters and digits of each class', 'aZ09-_.~', 'xX00-_.~'],
    ['not what says of which kind it is', 'whsec_abcDEF123', 'whsec_xxxXXX000'],
    ['not escapes', 'a\\u00e9\\n"', 'x\\u00e9\\n"'],
  ])('%s', (_, text, expected) => {
    expect(maskText(text)).toBe(expected)
  })

  test('members by their names, and their values wherever else they stand', () => {
    const texts = [`{"password":"${SECRET}","max_tokens":12,"detail":"not ${SECRET}"}`, '{"token_type":"Bearer"}']
    const mask = createMask({ endpoint_key: 'Key-of-an-endpoint', order_id: 'order-1234567' }, texts)
    expect(mask(texts[0] as string)).toBe(
      '{"password":"Xxxxxxx-Xxxxx-0","max_tokens":12,"detail":"not Xxxxxxx-Xxxxx-0"}',
    )
    expect(mask(texts[1] as string)).toBe(texts[1])
    expect(mask('/in/Key-of-an-endpoint/order-1234567')).toBe('/in/Xxx-xx-xx-xxxxxxxx/order-1234567')
  })

  test('a login leaves neither password nor token', () => {
    const reply = `{"access_token":"aaa.${SECRET}.ccc","token_type":"Bearer"}`
    const witness = witnessOf('login', { body: `{"email":"a@example.test","password":"${SECRET}"}` }, { text: reply })
    expect(JSON.stringify(witness) + bodyOf(witness)).not.toContain(SECRET)
    expect(bodyOf(witness)).toBe('{"email":"a@example.test","password":"Xxxxxxx-Xxxxx-0"}')
    expect(witness.reply.json).toEqual({ access_token: 'xxx.Xxxxxxx-Xxxxx-0.xxx', token_type: 'Bearer' })
  })

  test('the key of an endpoint, in the path and in the address that is answered', () => {
    const key = 'Opaque-key-of-43-characters'
    const headers = { 'stripe-signature': `t=1,v1=${'a'.repeat(64)}` }
    const asked = witnessOf('receiveStripeWebhook', { target: `/in/${key}`, params: { endpoint_key: key }, headers })
    const made = witnessOf(
      'createWebhookEndpoint',
      {},
      { text: `{"endpoint_key":"${key}","delivery_url":"https://x/in/${key}"}` },
    )
    expect(JSON.stringify([asked, made])).not.toContain(key)
    expect(asked.request.credentials).toEqual({ 'stripe-signature': { kind: 'signature', value: null } })
  })
})

describe('what is kept of a request', () => {
  test('values of declared headers and of what is negotiated by, names of the others', () => {
    const headers = { 'X-Correlation-ID': 'mine', Accept: 'text/html', 'X-Other': 'private' }
    expect(witnessOf('verifyToken', { headers }).request.headers).toEqual({
      'x-correlation-id': 'mine',
      accept: 'text/html',
      'x-other': null,
    })
  })

  test.each([
    ['Bearer abc.def', { kind: 'bearer', value: null }],
    ['bearer abc', { kind: 'bearer', value: null }],
    ['Bearer ', { kind: 'malformed', value: 'Bearer ' }],
    ['Basic dXNlcg==', { kind: 'malformed', value: 'Basic xXXxxx==' }],
    ['Bearer a b', { kind: 'malformed', value: 'Bearer x x' }],
    [`Bearer ${'a'.repeat(4097)}`, { kind: 'malformed', value: `Bearer ${'x'.repeat(4097)}` }],
  ])('the kind of a credential: %.20s', (authorization, expected) => {
    expect(witnessOf('verifyToken', { headers: { authorization } }).request.credentials).toEqual({
      authorization: expected,
    })
  })

  test('a body that is no text, byte for byte', () => {
    const bytes = Buffer.from([0x22, 0xc3, 0x28, 0x00, 0x22])
    const { body } = witnessOf('login', { body: bytes }).request
    expect(body).toEqual({ bytes: 5, base64: bytes.toString('base64') })
  })

  test('the size alone of a body that is large or in a coding', () => {
    const large = witnessOf('login', { body: 'a'.repeat(MAX_BODY_BYTES + 1) }).request.body
    const coded = witnessOf('login', { body: 'zipped', headers: { 'content-encoding': 'gzip' } }).request.body
    expect([large, coded]).toEqual([
      { bytes: MAX_BODY_BYTES + 1, base64: null },
      { bytes: 6, base64: null },
    ])
  })
})

describe('a request that is sent again', () => {
  test('has made-up credentials of the same kind, and malformed ones as they were', () => {
    const good = witnessOf('verifyToken', { headers: { authorization: 'Bearer abc' } }).request
    const bad = witnessOf('verifyToken', { headers: { authorization: 'Basic abc', 'x-other': 'x' } }).request
    expect(fromWitness(good, true)?.headers).toEqual({ authorization: 'Bearer made-up' })
    expect(fromWitness(bad, true)?.headers).toEqual({ authorization: 'Basic xxx' })
  })

  test('has a body of the same size where nobody reads it, and is left out where somebody would', () => {
    const { request } = witnessOf('login', { body: 'a'.repeat(MAX_BODY_BYTES + 1) })
    expect(fromWitness(request, true)).toBeNull()
    expect(fromWitness(request, false)?.body).toHaveLength(MAX_BODY_BYTES + 1)
  })
})
