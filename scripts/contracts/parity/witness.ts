import type { OperationRow } from '../../../generated/operations.ts'
import type { Json } from '../../generate/json.ts'
import { createMask, maskCredential } from './mask.ts'

/** The variable that names the folder to record in. Set by the tests' global setup alone; nothing in `src/` knows of it. */
export const WITNESS_FOLDER = 'SKELDIR_WITNESS_FOLDER'

/** One answer of the real server to one request, as the API tests met it. Secrets are masked. */
export interface Witness {
  operationId: string
  /** File and title of the test; null where a hook asked. */
  test: string | null
  request: WitnessRequest
  reply: WitnessReply
}

export interface WitnessRequest {
  method: string
  /** Path and query, percent-encoded as they were sent. */
  target: string
  params: Record<string, string>
  query: Record<string, string>
  /** Names in lower case. Values only of declared parameters and of what is negotiated by; null otherwise. */
  headers: Record<string, string | null>
  /** Of the headers that carry a credential, by name in lower case. Empty: none was sent. */
  credentials: Record<string, Credential>
  mediaType: string | null
  body: WitnessBody | null
}

export interface Credential {
  kind: 'bearer' | 'key' | 'signature' | 'malformed'
  /** Masked, of a malformed one: what is wrong with it can be sent again. Null of every other. */
  value: string | null
}

export interface WitnessBody {
  bytes: number
  /** Null above MAX_BODY_BYTES, and of a body that is encoded, which nobody decodes. */
  base64: string | null
}

export interface WitnessReply {
  status: number
  /** Without parameters; null without a body. */
  mediaType: string | null
  /** Names in lower case; null where the value is another one each time. */
  headers: Record<string, string | null>
  /** Where the media type is JSON. */
  json?: Json
  /** Where it is not, or where there is no JSON behind it. */
  text?: string
}

/** What is recorded, as it went over the wire. */
export interface Exchange {
  operationId: string
  test: string | null
  row: OperationRow
  request: {
    target: string
    params: Readonly<Record<string, string>>
    query: Readonly<Record<string, string>>
    headers: Readonly<Record<string, string>>
    body: string | Uint8Array | null
  }
  reply: { status: number; headers: Iterable<[string, string]>; text: string }
}

/** Bytes of a request body. A larger one is told by its size alone. */
export const MAX_BODY_BYTES = 65_536

const NEGOTIATED = ['accept', 'content-type', 'content-encoding']
const CREDENTIAL = /^(?:authorization|cookie|x-skeldir-tenant-key)$|signature|hmac|transmission-sig/
/** What a credential looks like, whoever made it: RFC 6750 section 2.1, and the documentation of the vendors. */
const WELL_FORMED: Readonly<Record<string, RegExp>> = {
  authorization: /^Bearer [A-Za-z0-9._~+/-]{1,4096}=*$/i,
  'stripe-signature': /^(?=(?:.*,)?\s*t=\d)(?=(?:.*,)?\s*v1=[0-9a-f]{64}(?:,|$))/i,
  'x-shopify-hmac-sha256': /^[A-Za-z0-9+/]{43}=$/,
}
const VOLATILE = new Set(['date', 'content-length', 'connection', 'keep-alive', 'transfer-encoding'])

export function toWitness({ operationId, test, row, request, reply }: Exchange): Witness {
  const body = request.body === null ? null : Buffer.from(request.body)
  // Byte for byte, since bodies that are no UTF-8 are recorded too.
  const bodyText = body?.toString('latin1') ?? ''
  const mask = createMask(request.params, [bodyText, reply.text])
  const headers = lowerCaseNames(request.headers)
  const kept = new Set([
    ...NEGOTIATED,
    ...row.parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name.toLowerCase()),
  ])
  const plain = Object.entries(headers).filter(([name]) => !CREDENTIAL.test(name))
  const secret = Object.entries(headers).filter(([name]) => CREDENTIAL.test(name))
  const isEncoded = headers['content-encoding'] !== undefined
  const isKept = body !== null && body.length <= MAX_BODY_BYTES && !isEncoded
  return {
    operationId,
    test,
    request: {
      method: row.method.toUpperCase(),
      target: mask(request.target),
      params: maskAll(request.params, mask),
      query: maskAll(request.query, mask),
      headers: Object.fromEntries(plain.map(([name, value]) => [name, kept.has(name) ? mask(value) : null])),
      credentials: Object.fromEntries(secret.map(([name, value]) => [name, toCredential(name, value)])),
      mediaType: mediaTypeOf(headers['content-type']),
      body:
        body === null
          ? null
          : { bytes: body.length, base64: isKept ? Buffer.from(mask(bodyText), 'latin1').toString('base64') : null },
    },
    reply: toReply(reply, mask),
  }
}

/** Of an answer by any server; `mask` hides what must not be kept. */
export function toReply(
  { status, headers, text }: Exchange['reply'],
  mask: (text: string) => string = (same) => same,
): WitnessReply {
  const values = lowerCaseNames(Object.fromEntries(headers))
  const mediaType = mediaTypeOf(values['content-type'])
  return {
    status,
    mediaType,
    headers: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, VOLATILE.has(name) ? null : mask(value)]),
    ),
    ...(text === '' ? {} : toContent(mediaType, mask(text))),
  }
}

function toContent(mediaType: string | null, text: string): { json: Json } | { text: string } {
  if (!isJson(mediaType)) return { text }
  try {
    return { json: JSON.parse(text) as Json }
  } catch {
    // Whoever compares it finds that a JSON media type came without JSON.
    return { text }
  }
}

export function isJson(mediaType: string | null): boolean {
  return mediaType !== null && /^application\/(?:[\w.-]+\+)?json$/.test(mediaType)
}

export function mediaTypeOf(contentType: string | null | undefined): string | null {
  const type = contentType?.split(';')[0]?.trim().toLowerCase()
  return type === undefined || type === '' ? null : type
}

function toCredential(name: string, value: string): Credential {
  const isWellFormed = (WELL_FORMED[name] ?? /./).test(value)
  if (!isWellFormed) return { kind: 'malformed', value: maskCredential(value) }
  return { kind: name === 'authorization' ? 'bearer' : name.endsWith('-key') ? 'key' : 'signature', value: null }
}

function lowerCaseNames(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function maskAll(values: Readonly<Record<string, string>>, mask: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, mask(value)]))
}
