import { type HttpHandler, HttpResponse, http } from 'msw'
import { type FixtureNames, fixtures, replyHeaders } from './fixture-data.ts'
import type { AnyFixtures } from './fixtures.ts'
import type { OperationRow } from './operation-row.ts'
import * as operations from './operations.ts'
import type { OperationId } from './types.ts'

/** A documented reply of an operation; without a name its first example. */
export type ChosenReply<Id extends keyof FixtureNames> = {
  [Status in keyof FixtureNames[Id]]: {
    status: Status
    example?: FixtureNames[Id][Status][keyof FixtureNames[Id][Status]]
    mediaType?: keyof FixtureNames[Id][Status]
  }
}[keyof FixtureNames[Id]]

/** The path parameters are those of the operation; `request` has not been read. */
export type Answer = (call: {
  request: Request
  params: Readonly<Record<string, string>>
}) => Response | undefined | Promise<Response | undefined>

export interface HandlersOptions {
  /** Origin of the API that is played; any origin where it is absent. */
  baseUrl?: string | undefined
  /** What an operation answers instead; a function that gives undefined leaves it to the examples. */
  overrides?: { [Id in OperationId & keyof FixtureNames]?: ChosenReply<Id> | Answer } | undefined
}

interface Wish {
  status?: number | undefined
  example?: string | undefined
  mediaType?: string | undefined
}

/**
 * One handler per operation of the contract. Each answers with an example of it: the first one of the first success,
 * or what `overrides` or the request's `Prefer: code=404, example=name` names. Nothing is validated, and no token needed.
 */
export function handlers({ baseUrl, overrides = {} }: HandlersOptions = {}): HttpHandler[] {
  const origin = baseUrl?.replace(/\/+$/, '') ?? '*'
  const rows: OperationRow[] = Object.values(operations)
  return rows
    .toSorted((a, b) => compareText(orderOf(a), orderOf(b)))
    .map((row) => {
      const path = `${origin}${row.path.replaceAll(/\{([^}]+)\}/g, ':$1')}`
      const override = overrides[row.id as OperationId] as Wish | Answer | undefined
      return methodOf(row)(path, async ({ request, params }) => {
        const own =
          typeof override === 'function'
            ? await override({ request, params: params as Record<string, string> })
            : undefined
        const preferred = readPreference(request.headers.get('prefer'))
        return own ?? answer(row, { ...(typeof override === 'object' ? override : {}), ...preferred })
      })
    })
}

/** Literal segments before parameters, so that the narrower path is tried first. */
function orderOf({ path, id }: OperationRow): string {
  return `${path.replaceAll(/\{[^}]+\}/g, '~')} ${id}`
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function methodOf({ method }: OperationRow): typeof http.get {
  return http[method.toLowerCase() as 'get']
}

function answer(row: OperationRow, wish: Wish): Response {
  const documented = Object.keys(row.replies).map(Number)
  const status = wish.status ?? documented[0] ?? 200
  if (!documented.includes(status)) throw new RangeError(`${row.id} documents ${documented.join(', ')}, not ${status}`)
  const headers = new Headers(
    (replyHeaders as Record<string, Record<number, Record<string, string>>>)[row.id]?.[status],
  )
  const byMedia = (fixtures as AnyFixtures)[row.id]?.[status] ?? {}
  const [usual] = Object.keys(byMedia)
  const mediaType = wish.mediaType ?? usual
  if (mediaType === undefined) return new HttpResponse(null, { status, headers })
  const bodies = byMedia[mediaType] ?? {}
  const name = wish.example ?? Object.keys(bodies)[0] ?? ''
  if (!Object.hasOwn(bodies, name)) throw new RangeError(`${row.id} ${status} has no example ${name}`)
  headers.set('content-type', mediaType)
  return new HttpResponse(encode(mediaType, bodies[name]), { status, headers })
}

function encode(mediaType: string, body: unknown): string | Uint8Array<ArrayBuffer> {
  if (/^application\/([\w.-]+\+)?json\b/.test(mediaType)) return JSON.stringify(body)
  const text = String(body)
  if (mediaType.startsWith('text/') || mediaType === 'application/x-ndjson') return text
  // Bytes stand in an example as characters up to 255.
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

/** `code` and `example` of RFC 7240's header, as Prism reads them. */
function readPreference(header: string | null): Wish {
  const code = /(?:^|[\s,;])code="?(\d{3})\b/i.exec(header ?? '')?.[1]
  const example = /(?:^|[\s,;])example="?([\w.-]+)/i.exec(header ?? '')?.[1]
  return {
    ...(code === undefined ? {} : { status: Number(code) }),
    ...(example === undefined ? {} : { example }),
  }
}
