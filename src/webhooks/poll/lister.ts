import type { Vendor } from '../../context.ts'
import type { OutboundAnswer } from '../../outbound.ts'
import { isObject, type JsonObject, type JsonValue } from '../lossless-json.ts'

/** How the id begins of what a poll brought; no vendor has such ids. */
export const POLLED = 'poll:'

/** What a vendor lists, as the delivery that should have told of it. */
export interface ListedDelivery {
  topic: string
  /** Those that a delivery would have had and that are read. Names in lower case. */
  headers: Readonly<Record<string, string>>
  body: JsonObject
}

export interface Access {
  /** Where the vendor's API is: https, and of the endpoint's environment. */
  origin: string
  /** As the operator gave it; its names are the lister's `credential`. */
  credential: Readonly<Record<string, string>>
}

export interface Window {
  /** Inclusive, by the vendor's time of the change. */
  since: Date
  until: Date
}

/** Throws PollError for whatever is no answer of use; waits where the vendor asks for it. */
export interface VendorClient {
  get(path: string, headers: Record<string, string>): Promise<{ body: JsonValue; headers: OutboundAnswer['headers'] }>
  post(path: string, headers: Record<string, string>, body: string): Promise<{ body: JsonValue }>
}

/** Lists what changed at one vendor. */
export interface VendorLister {
  readonly vendor: Vendor
  /** Names of what it signs in with. */
  readonly credential: readonly string[]
  /** Whether what it lists has the id that its delivery has, inside of what is signed. */
  readonly hasIds: boolean
  /** Everything that changed in the window, in any order; the same thing may come twice. */
  list(client: VendorClient, access: Access, window: Window): AsyncGenerator<ListedDelivery>
}

/** `failed`: the fault is ours. */
export type PollFault =
  | 'unauthorized'
  | 'rate_limited'
  | 'unavailable'
  | 'bad_answer'
  | 'too_much'
  | 'no_access'
  | 'failed'

/** Why an endpoint could not be polled; the message holds no secret and nothing of an answer. */
export class PollError extends Error {
  override name = 'PollError'
  readonly code: PollFault

  constructor(code: PollFault, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function listIn(body: JsonValue, name: string): JsonObject[] {
  const list = isObject(body) ? body[name] : undefined
  if (!Array.isArray(list) || !list.every(isObject))
    throw new PollError('bad_answer', `the answer has no list "${name}"`)
  return list
}

/**
 * The path of a link to the next page, to be asked for at the origin. One that leads to another server is refused, unless
 * the vendor goes by that name, too.
 */
export function pathOn(origin: string, link: string, otherHosts: readonly string[] = []): string {
  const url = URL.parse(link, origin)
  const isOwn = url !== null && (url.origin === new URL(origin).origin || otherHosts.includes(url.host))
  if (!isOwn) throw new PollError('bad_answer', 'the next page is said to be on another server')
  return `${url.pathname}${url.search}`
}

export function basicAuth(user: string | undefined, password: string | undefined): string {
  return `Basic ${Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')}`
}
