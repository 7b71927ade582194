import { createHmac } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Signing } from '../../src/webhooks/simulator/attempt.ts'
import { type PlanOptions, plan } from '../../src/webhooks/simulator/plan.ts'
import { type SendOptions, send } from '../../src/webhooks/simulator/send.ts'
import { makeDelivery } from '../../src/webhooks/simulator/simulators.ts'
import { type Received, startReceiver } from './receiver.ts'

const signing: Signing = { scheme: 'vendor', secret: 'secret', certificate: null, tamper: null, ageS: 0 }
const story = { currency: 'USD', shopDomain: 'north-fjord.myshopify.com' }

function deliver(
  url: URL,
  options: Partial<SendOptions & PlanOptions> & { vendor?: 'stripe' | 'shopify' | 'woocommerce'; topic?: string } = {},
) {
  const { vendor = 'stripe', topic = 'charge.succeeded', ...others } = options
  const make = (seed: number) => makeDelivery(vendor, topic, seed, story)
  return send(plan(make, { seed: 1, count: 1, duplicate: 0, window: 1, ...others }), {
    url,
    signing,
    concurrency: 1,
    ratePerS: null,
    retrySpeed: null,
    ...others,
  })
}

const accept = () => ({ status: 200, body: { result: 'accepted' } })
const idOf = ({ body }: Received): string => JSON.parse(body.toString()).id

describe('requests', () => {
  test('keep their connection, path and query', async () => {
    const receiver = await startReceiver(accept)
    const tally = await deliver(receiver.url, { count: 30 })
    expect(tally).toMatchObject({ deliveries: 30, attempts: 30, statuses: { 200: 30 }, results: { accepted: 30 } })
    expect(receiver.connections).toBe(1)
    expect(receiver.received[0]?.request.url).toBe('/hooks?shop=1')
    expect(new Set(receiver.received.map(idOf)).size).toBe(30)
  })

  test('are as many at once as was asked for, and no more', async () => {
    let open = 0
    let most = 0
    const receiver = await startReceiver(async () => {
      open += 1
      most = Math.max(most, open)
      await new Promise((resolve) => setTimeout(resolve, 30))
      open -= 1
      return accept()
    })
    await deliver(receiver.url, { count: 20, concurrency: 5 })
    expect(most).toBe(5)
    expect(receiver.connections).toBe(5)
  })

  test('carry the bytes that were signed, and a header that was asked for', async () => {
    const receiver = await startReceiver(accept)
    await deliver(receiver.url, {
      vendor: 'woocommerce',
      topic: 'order.updated',
      headers: { 'X-Skeldir-Tenant-Key': 'skd_key' },
      signing: { ...signing, secret: 'a&amp;b' },
    })
    const [{ headers, body }] = receiver.received as [Received]
    expect(headers['X-WC-Webhook-Signature']).toBe(createHmac('sha256', 'a&b').update(body).digest('base64'))
    expect(headers['X-Skeldir-Tenant-Key']).toBe('skd_key')
    expect(Number(headers['Content-Length'])).toBe(body.length)
    expect(body.toString()).toMatch(/^\{"id":\d+,.*\}$/)
  })

  test('the ping is an unsigned form', async () => {
    const receiver = await startReceiver(accept)
    await deliver(receiver.url, { vendor: 'woocommerce', topic: 'ping' })
    const [{ headers, body }] = receiver.received as [Received]
    expect(body.toString()).toBe('webhook_id=7')
    expect(headers['Content-Type']).toBe('application/x-www-form-urlencoded')
    expect(Object.keys(headers).filter((name) => /^x-wc/i.test(name))).toEqual([])
  })

  test('a connection that the receiver closes between two of them costs none', async () => {
    const receiver = await startReceiver(({ response }) => {
      response.on('finish', () => response.socket?.destroy())
      return accept()
    })
    expect(await deliver(receiver.url, { count: 10 })).toMatchObject({ deliveries: 10, unexpected: 0 })
  })
})

describe('the rate', () => {
  test('counts from the start, so that slow answers do not stretch it', async () => {
    const receiver = await startReceiver(async () => {
      await new Promise((resolve) => setTimeout(resolve, 200))
      return accept()
    })
    const began = performance.now()
    const tally = await deliver(receiver.url, { count: 40, ratePerS: 40, concurrency: 16 })
    // 40 due times, the last after 975 ms. One after the other they would take 8 s.
    expect(tally.tookMs).toBeGreaterThanOrEqual(975)
    expect(tally.tookMs).toBeLessThan(6_000)
    for (const [index, { at }] of receiver.received.entries()) {
      expect(at - began, `request ${index}`).toBeGreaterThan(index * 25 - 2)
    }
  })
})

describe('repeats and order', () => {
  test('a repeat has the same id and bytes, and a signature of its own time', async () => {
    const receiver = await startReceiver(accept)
    const tally = await deliver(receiver.url, { count: 2, duplicate: 1, ratePerS: 0.9 })
    expect(tally).toMatchObject({ deliveries: 4, repeats: 2 })
    const [first, second] = receiver.received as [Received, Received]
    expect(second.body.equals(first.body)).toBe(true)
    const timeOf = ({ headers }: Received) => Number(/t=(\d+)/.exec(headers['Stripe-Signature'] ?? '')?.[1])
    expect(timeOf(second)).toBeGreaterThan(timeOf(first))
  })

  test('a shuffle is the same for the same seed', async () => {
    const receiver = await startReceiver(accept)
    await deliver(receiver.url, { count: 30, window: 10 })
    await deliver(receiver.url, { count: 30, window: 10 })
    await deliver(receiver.url, { count: 30 })
    const ids = receiver.received.map(idOf)
    const [once, again, plain] = [ids.slice(0, 30), ids.slice(30, 60), ids.slice(60)]
    expect(again).toEqual(once)
    expect(once).not.toEqual(plain)
    expect(once.toSorted()).toEqual(plain.toSorted())
  })
})

describe('retries', () => {
  test('go on until it is received, with the same id', async () => {
    const receiver = await startReceiver(({ request: _ }) => ({ status: receiver.received.length < 4 ? 503 : 200 }))
    const tally = await deliver(receiver.url, { vendor: 'shopify', topic: 'orders/paid', retrySpeed: 1e6 })
    expect(tally).toMatchObject({ deliveries: 1, attempts: 4, statuses: { 503: 3, 200: 1 }, unexpected: 0 })
    expect(new Set(receiver.received.map(({ headers }) => headers['X-Shopify-Webhook-Id'])).size).toBe(1)
  })

  test('end where the vendor gives up', async () => {
    const receiver = await startReceiver(() => ({ status: 500, body: { detail: 'Out of order.' } }))
    const tally = await deliver(receiver.url, { vendor: 'shopify', topic: 'orders/paid', retrySpeed: 1e7 })
    expect(tally).toMatchObject({ deliveries: 1, attempts: 9, statuses: { 500: 9 }, unexpected: 1 })
    expect(tally.examples).toEqual(['orders/paid, seed 1: 2xx expected, 500: Out of order.'])
  })

  test('follow the schedule of the vendor, faster', async () => {
    const receiver = await startReceiver(() => ({ status: receiver.received.length < 6 ? 500 : 200 }))
    // 56, 113, 226, 452 and 904 s of Shopify's, 2000 times as fast.
    await deliver(receiver.url, { vendor: 'shopify', topic: 'orders/paid', retrySpeed: 2_000 })
    const times = receiver.received.map(({ at }) => at)
    const pauses = times.slice(1).map((at, index) => at - (times[index] as number))
    const due = [28, 56, 113, 226, 452]
    for (const [index, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual((due[index] as number) - 5)
    expect(pauses.at(-1)).toBeLessThan(5_000)
  })

  test('do not hold up the others', async () => {
    const receiver = await startReceiver(() => ({ status: receiver.received.length === 1 ? 500 : 200 }))
    // The first one waits 0.6 s for its next attempt: Stripe's five minutes.
    const tally = await deliver(receiver.url, { count: 10, retrySpeed: 500 })
    expect(tally).toMatchObject({ deliveries: 10, attempts: 11, unexpected: 0 })
    const ids = receiver.received.map(idOf)
    expect(ids.at(-1)).toBe(ids[0])
  })

  test('of WooCommerce there are none', async () => {
    const receiver = await startReceiver(() => ({ status: 500 }))
    const tally = await deliver(receiver.url, { vendor: 'woocommerce', topic: 'order.created', retrySpeed: 1e6 })
    expect(tally).toMatchObject({ attempts: 1, unexpected: 1 })
  })

  test('what is forged is not sent again once it was refused', async () => {
    const receiver = await startReceiver(() => ({ status: 401 }))
    const tally = await deliver(receiver.url, { signing: { ...signing, tamper: 'body' }, retrySpeed: 1e6 })
    expect(tally).toMatchObject({ attempts: 1, statuses: { 401: 1 }, unexpected: 0 })
  })
})

describe('what is not as it should be', () => {
  test('a forged delivery that is accepted', async () => {
    const receiver = await startReceiver(accept)
    const tally = await deliver(receiver.url, { signing: { ...signing, tamper: 'signature' } })
    expect(tally.examples).toEqual(['charge.succeeded, seed 1: 401 expected, 200'])
  })

  test('no answer in time', async () => {
    const receiver = await startReceiver(() => null)
    const tally = await deliver(receiver.url, { count: 2, timeoutMs: 50 })
    expect(tally).toMatchObject({ statuses: { 'timed out': 2 }, unexpected: 2 })
    expect(tally.examples[0]).toContain('no answer (timed out)')
  })

  test('nobody there', async () => {
    const tally = await deliver(new URL('http://127.0.0.1:1/'))
    expect(tally).toMatchObject({ statuses: { ECONNREFUSED: 1 }, unexpected: 1 })
  })

  test('a redirect, which no vendor follows', async () => {
    const receiver = await startReceiver(() => ({ status: 307, headers: { location: '/elsewhere' } }))
    expect(await deliver(receiver.url)).toMatchObject({ statuses: { 307: 1 }, unexpected: 1 })
    expect(receiver.received.length).toBe(1)
  })

  test('an answer without end is given up', async () => {
    const receiver = await startReceiver(({ response }) => {
      response.writeHead(200).write('x'.repeat(200_000))
      return null
    })
    expect(await deliver(receiver.url, { timeoutMs: 200 })).toMatchObject({ statuses: { 'timed out': 1 } })
  })
})

test('ends when it is told to, with what was done so far', async () => {
  const interrupt = new AbortController()
  const receiver = await startReceiver(() => (receiver.received.length > 5 ? null : accept()))
  const tally = await deliver(receiver.url, {
    count: 1_000_000,
    concurrency: 3,
    signal: interrupt.signal,
    onDelivery: ({ deliveries }) => {
      if (deliveries === 5) interrupt.abort()
    },
  })
  expect(tally).toMatchObject({ interrupted: true, deliveries: 5, attempts: 5, unexpected: 0 })
})
