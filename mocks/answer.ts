import { type Exchange, operationOf } from '../src/http/exchange.ts'
import type { AnyReply, BoundOperation } from '../src/http/operations.ts'
import { PROBLEM_MEDIA_TYPE } from '../src/http/problem.ts'
import { sendProblem } from '../src/http/reply.ts'
import { type ProblemCode, ProblemError } from '../src/problem/problem.ts'
import { chooseMediaType, successOf } from './media.ts'
import { type Preferences, refuse, toApplied } from './prefer.ts'
import type { PrismEngine, PrismOperation } from './prism.ts'
import { findViolations, sendMockReply, sendViolation } from './reply.ts'
import type { Site } from './site.ts'
import { visitOf } from './visit.ts'

/** Generated bodies that miss a rule of the contract are made again with another seed, so often. */
const DYNAMIC_ATTEMPTS = 25

/** Answers that belong to the server: the contract declares them once, and on no operation. */
const SERVER_PROBLEMS: Readonly<Record<number, { code: ProblemCode; detail: string }>> = {
  405: { code: 'method_not_allowed', detail: 'The resource does not support this method.' },
  500: { code: 'internal_error', detail: '' },
  501: { code: 'not_implemented', detail: 'This operation is not available yet.' },
}

/**
 * The status that the request asks for whatever else is in it; undefined when it is to be treated like any other. A named
 * example of a refusal stands for its status. Throws `malformed_request` for what the contract does not document.
 */
export function findForcedStatus(site: Site, operation: BoundOperation, preferences: Preferences): number | undefined {
  const { id, row } = operation
  const { code, example } = preferences
  if (code !== undefined) {
    if (row.replies[code] === undefined && SERVER_PROBLEMS[code] === undefined) {
      const documented = [...Object.keys(row.replies), ...Object.keys(SERVER_PROBLEMS)]
        .map(Number)
        .sort((a, b) => a - b)
      throw refuse(`${id} can answer ${documented.join(', ')}; not ${code}.`, 'undocumented_status')
    }
    return code
  }
  if (example === undefined) return undefined
  const statuses = statusesWith(prismOperation(site, id), example)
  if (statuses.length === 0) throw unknownExample(site, id, undefined, example)
  const success = successOf(row)
  return statuses.includes(success) ? undefined : Math.min(...statuses)
}

/** Answers for the operation as if the request had passed every check, with the forced status or that of success. */
export async function answerMocked(site: Site, exchange: Exchange, forced?: number): Promise<void> {
  try {
    const { id, row } = operationOf(exchange) as BoundOperation
    const status = forced ?? successOf(row)
    const preferences = wishesFor(exchange, status)
    const server = row.replies[status] === undefined ? SERVER_PROBLEMS[status] : undefined
    if (server !== undefined) {
      sayApplied(exchange, preferences)
      const headers: Record<string, string> = status === 405 ? { Allow: row.method.toUpperCase() } : {}
      throw new ProblemError(server.code, server.detail, { headers })
    }
    const reply = await ask(site, exchange, status, preferences)
    const fresh = await unlessKnown(site, exchange, id, reply)
    sayApplied(exchange, preferences)
    sendMockReply(site.checks, exchange, withHeaders(exchange, fresh))
  } catch (error) {
    if (error instanceof ProblemError) sendProblem(exchange, error)
    else sendSilence(site, exchange, error)
  }
}

/** Of the preferences of the request, those that have been met so far (RFC 7240 section 3). */
export function sayApplied({ res }: Exchange, preferences: Preferences): void {
  const applied = toApplied(preferences)
  if (applied !== undefined) res.setHeader('Preference-Applied', applied)
}

/** Of a problem nothing is left to make up: its status decides its type and title. */
function wishesFor(exchange: Exchange, status: number): Preferences {
  const { dynamic, seed, ...others } = visitOf(exchange).preferences
  const mediaTypes = operationOf(exchange)?.row.replies[status]?.mediaTypes ?? []
  const isProblem = mediaTypes.every((mediaType) => mediaType === PROBLEM_MEDIA_TYPE)
  if (isProblem) return others
  return { ...others, ...(dynamic !== undefined && { dynamic }), ...(seed !== undefined && { seed }) }
}

async function ask(site: Site, exchange: Exchange, status: number, wishes: Preferences): Promise<AnyReply> {
  const operation = operationOf(exchange) as BoundOperation
  const { id, row } = operation
  const { example, dynamic, seed } = wishes
  const prism = prismOf(site, id)
  const mediaType = mediaTypeWith(site, exchange, status)
  const wish = { code: status, example, mediaType }
  if (dynamic !== true) return withoutEmptyBody(row.replies[status]?.mediaTypes, await prism.answer(id, wish))
  const start = seed ?? String(Math.random())
  let last: AnyReply | undefined
  for (let attempt = 0; attempt < DYNAMIC_ATTEMPTS; attempt++) {
    const made = await prism.answer(id, { ...wish, dynamic, seed: attempt === 0 ? start : `${start} ${attempt}` })
    last = withoutEmptyBody(row.replies[status]?.mediaTypes, made)
    if (findViolations(site.checks, operation, last).length === 0) break
  }
  return last as AnyReply
}

/** Prism gives a type even to an answer that has no body. */
function withoutEmptyBody(mediaTypes: readonly string[] = [], reply: AnyReply): AnyReply {
  if (mediaTypes.length > 0) return reply
  const { 'Content-Type': _, ...headers } = reply.headers ?? {}
  return { status: reply.status, headers }
}

/** An answer that the client has already, by its entity tag, is 304 where the contract has that. */
async function unlessKnown(site: Site, exchange: Exchange, id: string, reply: AnyReply): Promise<AnyReply> {
  const operation = operationOf(exchange) as BoundOperation
  const etag = reply.headers?.ETag
  const known = exchange.headers['if-none-match']
  if (reply.status !== 200 || etag === undefined || known === undefined) return reply
  if (operation.row.replies[304] === undefined) return reply
  const isKnown = known.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
  if (!isKnown) return reply
  const { headers } = await prismOf(site, id).answer(id, { code: 304 })
  return withoutEmptyBody([], { status: 304, headers: { ...headers, ETag: etag } })
}

function withHeaders(exchange: Exchange, reply: AnyReply): AnyReply {
  const declared = (operationOf(exchange) as BoundOperation).row.replies[reply.status]?.headers ?? []
  const own = Object.entries(visitOf(exchange).headers).filter(([name]) => declared.includes(name))
  return own.length === 0 ? reply : { ...reply, headers: { ...reply.headers, ...Object.fromEntries(own) } }
}

/** Of the media types that the request takes, one that has the example. */
function mediaTypeWith(site: Site, exchange: Exchange, status: number): string | undefined {
  const { id, row } = operationOf(exchange) as BoundOperation
  const { example } = visitOf(exchange).preferences
  const chosen = chooseMediaType(row, status, exchange)
  if (example === undefined) return chosen
  const having = contentsOf(prismOperation(site, id), status).filter(({ examples }) => examples.includes(example))
  if (having.length === 0) throw unknownExample(site, id, status, example)
  return having.some(({ mediaType }) => mediaType === chosen) ? chosen : having[0]?.mediaType
}

function unknownExample(site: Site, id: string, status: number | undefined, example: string): ProblemError {
  const { responses } = prismOperation(site, id)
  const statuses = status === undefined ? responses.map(({ code }) => Number(code)) : [status]
  const names = statuses.flatMap((one) =>
    contentsOf(prismOperation(site, id), one).flatMap(({ examples }) => examples.map((name) => `${name} (${one})`)),
  )
  const known = names.length === 0 ? 'none' : [...new Set(names)].slice(0, 20).join(', ')
  return refuse(`${id} has no example ${example.slice(0, 100)}. It has ${known}.`, 'unknown_example')
}

function statusesWith(operation: PrismOperation, example: string): number[] {
  return operation.responses
    .map(({ code }) => Number(code))
    .filter((status) => contentsOf(operation, status).some(({ examples }) => examples.includes(example)))
}

function contentsOf(operation: PrismOperation, status: number): { mediaType: string; examples: string[] }[] {
  const { contents = [] } = operation.responses.find(({ code }) => code === String(status)) ?? {}
  return contents.map(({ mediaType, examples = [] }) => ({ mediaType, examples: examples.map(({ key }) => key) }))
}

function prismOf({ contract, prisms }: Site, id: string): PrismEngine {
  return prisms.get(contract.domainOf.get(id) ?? '') as PrismEngine
}

function prismOperation(site: Site, id: string): PrismOperation {
  return prismOf(site, id).operations.find(({ iid }) => iid === id) as PrismOperation
}

/** Prism has thrown: it had nothing to answer with. */
function sendSilence(site: Site, exchange: Exchange, error: unknown): void {
  const { detail, message } = error as { detail?: string; message?: string }
  const reason = `Prism cannot make an answer: ${detail ?? message ?? String(error)}`.slice(0, 900)
  const subject = operationOf(exchange)?.id ?? exchange.path
  sendViolation(site.checks, exchange, subject, [{ pointer: '/body', code: 'prism', detail: reason }])
}
