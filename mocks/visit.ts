import type { IncomingMessage } from 'node:http'
import type { Exchange } from '../src/http/exchange.ts'
import type { Preferences } from './prefer.ts'

/** A port: of one domain, or of the gateway. */
export interface Door {
  /** Null: the gateway, which serves all of them. */
  domain: string | null
}

/** What is known about one request, beside what the engine knows. */
export interface Visit {
  door: Door
  preferences: Preferences
  /** In place of those of the example, where the contract declares them on the answer. */
  headers: Record<string, string>
}

const visits = new WeakMap<IncomingMessage, Visit>()

export function openVisit(req: IncomingMessage, door: Door): void {
  visits.set(req, { door, preferences: {}, headers: {} })
}

export function visitOf({ req }: Exchange): Visit {
  const visit = visits.get(req)
  if (visit === undefined) throw new TypeError('the request came through no door')
  return visit
}
