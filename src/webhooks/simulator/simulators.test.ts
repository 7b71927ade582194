import { describe, expect, test } from 'vitest'
import { contractBundle, contractTopics, SIMULATED_VENDORS } from './contract-topics.ts'
import { isCalled, listTopics, makeDelivery, requireTopic, SimulatorError, simulators } from './simulators.ts'

const story = { currency: 'USD', shopDomain: 'north-fjord.myshopify.com' }

describe.each(SIMULATED_VENDORS)('%s', (vendor) => {
  const named = contractTopics(vendor)

  test('can send every topic that the contract names', () => {
    expect(named.length).toBeGreaterThan(7)
    for (const { topic } of named) {
      const sendable = simulators[vendor].topics.some((each) => isCalled(topic, each))
      expect(sendable, topic).toBe(true)
    }
  })

  test('names every schema of the contract that an operation takes', () => {
    const { paths, components } = contractBundle(vendor)
    const taken = Object.values(paths).flatMap(({ post }) =>
      Object.values(post.requestBody.content).flatMap(({ schema }) => {
        const name = schema.$ref?.split('/').at(-1) ?? ''
        return components.schemas[name]?.anyOf?.map(({ $ref = '' }) => $ref.split('/').at(-1) ?? '') ?? [name]
      }),
    )
    const listed = new Set(listTopics(vendor).map(({ schema }) => schema))
    expect([...listed].toSorted()).toEqual([...new Set(taken)].toSorted())
  })

  test('lists each topic once, with what takes it', () => {
    const topics = listTopics(vendor)
    expect(new Set(topics.map(({ topic }) => topic)).size).toBe(topics.length)
    for (const { paths, description } of topics) {
      expect(paths.length).toBeGreaterThan(0)
      for (const path of paths) expect(contractBundle(vendor).paths).toHaveProperty([path])
      expect(description).toMatch(/^[A-Z].*\.$/)
    }
  })

  test('names the topic where the vendor does', () => {
    for (const { topic } of listTopics(vendor).filter((each) => !each.topic.includes('<') && each.topic !== 'ping')) {
      const { headers, body } = makeDelivery(vendor, topic, 1, story)
      const { type, event_type: eventType } = JSON.parse(body.toString())
      const said = {
        stripe: type,
        paypal: eventType,
        shopify: headers['X-Shopify-Topic'],
        woocommerce: headers['X-WC-Webhook-Topic'],
      }
      expect(said[vendor]).toBe(topic)
    }
  })
})

test('the vendors of the contract are these', () => {
  expect([...SIMULATED_VENDORS].toSorted()).toEqual(Object.keys(simulators).toSorted())
})

describe('a topic that there is not', () => {
  test.each([
    ['stripe', 'charge.suceeded', 'charge.succeeded'],
    ['shopify', 'order/paid', 'orders/paid'],
    ['paypal', 'payment.capture.completed', 'PAYMENT.CAPTURE.COMPLETED'],
    ['woocommerce', 'order.update', 'order.updated'],
    ['stripe', 'constructor', 'c'],
  ] as const)('of %s, %s, is refused with the nearest ones', (vendor, topic, near) => {
    expect(() => requireTopic(vendor, topic)).toThrow(SimulatorError)
    expect(() => requireTopic(vendor, topic)).toThrow(near)
    expect(() => makeDelivery(vendor, topic, 1, story)).toThrow(SimulatorError)
  })

  test('an open part has to be filled', () => {
    expect(() => requireTopic('woocommerce', 'action.<hook>')).toThrow(SimulatorError)
    expect(requireTopic('woocommerce', 'action.my_hook').schema).toBe('WoocommerceActionEvent')
    expect(makeDelivery('woocommerce', 'action.my_hook', 1, story).body.toString()).toContain('"action":"my_hook"')
  })
})

describe('amounts', () => {
  const bodyOf = (vendor: 'stripe' | 'shopify' | 'paypal' | 'woocommerce', topic: string, options: object) =>
    JSON.parse(makeDelivery(vendor, topic, 1, { ...story, ...options }).body.toString())

  test.each([
    ['USD', '132.00', 13_200],
    ['JPY', '1500', 1_500],
    ['KWD', '1.230', 1_230],
    ['UGX', '500', 50_000],
    ['ISK', '123', 12_300],
    ['MGA', '500', 500],
    ['HUF', '1000.00', 100_000],
  ])('%s %s is %i to Stripe', (currency, amount, units) => {
    const { data } = bodyOf('stripe', 'charge.succeeded', { currency, amount })
    expect(data.object.amount).toBe(units)
    expect(data.object.currency).toBe(currency.toLowerCase())
  })

  test.each([
    ['shopify', 'orders/paid', 'JPY', '1500', '1500'],
    ['shopify', 'orders/paid', 'KWD', '1.23', '1.230'],
    ['woocommerce', 'order.updated', 'JPY', '1500', '1500'],
    ['woocommerce', 'order.updated', 'USD', '29.35', '29.35'],
  ] as const)('%s writes %s of %s %s as %s', (vendor, topic, currency, amount, text) => {
    const { total_price: price, total = price } = bodyOf(vendor, topic, { currency, amount })
    expect(total).toBe(text)
  })

  test.each([
    ['USD', '10', '10.00'],
    ['HUF', '1000', '1000'],
    ['TWD', '1000.00', '1000'],
    ['JPY', '1000', '1000'],
  ])('PayPal writes %s %s as %s', (currency, amount, value) => {
    const { resource } = bodyOf('paypal', 'CHECKOUT.ORDER.APPROVED', { currency, amount })
    expect(resource.purchase_units[0].amount).toMatchObject({ currency_code: currency, value })
  })

  test.each([
    ['stripe', 'KWD', '1.234'],
    ['stripe', 'MGA', '0.5'],
    ['stripe', 'IQD', '1'],
    ['stripe', 'ZZZ', undefined],
    ['paypal', 'HUF', '10.50'],
    ['shopify', 'USD', '1.234'],
    ['shopify', 'USD', '0'],
    ['shopify', 'USD', '-5'],
    ['shopify', 'USD', 'ten'],
    ['woocommerce', 'USD', '1000000000'],
  ] as const)('%s cannot state %s %s', (vendor, currency, amount) => {
    const topic = listTopics(vendor)[0]?.topic.replace('<hook>', 'x') ?? ''
    const options = { ...story, currency, ...(amount !== undefined && { amount }) }
    expect(() => makeDelivery(vendor, topic, 1, options)).toThrow(SimulatorError)
  })
})
