import type { OtherPayloads, Vendor, WebhookPayloads } from './webhook-topics.ts'

/** The bytes as they arrived: a body that was parsed and printed again has another signature. */
export type RawBody = string | Uint8Array | ArrayBuffer
/** As `Request.headers` or Node's `IncomingMessage.headers` give them. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>

export interface WebhookInput {
  body: RawBody
  headers: WebhookHeaders
  /** Reads the body once it is verified. `JSON.parse` by default, which rounds whole numbers beyond 2^53. */
  parse?: ((text: string) => unknown) | undefined
  /** In place of the clock. */
  now?: Date | undefined
}

/** Why a delivery is refused, the same for every vendor. */
export type RefusalReason =
  | 'missing_header'
  | 'malformed_header'
  | 'unusable_secret'
  | 'signature_mismatch'
  | 'timestamp_out_of_tolerance'
  | 'malformed_body'

export interface Refusal<Reason extends string> {
  readonly ok: false
  readonly reason: Reason
  /** For the log of the receiver. Never holds a secret. */
  readonly detail: string
}

export type Verification<Event, Reason extends string = RefusalReason> =
  | { readonly ok: true; readonly event: Event }
  | Refusal<Reason>

/**
 * A verified delivery: branch on `topic`. It is null where the contract describes no such topic; `name` is always what
 * the vendor calls it. The signature says who sent the payload, not that it has all fields of its type.
 */
export type WebhookEvent<V extends Vendor, Facts> = Facts &
  (
    | {
        [T in keyof WebhookPayloads[V]]: {
          readonly vendor: V
          readonly topic: T
          readonly name: T
          readonly payload: WebhookPayloads[V][T]
        }
      }[keyof WebhookPayloads[V]]
    | { readonly vendor: V; readonly topic: null; readonly name: string; readonly payload: OtherPayloads[V] }
  )

export function refuse<Reason extends string>(reason: Reason, detail: string): Refusal<Reason> {
  return { ok: false, reason, detail }
}

/** Null where the header is absent. A repeated one is joined by `, `, as `Headers` does. */
export function headerOf(headers: WebhookHeaders, name: string): string | null {
  if (typeof headers.get === 'function') return (headers as Headers).get(name)
  for (const [key, value] of Object.entries(headers as Record<string, string | readonly string[] | undefined>)) {
    if (key.toLowerCase() !== name || value === undefined) continue
    return typeof value === 'string' ? value : value.join(', ')
  }
  return null
}

/** Undefined where the bytes are not UTF-8 or `parse` throws; null is what JSON's `null` gives. */
export function readPayload(bytes: Uint8Array, parse: (text: string) => unknown = JSON.parse): unknown {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
