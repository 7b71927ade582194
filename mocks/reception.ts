import { setTimeout as wait } from 'node:timers/promises'
import type { Exchange } from '../src/http/exchange.ts'
import { operationOf } from '../src/http/exchange.ts'
import type { BoundOperation } from '../src/http/operations.ts'
import { answerMocked, findForcedStatus, sayApplied } from './answer.ts'
import { applyFault } from './fault.ts'
import { forward, type MockReason } from './forward.ts'
import type { Injector } from './inject.ts'
import { readPreferences } from './prefer.ts'
import type { RealServer } from './real.ts'
import type { Shadow } from './shadow.ts'
import type { Site } from './site.ts'
import { findUnserved } from './unknown.ts'
import { visitOf } from './visit.ts'

export interface ReceptionOptions {
  injector: Injector
  real: RealServer | undefined
  /** Milliseconds that the real server may stay silent. */
  realTimeoutMs: number
  /** With it the mock answers everything, and the real server is only asked. */
  shadow: Shadow | undefined
  /** Null: the gateway. */
  urlOf: (domain: string | null) => string
}

/**
 * Decides who answers: nobody here (404), a fault, the status that was asked for, the real server, or the mock after all
 * checks. Rejects with the problem to be sent.
 */
export async function receive(
  options: ReceptionOptions,
  site: Site,
  exchange: Exchange,
  proceed: () => void,
): Promise<void> {
  const { injector, real, shadow, urlOf } = options
  const visit = visitOf(exchange)
  const unserved = findUnserved(site, visit.door, exchange, urlOf)
  if (unserved !== undefined) throw unserved
  const operation = operationOf(exchange)
  if (operation === undefined) {
    proceed()
    return
  }
  visit.preferences = readPreferences(exchange.headers.prefer)
  const forced = findForcedStatus(site, operation, visit.preferences)
  const { delayMs, fault, headers } = injector(operation.id, visit.preferences)
  visit.headers = headers
  const { delay, fault: wished } = visit.preferences
  sayApplied(exchange, { ...(delay !== undefined && { delay }), ...(wished !== undefined && { fault: wished }) })
  if (delayMs > 0) await wait(delayMs)
  // A client that has left meanwhile needs no answer, and its socket no fault.
  if (exchange.res.destroyed) return
  const isWished = forced !== undefined || fault !== undefined || isWishForMock(visit.preferences)
  if (isWished) giveReason(options, exchange, 'requested')
  if (fault !== undefined && (await applyFault(site, exchange, fault))) return
  if (forced !== undefined) {
    await answerMocked(site, exchange, forced)
    return
  }
  if (!isWished && real !== undefined) {
    if (shadow === undefined) {
      if (await letRealAnswer(options, operation, exchange)) return
    } else if (real.stateOf(operation.id) === 'real') {
      giveReason(options, exchange, 'requested')
      shadow.observe(exchange)
    }
  }
  proceed()
}

/** An example or a generated body can only come from the mock. */
function isWishForMock({ example, dynamic }: { example?: string; dynamic?: boolean }): boolean {
  return example !== undefined || dynamic === true
}

/** Only where there is a choice. */
function giveReason({ real }: ReceptionOptions, { res }: Exchange, reason: MockReason): void {
  if (real !== undefined) res.setHeader('X-Mock-Reason', reason)
}

/** False: it cannot, and nothing has been sent. */
async function letRealAnswer(options: ReceptionOptions, { id }: BoundOperation, exchange: Exchange): Promise<boolean> {
  const { real, realTimeoutMs } = options
  const state = real?.stateOf(id)
  if (real === undefined || state !== 'real') {
    giveReason(options, exchange, state === 'mock' ? 'not_implemented' : 'real_unreachable')
    return false
  }
  const outcome = await forward(exchange, { url: real.url, timeoutMs: realTimeoutMs })
  if (outcome.sent) return true
  if (outcome.reason === 'real_unreachable') real.noticeFailure()
  giveReason(options, exchange, outcome.reason)
  return false
}
