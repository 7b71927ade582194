import { SkeldirUnexpectedResponse, type UnexpectedReason } from './errors.ts'
import type { OperationRow } from './operation-row.ts'
import type { OperationId, Problem, Reply } from './types.ts'

const PROBLEM = 'application/problem+json'

/** Any member of any operation's result. */
export type AnyReply = Reply<
  boolean,
  number,
  string | null,
  unknown,
  Problem | undefined,
  Record<string, string | number>
>

/** The typed result of a reply. Throws SkeldirUnexpectedResponse unless the contract documents it. */
export function readReply(row: OperationRow, response: Response, bytes: ArrayBuffer): AnyReply {
  const mediaType = essenceOf(response.headers.get('content-type') ?? '') || null
  const text = () => new TextDecoder().decode(bytes)
  const refuse = (reason: UnexpectedReason): never => {
    const body = text()
    throw new SkeldirUnexpectedResponse(row.id as OperationId, reason, {
      response,
      mediaType,
      body,
      problem: mediaType === PROBLEM ? findProblem(body) : null,
    })
  }
  const mediaTypes = row.replies[response.status]
  if (mediaTypes === undefined) return refuse(isRedirect(response) ? 'redirect' : 'status')
  const base = { operationId: row.id as OperationId, status: response.status, headers: headersOf(response), response }
  const ok = response.status >= 200 && response.status < 300
  if (mediaTypes.length === 0) return { ...base, ok, mediaType: null, data: undefined, problem: undefined }
  const documented = mediaTypes.find((known) => essenceOf(known) === mediaType)
  if (documented === undefined) return refuse('media_type')
  if (documented === PROBLEM) {
    const problem = findProblem(text()) ?? refuse('body')
    return { ...base, ok: false, mediaType: documented, data: undefined, problem }
  }
  const data = decode(documented, bytes, text)
  return { ...base, ok, mediaType: documented, data: data === UNREADABLE ? refuse('body') : data, problem: undefined }
}

const UNREADABLE: unique symbol = Symbol('unreadable')

function decode(mediaType: string, bytes: ArrayBuffer, text: () => string): unknown {
  if (/^application\/([\w.-]+\+)?json$/.test(mediaType)) {
    const value = parse(text())
    return value === undefined ? UNREADABLE : value
  }
  const isText = mediaType.startsWith('text/') || mediaType === 'application/x-ndjson'
  return isText ? text() : new Blob([bytes], { type: mediaType })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function findProblem(text: string): Problem | null {
  const value = parse(text) as Partial<Problem> | null | undefined
  return typeof value === 'object' && typeof value?.code === 'string' ? (value as Problem) : null
}

/** In a browser a redirect that is not followed shows neither status nor headers. */
function isRedirect(response: Response): boolean {
  return response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)
}

function essenceOf(mediaType: string): string {
  return (mediaType.split(';')[0] ?? '').trim().toLowerCase()
}

/** `Retry-After` is the only one that the contract calls a number; a date in it stays text. */
function headersOf(response: Response): Record<string, string | number> {
  const headers: Record<string, string | number> = Object.fromEntries(response.headers)
  const retryAfter = headers['retry-after']
  if (retryAfter !== undefined && /^\d+$/.test(String(retryAfter))) headers['retry-after'] = Number(retryAfter)
  return headers
}
