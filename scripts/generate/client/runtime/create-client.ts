import type { Client } from './client.ts'
import type { OperationRow } from './operation-row.ts'
import * as operations from './operations.ts'
import type { ClientOptions } from './options.ts'
import { type AnyCall, pagesOf } from './paging.ts'
import { readReply } from './reply.ts'
import { type AnyArguments, prepareRequest } from './request.ts'
import { type Session, send } from './send.ts'
import type { OperationId } from './types.ts'

/** A client with one method per operation of the contract. Throws TypeError where `baseUrl` is no address. */
export function createClient(options: ClientOptions = {}): Client {
  return makeClient(operations, options) as unknown as Client
}

/** The methods of `Id`, with `pages` and `iterate` for the lists among them. */
export type ClientOf<Id extends OperationId> = Pick<Client, Id | 'pages' | 'iterate'>

/**
 * A client with the methods of some operations only, so that a bundler leaves out the others:
 * `createClientOf({ login, getTenant }, options)` with the rows of `@skeldir/client/operations`.
 */
export function createClientOf<const Id extends OperationId>(
  rows: { readonly [K in Id]: OperationRow<K> },
  options: ClientOptions = {},
): ClientOf<Id> {
  return makeClient(rows, options) as unknown as ClientOf<Id>
}

/** The types of all methods together are more than the compiler can compare, so they are asserted. */
function makeClient(rows: Readonly<Record<string, OperationRow>>, options: ClientOptions): Record<string, unknown> {
  const session: Session = { options, refreshing: null, told: new Set() }
  const baseUrl = readBaseUrl(options.baseUrl)
  const calls = new Map<string, AnyCall>()
  for (const row of Object.values(rows)) {
    calls.set(row.id, async (args: AnyArguments = {}, call = {}) => {
      const request = prepareRequest(row, args, { baseUrl, headers: [options.headers, call.headers] })
      const { response, bytes } = await send(session, row, request, call)
      return readReply(row, response, bytes)
    })
  }
  const list = (id: OperationId): AnyCall => {
    const call = calls.get(id)
    if (call === undefined || rows[id]?.paged !== true) throw new TypeError(`${id} is not a list`)
    return call
  }
  return {
    ...Object.fromEntries(calls),
    pages: (id: OperationId, args?: AnyArguments, call?: object) => pagesOf(id, list(id), args, call),
    async *iterate(id: OperationId, args?: AnyArguments, call?: object) {
      for await (const page of pagesOf(id, list(id), args, call)) yield* page.items
    },
  }
}

function readBaseUrl(baseUrl: string | undefined): string {
  const isInBrowser = 'location' in globalThis
  if (baseUrl === undefined || baseUrl === '') {
    if (isInBrowser) return ''
    throw new TypeError('baseUrl is missing: the origin of the API, such as https://api.example.com')
  }
  if (!/^https?:\/\/[^/?#\s]+[^?#\s]*$/.test(baseUrl) && !(isInBrowser && /^\/[^?#\s]*$/.test(baseUrl))) {
    throw new TypeError(`baseUrl is not an http or https address without query: ${baseUrl}`)
  }
  return baseUrl.replace(/\/+$/, '')
}
