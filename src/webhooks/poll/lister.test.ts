import { expect, test } from 'vitest'
import type { VendorClient } from './lister.ts'
import { pathOn } from './lister.ts'
import { paypal } from './listers/paypal.ts'

const ORIGIN = 'https://shop.example'

test.each([
  ['the same server', 'https://shop.example/orders?page=2', '/orders?page=2'],
  ['a path', '/orders?page=2', '/orders?page=2'],
  ['a name that the vendor goes by', 'https://api.shop.example/orders?page=2', '/orders?page=2'],
  ['another server', 'https://evil.example/orders', null],
  ['another port', 'https://shop.example:8443/orders', null],
  ['a server that is named like it', 'https://shop.example.evil.example/orders', null],
])('the next page is on %s', (_, link, path) => {
  const take = () => pathOn(ORIGIN, link, ['api.shop.example'])
  if (path === null) expect(take).toThrow('another server')
  else expect(take()).toBe(path)
})

test.each(['api-m.paypal.com', 'api.paypal.com'])('PayPal links its next page at %s', async (host) => {
  const asked: string[] = []
  const pages = [
    {
      events: [{ event_type: 'A' }],
      links: [{ rel: 'next', href: `https://${host}/v1/notifications/webhooks-events?page=2` }],
    },
    { events: [{ event_type: 'B' }], links: [] },
  ]
  const client: VendorClient = {
    post: async () => ({ body: { access_token: 'token' } }),
    async get(path) {
      asked.push(path)
      return { body: pages[asked.length - 1] ?? null, headers: {} }
    },
  }
  const access = { origin: 'https://api-m.paypal.com', credential: { client_id: 'a', client_secret: 'b' } }
  const topics: string[] = []
  for await (const { topic } of paypal.list(client, access, { since: new Date(0), until: new Date(1) }))
    topics.push(topic)
  expect(topics).toEqual(['A', 'B'])
  expect(asked[1]).toBe('/v1/notifications/webhooks-events?page=2')
})
