import type { JsonValue } from '../lossless-json.ts'

/**
 * What a page of the merchant puts into an order: `av1.<visitor ULID>.<session ULID>`, or with `_` where a point is not
 * taken (Stripe's payment links drop a `client_reference_id` that has one).
 */
const TOKEN =
  /^av1(?:\.(?<visitor>[0-9A-HJKMNP-TV-Z]{26})\.[0-9A-HJKMNP-TV-Z]{26}|_(?<other>[0-9A-HJKMNP-TV-Z]{26})_[0-9A-HJKMNP-TV-Z]{26})$/
/** What is stored in its place: the keyed hash of the visitor. */
const STORED = /^id1\.([0-9a-f]{64})$/

/**
 * The visitor in a token of ours, as ULID; out of a stored payload, as keyed hash in hex. Null for anything else: the
 * merchant's page wrote it, and an order without it is an order all the same.
 */
export function visitorOf(value: unknown): string | null {
  return typeof value === 'string' ? (visitorIn(value) ?? STORED.exec(value)?.[1] ?? null) : null
}

function visitorIn(token: string): string | undefined {
  const groups = TOKEN.exec(token)?.groups
  return groups?.visitor ?? groups?.other
}

/** What may be stored of a value at a place of tokens; undefined where it is no token. */
export function hashToken(value: JsonValue, identityOf: (visitorId: string) => string): string | undefined {
  const visitorId = typeof value === 'string' ? visitorIn(value) : undefined
  return visitorId === undefined ? undefined : `id1.${identityOf(visitorId)}`
}
