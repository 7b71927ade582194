import { isObject, type JsonObject } from '../../lossless-json.ts'
import { basicAuth, PollError, type VendorLister } from '../lister.ts'

const PAGE = 50

/**
 * Orders that were modified, the oldest change first. An order that changes while they are read leaves its place, and those
 * behind it move up; so the next page is not a number but begins at the last change that was read, without the orders of
 * that second that are known. WooCommerce sends nothing twice, so this list is the only way to what was lost.
 * Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-orders
 */
export const woocommerce: VendorLister = {
  vendor: 'woocommerce',
  credential: ['consumer_key', 'consumer_secret'],
  hasIds: false,
  async *list(client, { origin, credential }, { since, until }) {
    const authorization = basicAuth(credential.consumer_key, credential.consumer_secret)
    const topic = 'order.updated'
    const sent = { 'x-wc-webhook-topic': topic, 'x-wc-webhook-source': `${origin}/` }
    let after = since.toISOString()
    let known = new Map<string, string>()
    for (;;) {
      const query = new URLSearchParams({
        per_page: String(PAGE),
        orderby: 'modified',
        order: 'asc',
        dates_are_gmt: 'true',
        modified_after: after,
        modified_before: until.toISOString(),
      })
      if (known.size > 0) query.set('exclude', [...known.keys()].join(','))
      const { body, headers } = await client.get(`/wp-json/wc/v3/orders?${query}`, { authorization })
      if (!Array.isArray(body) || !body.every(isObject))
        throw new PollError('bad_answer', 'the answer is no list of orders')
      const fresh = body.filter(({ id }) => !known.has(String(id)))
      for (const order of fresh) yield { topic, headers: sent, body: order }
      const pages = Number(headers['x-wp-totalpages'] ?? (body.length < PAGE ? 1 : 2))
      if (!Number.isSafeInteger(pages)) throw new PollError('bad_answer', 'the number of pages is none')
      if (pages <= 1) return
      const last = fresh.at(-1)
      if (last === undefined) throw new PollError('bad_answer', 'the list does not go on')
      for (const order of fresh) known.set(String(order.id), modifiedAt(order))
      // `after` is exclusive, and whatever else was modified in the last second has not been read.
      after = new Date(Date.parse(modifiedAt(last)) - 1_000).toISOString()
      known = new Map([...known].filter(([, modified]) => modified >= after))
    }
  },
}

/** To the second; RFC 3339, in UTC. */
function modifiedAt({ date_modified_gmt: modified }: JsonObject): string {
  const at = typeof modified === 'string' ? Date.parse(`${modified}Z`) : Number.NaN
  if (Number.isNaN(at)) throw new PollError('bad_answer', 'an order does not say when it was modified')
  return new Date(at).toISOString()
}
