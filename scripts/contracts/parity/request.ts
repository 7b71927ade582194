import { Agent, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { type OperationRow, operations } from '../../../generated/operations.ts'
import { isObject, type Json, type JsonObject } from '../../generate/json.ts'
import { type ContractDocument, examplesOf, follow } from './contract.ts'
import { type Credential, toReply, type WitnessReply, type WitnessRequest } from './witness.ts'

/** A request as it goes to a mock. */
export interface MockRequest {
  method: string
  /** Path and query. */
  target: string
  headers: Record<string, string>
  body: string | Buffer | null
}

/** How long a mock may take; it looks most things up. */
const TIMEOUT_MS = 20_000
/** A connection each: one that the server has just closed for being idle would be a failure of nobody's. */
const agent = new Agent({ keepAlive: false })

/** Throws when there is no answer. */
export function send(url: string, { method, target, headers, body }: MockRequest): Promise<WitnessReply> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const bytes = body === null ? null : Buffer.from(body)
    const length = bytes === null ? {} : { 'content-length': String(bytes.length) }
    const call = request(url + target, { method, headers: { ...headers, ...length }, agent, signal }, (response) => {
      readReply(response).then(resolve, reject)
    })
    // After an early answer, such as a 413, the rest of the body may find nobody.
    call.on('error', reject)
    call.end(bytes)
  })
}

async function readReply(response: IncomingMessage): Promise<WitnessReply> {
  const bytes = await buffer(response)
  // A document shows the bytes of a binary file as characters up to U+00FF.
  const isText = /^text\/|json/.test(response.headers['content-type'] ?? '')
  const headers = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)])
  return toReply({ status: response.statusCode ?? 0, headers, text: bytes.toString(isText ? 'utf8' : 'latin1') })
}

/**
 * What the test sent, with made-up credentials of the same kind. Null where it cannot be sent again: its body was too
 * large to be kept, and may matter.
 */
export function fromWitness(witness: WitnessRequest, isBodyRead: boolean): MockRequest | null {
  const plain = Object.entries(witness.headers).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, value]],
  )
  const credentials = Object.entries(witness.credentials).map(([name, credential]): [string, string] => [
    name,
    toCredential(name, credential),
  ])
  const { method, target, body } = witness
  const base = { method, target, headers: Object.fromEntries([...plain, ...credentials]) }
  if (body === null) return { ...base, body: null }
  if (body.base64 !== null) return { ...base, body: Buffer.from(body.base64, 'base64') }
  return isBodyRead ? null : { ...base, body: Buffer.alloc(body.bytes, ' ') }
}

function toCredential(header: string, { kind, value }: Credential): string {
  if (kind === 'malformed') return value ?? ''
  return madeUp[header] ?? 'made-up'
}

/** Well-formed, and nobody's. */
const madeUp: Readonly<Record<string, string>> = {
  authorization: 'Bearer made-up',
  'x-skeldir-tenant-key': 'skd_'.padEnd(47, 'x'),
  'stripe-signature': `t=1795219200,v1=${'0'.repeat(64)}`,
  'x-shopify-hmac-sha256': '='.padStart(44, 'A'),
  'x-wc-webhook-signature': '='.padStart(44, 'A'),
  'paypal-transmission-sig': 'A'.repeat(344),
}

export interface ExampleChoice {
  /** Name of an example of the body; by default the first. */
  body?: string
  bodyMediaType?: string
  /** Optional parameters as well. */
  isFull?: boolean
}

/** Evaluated by the server against the state of a thing: a mock may answer 304 or 412 to them. */
const CONDITIONAL = new Set(['if-none-match', 'if-match'])

/** A valid request, made of nothing but what the contract shows. Throws where it lacks an example. */
export function fromExamples(
  document: ContractDocument,
  operationId: string,
  { body, bodyMediaType, isFull = false }: ExampleChoice = {},
): MockRequest {
  const row = (operations as Record<string, OperationRow>)[operationId] as OperationRow
  const operation = document.paths[row.path]?.[row.method] as JsonObject
  let path = row.path
  const query = new URLSearchParams()
  const headers = credentialsOf(document, row)
  for (const written of (operation.parameters ?? []) as Json[]) {
    const parameter = follow(document, written)
    const name = String(parameter.name)
    const isRequired = parameter.required === true
    if (!isRequired && (!isFull || CONDITIONAL.has(name.toLowerCase()))) continue
    const [example] = examplesOf(document, parameter)
    if (example === undefined) throw new Error(`${operationId}: the parameter ${name} has no example`)
    const text = [example.value].flat().map(String)
    if (parameter.in === 'path') path = path.replace(`{${name}}`, encodeURIComponent(text.join(',')))
    else if (parameter.in === 'header') headers[name.toLowerCase()] = text.join(', ')
    else if (parameter.explode === false) query.append(name, text.join(','))
    else for (const one of text) query.append(name, one)
  }
  const question = query.size === 0 ? '' : `?${query}`
  const base = { method: row.method.toUpperCase(), target: path + question, headers }
  const content = contentOf(document, operation)
  const mediaType = bodyMediaType ?? Object.keys(content)[0]
  if (mediaType === undefined) return { ...base, body: null }
  const examples = examplesOf(document, content[mediaType] as JsonObject)
  const example = body === undefined ? examples[0] : examples.find(({ name }) => name === body)
  if (example === undefined) throw new Error(`${operationId}: the body has no example ${body ?? ''}`)
  headers['content-type'] = mediaType
  const { value } = example
  return { ...base, body: typeof value === 'string' && !mediaType.includes('json') ? value : JSON.stringify(value) }
}

/** By media type and name: every body that the contract shows. */
export function listBodyExamples(
  document: ContractDocument,
  operationId: string,
): { mediaType: string; name: string }[] {
  const row = (operations as Record<string, OperationRow>)[operationId] as OperationRow
  const content = contentOf(document, document.paths[row.path]?.[row.method] as JsonObject)
  return Object.entries(content).flatMap(([mediaType, media]) =>
    examplesOf(document, media as JsonObject).map(({ name }) => ({ mediaType, name })),
  )
}

function contentOf(document: ContractDocument, operation: JsonObject): JsonObject {
  if (operation.requestBody === undefined) return {}
  const { content } = follow(document, operation.requestBody)
  return isObject(content) ? content : {}
}

function credentialsOf(document: ContractDocument, { security }: OperationRow): Record<string, string> {
  const schemes = (document.components as JsonObject).securitySchemes as JsonObject
  return Object.fromEntries(
    (security[0] ?? []).map((name) => {
      const header = credentialHeader(schemes[name] as JsonObject)
      return [header, madeUp[header] ?? 'made-up']
    }),
  )
}

/** The headers, in lower case, that the alternatives of an operation ask for. */
export function listCredentialHeaders(document: ContractDocument, { security }: OperationRow): string[][] {
  const schemes = (document.components as JsonObject).securitySchemes as JsonObject
  return security.map((alternative) => alternative.map((name) => credentialHeader(schemes[name] as JsonObject)))
}

function credentialHeader(scheme: JsonObject): string {
  return scheme.type === 'apiKey' ? String(scheme.name).toLowerCase() : 'authorization'
}
