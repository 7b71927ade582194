import { JsonError, type JsonObject, type JsonValue, parseJson } from '../lossless-json.ts'
import { MapFault } from './transform.ts'

/** `conflict` is found when a delivery meets others: it says otherwise than one of them. */
export type DeadClass = 'malformed' | 'schema' | 'poison' | 'unsupported' | 'conflict'

/** What is known of a delivery when it turns out to be dead. */
export interface KnownDelivery {
  /** Null where the delivery has none that could be stored. */
  externalId: string | null
  topic: string | null
  /** As it would have been stored; null where the body could not be parsed. */
  payload: JsonObject | null
}

/** A verified delivery that cannot be used. `detail` is a sentence of ours, at most 500 characters, without its texts. */
export class DeadDelivery extends Error implements KnownDelivery {
  override name = 'DeadDelivery'
  readonly class: DeadClass
  readonly code: string
  readonly detail: string
  readonly externalId: string | null
  readonly topic: string | null
  readonly payload: JsonObject | null

  constructor(
    fault: { class: DeadClass; code: string; detail: string; cause?: unknown },
    { externalId, topic, payload }: KnownDelivery = { externalId: null, topic: null, payload: null },
  ) {
    super(`${fault.code}: ${fault.detail}`, fault.cause === undefined ? undefined : { cause: fault.cause })
    this.class = fault.class
    this.code = fault.code
    this.detail = fault.detail
    this.externalId = externalId
    this.topic = topic
    this.payload = payload
  }
}

export function schemaFault(code: string, detail: string): DeadDelivery {
  return new DeadDelivery({ class: 'schema', code, detail })
}

/** Runs `read`; a MapFault or a DeadDelivery out of it becomes a DeadDelivery that knows what `known` does. */
export function about<T>(known: KnownDelivery, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MapFault) throw new DeadDelivery(faultOf(error), known)
    if (error instanceof DeadDelivery) throw new DeadDelivery(error, known)
    throw error
  }
}

/** What the vendor may rightly send, and we cannot use. */
const UNSUPPORTED: ReadonlySet<string> = new Set(['other_currency'])

function faultOf({ code, message, at }: MapFault): { class: DeadClass; code: string; detail: string } {
  const sentence = at === null ? `The delivery cannot be used: ${message}.` : `The field ${at}: ${message}.`
  return { class: UNSUPPORTED.has(code) ? 'unsupported' : 'schema', code, detail: sentence.slice(0, 500) }
}

const POISON: ReadonlySet<string> = new Set(['lone_surrogate', 'nul_character', 'too_deep', 'too_many_nodes'])

/** The body as JSON. Throws DeadDelivery: `malformed` when it is none, `poison` when it is some that nobody can store. */
export function parseBody(rawBody: Buffer): JsonValue {
  try {
    return parseJson(rawBody)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const deadClass = POISON.has(error.code) ? 'poison' : 'malformed'
    throw new DeadDelivery({ class: deadClass, code: error.code, detail: `The delivery is dead: ${error.message}.` })
  }
}
