import type { SimulatedVendor } from './delivery.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** How a vendor bears with a receiver that fails. */
export interface Patience {
  /** Milliseconds before each further attempt; none where the vendor does not try again. */
  delays: readonly number[]
  /** Milliseconds until an attempt has failed for want of an answer. */
  timeoutMs: number
  /** Whether the vendor takes this status for a success. */
  isSuccess: (status: number) => boolean
}

const is2xx = (status: number) => status >= 200 && status < 300

/** What the vendors say about retries. Where they give only number and span, the steps between are ours. */
export const patience: Record<SimulatedVendor, Patience> = {
  // "up to three days with an exponential back off"; no number of attempts, no steps and no time limit is published. The
  // vendor's own command line gives a receiver 30 s. Source: https://docs.stripe.com/webhooks#retries
  stripe: { delays: growing(5 * MINUTE, 3, 12 * HOUR, 72 * HOUR), timeoutMs: 30 * SECOND, isSuccess: is2xx },
  // Eight retries over four hours, five seconds for each.
  // Source: https://shopify.dev/docs/apps/build/webhooks/troubleshooting-webhooks
  shopify: {
    delays: Array.from({ length: 8 }, (_, index) => ((4 * HOUR) / (2 ** 8 - 1)) * 2 ** index),
    timeoutMs: 5 * SECOND,
    isSuccess: is2xx,
  },
  // "up to 25 times over the course of 3 days", no steps and no time limit published.
  // Source: https://developer.paypal.com/api/rest/webhooks/
  paypal: { delays: growing(MINUTE, 2, 239 * MINUTE, 72 * HOUR), timeoutMs: 30 * SECOND, isSuccess: is2xx },
  // Never again; 200 to 302 is a success. Source: WC_Webhook::deliver and ::log_delivery
  woocommerce: { delays: [], timeoutMs: 60 * SECOND, isSuccess: (status) => status >= 200 && status <= 302 },
}

/** `first`, each next one `factor` times as long up to `longest`, as many as fit into `span`. */
function growing(first: number, factor: number, longest: number, span: number): number[] {
  const delays: number[] = []
  for (let delay = first, sum = delay; sum <= span; delay = Math.min(delay * factor, longest), sum += delay) {
    delays.push(delay)
  }
  return delays
}
