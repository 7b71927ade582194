import { toSeconds } from './charge.ts'

/** The version that the shapes here follow. */
export const STRIPE_API_VERSION = '2026-10-28.endive'

export const STRIPE_HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'User-Agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
}

export interface StripeEvent {
  id: string
  type: string
  /** Milliseconds since 1970. */
  at: number
  object: object
  previous?: object
  livemode?: boolean
  /** The API call that set the change off; null where Stripe did. */
  requestId: string | null
}

/** The envelope of every event. Source: https://docs.stripe.com/api/events/object */
export function stripeEvent(event: StripeEvent) {
  return {
    id: event.id,
    object: 'event',
    api_version: STRIPE_API_VERSION,
    created: toSeconds(event.at),
    data: {
      object: event.object,
      ...(event.previous === undefined ? {} : { previous_attributes: event.previous }),
    },
    livemode: event.livemode ?? true,
    pending_webhooks: 1,
    request: { id: event.requestId, idempotency_key: null },
    type: event.type,
  }
}
