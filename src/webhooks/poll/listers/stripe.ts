import { isObject } from '../../lossless-json.ts'
import { fieldMaps } from '../../normalize/field-map.ts'
import { listIn, PollError, type VendorLister } from '../lister.ts'

const PAGE = 100

/**
 * Events of the last 30 days, which is as long as Stripe keeps them; the newest first, a page starts after the last one.
 * Source: https://docs.stripe.com/api/events/list
 */
export const stripe: VendorLister = {
  vendor: 'stripe',
  credential: ['api_key'],
  hasIds: true,
  async *list(client, { credential }, { since, until }) {
    const query = new URLSearchParams({
      limit: String(PAGE),
      'created[gte]': String(Math.floor(since.getTime() / 1000)),
      'created[lte]': String(Math.floor(until.getTime() / 1000)),
    })
    for (const type of Object.keys(fieldMaps.vendors.stripe?.events ?? {})) query.append('types[]', type)
    for (;;) {
      const { body } = await client.get(`/v1/events?${query}`, { authorization: `Bearer ${credential.api_key}` })
      const events = listIn(body, 'data')
      for (const event of events) yield { topic: String(event.type), headers: {}, body: event }
      const last = events.at(-1)
      if (!isObject(body) || body.has_more !== true || last === undefined) return
      if (typeof last.id !== 'string') throw new PollError('bad_answer', 'an event has no id')
      query.set('starting_after', last.id)
    }
  },
}
