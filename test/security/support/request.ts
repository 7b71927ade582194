import { Agent, request as open } from 'node:http'
import { fileURLToPath } from 'node:url'
import { type OperationRow, operations } from '../../../generated/operations.ts'
import { type ContractDocument, readDocument } from '../../../scripts/contracts/parity/contract.ts'
import {
  type ExampleChoice,
  fromExamples,
  listBodyExamples,
  listCredentialHeaders,
} from '../../../scripts/contracts/parity/request.ts'
import type { Json } from '../../../scripts/generate/json.ts'
import type { OperationId } from '../../../src/contract.ts'
import { notImplementedOperations } from '../../../src/main/not-implemented.ts'

export const document: ContractDocument = readDocument(fileURLToPath(new URL('../../../', import.meta.url)))

/** Every operation of the contract. */
export const operationIds = Object.keys(operations) as OperationId[]

export const isImplemented = (operationId: OperationId): boolean =>
  !Object.hasOwn(notImplementedOperations, operationId)

export const implementedIds = operationIds.filter(isImplemented)

export const rowOf = (operationId: OperationId): OperationRow => operations[operationId]

/** A valid request without credentials, in the parts that an attack changes. */
export interface Natural {
  operationId: OperationId
  row: OperationRow
  params: Record<string, string>
  query: URLSearchParams
  headers: Record<string, string>
  /** Parsed, where the media type is JSON. Null: the operation takes none. */
  body: Json
}

/** The request that the contract's own examples show. */
export function naturalOf(operationId: OperationId, choice?: ExampleChoice): Natural {
  const row = rowOf(operationId)
  const { target, headers, body } = fromExamples(document, operationId, choice)
  const [path = '', query] = target.split('?')
  const pattern = row.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')
  const found = new RegExp(`^${pattern}$`).exec(path)?.groups ?? {}
  const params = Object.entries(found).map(([name, value]) => [name, decodeURIComponent(value)])
  const credentials = new Set(listCredentialHeaders(document, row).flat())
  const plain = Object.entries(headers).filter(([name]) => !credentials.has(name))
  const isJson = headers['content-type']?.includes('json') === true
  return {
    operationId,
    row,
    params: Object.fromEntries(params),
    query: new URLSearchParams(query),
    headers: Object.fromEntries(plain),
    body: isJson && typeof body === 'string' ? JSON.parse(body) : (body as string | null),
  }
}

/** One request for each body that the contract shows; one where there is no body. */
export function listNaturals(operationId: OperationId): Natural[] {
  const bodies = listBodyExamples(document, operationId)
  if (bodies.length === 0) return [naturalOf(operationId)]
  return bodies.map(({ mediaType, name }) => naturalOf(operationId, { bodyMediaType: mediaType, body: name }))
}

export interface Sent {
  method: string
  target: string
  /** A list of values is that many header lines. */
  headers: Record<string, string | string[]>
  body: string | Buffer | null
}

export function toSent({ row, params, query, headers, body }: Natural): Sent {
  const path = row.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''))
  return {
    method: row.method.toUpperCase(),
    target: query.size === 0 ? path : `${path}?${query}`,
    headers,
    body: body === null ? null : typeof body === 'string' ? body : JSON.stringify(body),
  }
}

export interface Reply {
  status: number
  headers: Record<string, string>
  text: string
}

const agent = new Agent({ keepAlive: false })
/** Long enough for a busy machine, shorter than any delay that an attack asks for would be with the rest. */
const TIMEOUT_MS = 20_000

/** As it is written, so that a header may come twice and a path may be odd. Throws when there is no answer. */
export function sendTo(url: string, { method, target, headers, body }: Sent): Promise<Reply> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const options = { hostname, port, method, path: target, headers: { ...length, ...headers }, agent, signal }
    const call = open(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(
            Object.entries(response.headers).map(([name, value]) => [name, [value].flat().join(', ')]),
          ),
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    call.on('error', reject)
    call.end(body)
  })
}

const UNTOLD = new Set(['x-correlation-id', 'date', 'ratelimit', 'ratelimit-policy'])

/** All of an answer that may tell something: all but its correlation id, the address asked for, the time and the quota. */
export function maskReply({ status, headers, text }: Reply): string {
  const told = Object.entries(headers).filter(([name]) => !UNTOLD.has(name) && name !== 'content-length')
  const id = headers['x-correlation-id'] ?? ''
  const body = text.replaceAll(id === '' ? '\0' : id, '<id>').replace(/"instance":"[^"]*"/, '"instance":"<path>"')
  const reply = JSON.stringify({ status, headers: told.sort(), body }, null, 1)
  // Of what the call itself made, two calls make two.
  const [made] = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.exec(headers.location ?? '') ?? []
  return made === undefined ? reply : reply.replaceAll(made, '<made>')
}
