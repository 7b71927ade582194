import { isObject } from '../../lossless-json.ts'
import { basicAuth, listIn, PollError, pathOn, type VendorLister } from '../lister.ts'

const PAGE = 50
/** Its links name whichever of these; which one is asked stays our choice. */
const HOSTS = ['api-m.paypal.com', 'api.paypal.com', 'api-m.sandbox.paypal.com', 'api.sandbox.paypal.com']

/**
 * Notifications of the account, delivered or not. Signs in by client credentials; the token is used for this list only.
 * Source: https://developer.paypal.com/docs/api/webhooks/v1/#webhooks-events_list
 */
export const paypal: VendorLister = {
  vendor: 'paypal',
  credential: ['client_id', 'client_secret'],
  hasIds: true,
  async *list(client, { origin, credential }, { since, until }) {
    const signIn = { authorization: basicAuth(credential.client_id, credential.client_secret) }
    const form = { ...signIn, 'content-type': 'application/x-www-form-urlencoded' }
    const { body: granted } = await client.post('/v1/oauth2/token', form, 'grant_type=client_credentials')
    const token = isObject(granted) ? granted.access_token : undefined
    if (typeof token !== 'string') throw new PollError('bad_answer', 'the answer has no token')
    const query = new URLSearchParams({
      page_size: String(PAGE),
      start_time: since.toISOString(),
      end_time: until.toISOString(),
    })
    for (let path: string | null = `/v1/notifications/webhooks-events?${query}`; path !== null; ) {
      const { body } = await client.get(path, { authorization: `Bearer ${token}` })
      for (const event of listIn(body, 'events')) yield { topic: String(event.event_type), headers: {}, body: event }
      const links = isObject(body) && Array.isArray(body.links) ? body.links : []
      const next = links.find((link) => isObject(link) && link.rel === 'next')
      path = isObject(next) && typeof next.href === 'string' ? pathOn(origin, next.href, HOSTS) : null
    }
  },
}
