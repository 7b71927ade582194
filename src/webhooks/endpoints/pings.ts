import type { IncomingHttpHeaders } from 'node:http'
import { ProblemError } from '../../problem/problem.ts'
import { createMinuteBudget } from '../minute-budget.ts'

/** Of one endpoint in a minute, in one process. WooCommerce sends one for each webhook that is saved. */
const MAX_PER_MINUTE = 20

const BODY = /^webhook_id=\d{1,20}$/
const FORM = /^application\/x-www-form-urlencoded(?:$|\s*;)/i

/** WooCommerce's only unsigned request, before a webhook is activated. Source: WC_Webhook::deliver_ping */
export function isPing(headers: IncomingHttpHeaders, rawBody: Buffer): boolean {
  if (headers['x-wc-webhook-signature'] !== undefined || !FORM.test(headers['content-type'] ?? '')) return false
  return rawBody.length <= 32 && BODY.test(rawBody.toString('latin1'))
}

const pings = createMinuteBudget({ perMinute: MAX_PER_MINUTE, maxKeys: 1_000 })

/**
 * Throws `rate_limited` beyond 20 pings in a minute: anybody who knows the address can send them, and each takes from
 * the quota of the tenant.
 */
export function requireFewPings(endpointId: string): void {
  const waitMs = pings.take(endpointId)
  if (waitMs === 0) return
  const retryAfterS = Math.ceil(waitMs / 1000)
  throw new ProblemError(
    'rate_limited',
    `An endpoint takes ${MAX_PER_MINUTE} pings a minute. Try again in ${retryAfterS} s.`,
    {
      headers: { 'Retry-After': String(retryAfterS) },
    },
  )
}
