import { createFinalURL, createQuerySerializer, defaultPathSerializer } from 'openapi-fetch'
import type { OperationRow } from './operation-row.ts'

/** The arguments of any operation. */
export interface AnyArguments {
  params?: Record<string, unknown> | undefined
  query?: Record<string, unknown> | undefined
  headers?: Record<string, unknown> | undefined
  body?: unknown
  contentType?: string | undefined
}

export interface PreparedRequest {
  url: string
  method: string
  headers: Headers
  body: string | Uint8Array<ArrayBuffer> | URLSearchParams | null
}

/** Throws TypeError where a path parameter is missing, or would be lost in the URL. */
export function prepareRequest(
  row: OperationRow,
  args: AnyArguments,
  { baseUrl, headers: extra }: { baseUrl: string; headers: readonly (Readonly<Record<string, string>> | undefined)[] },
): PreparedRequest {
  const path = requireParams(row, args.params ?? {})
  const url = createFinalURL(row.path, {
    baseUrl,
    params: { path, query: args.query ?? {} },
    querySerializer: createQuerySerializer({ array: row.array }),
    pathSerializer: defaultPathSerializer,
  })
  const headers = new Headers({ accept: acceptOf(row) })
  for (const given of [...extra, args.headers]) {
    for (const [name, value] of Object.entries(given ?? {})) {
      if (value !== undefined && value !== null) headers.set(name, String(value))
    }
  }
  const body = encodeBody(row, args, headers)
  if (row.idempotencyKey && !headers.has('idempotency-key')) headers.set('idempotency-key', crypto.randomUUID())
  return { url, method: row.method, headers, body }
}

function requireParams(row: OperationRow, params: Record<string, unknown>): Record<string, string> {
  const names = [...row.path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1] as string)
  return Object.fromEntries(
    names.map((name) => {
      const value = String(params[name] ?? '')
      // A URL parser drops such segments, and another operation would be called.
      if (value === '' || value === '.' || value === '..') {
        throw new TypeError(`${row.id}: the path parameter ${name} is ${value === '' ? 'missing' : `"${value}"`}`)
      }
      return [name, value]
    }),
  )
}

/** Every documented media type, so that the server has no reason for a 406. */
function acceptOf(row: OperationRow): string {
  return [...new Set(Object.values(row.replies).flat())].join(', ') || '*/*'
}

function encodeBody(row: OperationRow, { body, contentType }: AnyArguments, headers: Headers): PreparedRequest['body'] {
  if (row.body === null || body === undefined) return null
  const mediaType = contentType ?? row.body[0] ?? 'application/json'
  if (!headers.has('content-type')) headers.set('content-type', mediaType)
  const isReady = typeof body === 'string' || body instanceof Uint8Array
  if (isReady && (row.rawBody || !/^application\/([\w.-]+\+)?json\b/.test(mediaType))) return body as string
  if (mediaType === 'application/x-www-form-urlencoded') return new URLSearchParams(body as Record<string, string>)
  return JSON.stringify(body)
}
