import { type OperationRow, operations } from '../../../generated/operations.ts'
import { type RequestValidators, requests } from '../../../generated/validators.js'
import { parseJson } from '../../../src/http/json.ts'
import { planParameters, readParameters } from '../../../src/http/parameters.ts'
import { isPing } from '../../../src/webhooks/endpoints/pings.ts'
import { isObject } from '../../generate/json.ts'
import type { Disagreement } from './disagreement.ts'
import type { WitnessReply, WitnessRequest } from './witness.ts'

export interface NaturalCase {
  operationId: string
  request: WitnessRequest
  real: WitnessReply
  mock: WitnessReply
  /** By alternative, the headers that carry the credentials of the operation. Empty: public. */
  credentialHeaders: readonly (readonly string[])[]
}

/** `state`: the real answer depends on what the server knows, and the mock has answered as if nothing stood in the way. */
export type Verdict =
  | { kind: 'agreed' }
  | { kind: 'state'; why: string }
  | { kind: 'disagreed'; disagreement: Disagreement }

/** Decided by the request alone; whoever reads it must come to the same. */
const BY_REQUEST = new Set([400, 405, 406, 413, 415, 422])

/** Compares the answers of both sides to the same request, with made-up credentials on the mock. */
export function judge(one: NaturalCase): Verdict {
  const { real, mock } = one
  if (real.status === 401) return judgeUnauthorized(one)
  if (BY_REQUEST.has(real.status)) {
    if (isSameRefusal(real, mock)) return { kind: 'agreed' }
    // Of a text a schema says how long it is, and not what it holds: CSV may also be no CSV.
    const isByRule = real.status === 422 || (real.status === 400 && isPlainText(one))
    if (isByRule && fitsContract(one.operationId, one.request) && !BY_REQUEST.has(mock.status)) {
      return { kind: 'state', why: 'a rule that no schema can say' }
    }
    return disagreed(one)
  }
  if (real.status >= 200 && real.status < 300) return judgeSuccess(one)
  // 403 and 503 may be decided before anybody has read the request.
  if (real.status === 403 || real.status >= 429) return { kind: 'state', why: `${real.status} depends on the server` }
  return mock.status >= 400 && BY_REQUEST.has(mock.status)
    ? disagreed(one)
    : { kind: 'state', why: `${real.status} depends on the data` }
}

function judgeUnauthorized(one: NaturalCase): Verdict {
  const { real, mock, request, credentialHeaders } = one
  const isUsable = (name: string) => {
    const credential = request.credentials[name]
    return credential !== undefined && credential.kind !== 'malformed'
  }
  if (isUnsignedPing(one)) return { kind: 'state', why: 'only the server knows the address' }
  const isComplete = credentialHeaders.length === 0 || credentialHeaders.some((names) => names.every(isUsable))
  if (isComplete) return { kind: 'state', why: 'only the server knows that the credentials are wrong' }
  return isSameRefusal(real, mock) ? { kind: 'agreed' } : disagreed(one)
}

/** WooCommerce announces itself without a signature: the address alone is what is wrong with such a ping. */
function isUnsignedPing({ operationId, request: { credentials, mediaType, body } }: NaturalCase): boolean {
  if (operationId !== 'receiveWoocommerceWebhook' || Object.keys(credentials).length > 0) return false
  const headers = mediaType === null ? {} : { 'content-type': mediaType }
  return body !== null && body.base64 !== null && isPing(headers, Buffer.from(body.base64, 'base64'))
}

function isPlainText({
  operationId,
  request: { mediaType, body },
}: Pick<NaturalCase, 'operationId' | 'request'>): boolean {
  const row = (operations as Record<string, OperationRow>)[operationId] as OperationRow
  if (mediaType === null || body === null) return false
  return !/[/+]json$/.test(mediaType) && row.requestBody?.jsonText?.[mediaType] === undefined
}

function judgeSuccess(one: NaturalCase): Verdict {
  const { operationId, real, mock } = one
  if (mock.status === real.status) return { kind: 'agreed' }
  const { replies } = (operations as Record<string, OperationRow>)[operationId] as OperationRow
  const isOther = replies[mock.status] !== undefined && mock.status < 400
  return isOther ? { kind: 'state', why: 'the operation has several ways to succeed' } : disagreed(one)
}

function isSameRefusal(real: WitnessReply, mock: WitnessReply): boolean {
  return describe(real) === describe(mock)
}

function disagreed({ real, mock, request }: NaturalCase): Verdict {
  const message = `${tellRequest(request)}: the real server answers ${describe(real)}, the mock ${describe(mock)}`
  return { kind: 'disagreed', disagreement: { matter: 'natural', at: String(real.status), message } }
}

/** `POST /api/auth/login, authorization malformed, 12 bytes of text/plain`: what matters about it. */
export function tellRequest({ method, target, credentials, mediaType, body }: WitnessRequest): string {
  const parts = [
    `${method} ${target.slice(0, MAX_TARGET)}`,
    ...Object.entries(credentials).map(([name, { kind }]) => `${name} ${kind}`),
    ...(body === null ? [] : [`${body.bytes} bytes of ${mediaType ?? 'no media type'}`]),
  ]
  return parts.join(', ')
}

/** Characters: some tests send very long ones. */
const MAX_TARGET = 200

/** `422 validation_failed /body/email, /query/limit`: everything that must be the same. */
function describe({ status, json }: WitnessReply): string {
  if (status < 400 || !isObject(json)) return String(status)
  const errors = Array.isArray(json.errors) ? json.errors : []
  const pointers = new Set(errors.map((error) => (isObject(error) ? String(error.pointer) : '')))
  return `${status} ${String(json.code)} ${[...pointers].sort().join(', ')}`.trimEnd()
}

/** Whether the contract's own validators accept the request: what refuses it then is a rule beyond them. */
export function fitsContract(operationId: string, request: WitnessRequest): boolean {
  const row = (operations as Record<string, OperationRow>)[operationId] as OperationRow
  const validators = (requests as Record<string, RequestValidators>)[operationId] as RequestValidators
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, value ?? '']))
  const question = request.target.indexOf('?')
  const query = question === -1 ? '' : request.target.slice(question + 1)
  try {
    const parameters = readParameters(planParameters(row.parameters), { params: request.params, query, headers })
    if (validators.parameters !== null && !validators.parameters(parameters)) return false
    if (validators.body === null || request.body === null) return true
    if (isPlainText({ operationId, request })) return true
    return request.body.base64 !== null && validators.body(parseJson(Buffer.from(request.body.base64, 'base64')))
  } catch {
    return false
  }
}
