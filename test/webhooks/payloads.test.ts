import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contractBundle, SIMULATED_VENDORS } from '../../src/webhooks/simulator/contract-topics.ts'
import type { SimulatedVendor } from '../../src/webhooks/simulator/delivery.ts'
import { listTopics, makeDelivery } from '../../src/webhooks/simulator/simulators.ts'

const SEEDS = Array.from({ length: 20 }, (_, index) => index)
const SHOP = 'north-fjord.myshopify.com'
const story = { currency: 'USD', shopDomain: SHOP }

const topics = SIMULATED_VENDORS.flatMap((vendor) =>
  listTopics(vendor).map(({ topic, schema }) => ({ vendor, topic: topic.replace('<hook>', 'my_hook'), schema })),
)

const compilers = new Map(
  SIMULATED_VENDORS.map((vendor) => {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    addFormats.default(ajv)
    ajv.addSchema(contractBundle(vendor), 'bundle')
    return [vendor, ajv]
  }),
)

function validatorOf(vendor: SimulatedVendor, schema: string): ValidateFunction {
  const ajv = compilers.get(vendor) as Ajv2020
  return ajv.getSchema(`bundle#/components/schemas/${schema}`) as ValidateFunction
}

/** The body as JSON; a form as the object that its schema describes. */
function parse(body: Buffer, contentType: string | undefined): unknown {
  if (contentType?.startsWith('application/x-www-form-urlencoded')) {
    return Object.fromEntries(new URLSearchParams(body.toString()))
  }
  return JSON.parse(body.toString())
}

describe.each(topics)('$vendor $topic', ({ vendor, topic, schema }) => {
  const validate = validatorOf(vendor, schema)
  const faultsOf = (seed: number, options: object = {}) => {
    const { body, headers } = makeDelivery(vendor, topic, seed, { ...story, ...options })
    validate(parse(body, headers['Content-Type']))
    return validate.errors ?? []
  }

  test('fits its schema with 20 seeds', () => {
    for (const seed of SEEDS) expect(faultsOf(seed), `seed ${seed}`).toEqual([])
  })

  test('any seed, amount, currency and time fits it', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 31 }),
        fc.constantFrom('USD', 'EUR', 'JPY', 'HUF'),
        fc.option(fc.integer({ min: 1, max: 99_000 }), { nil: undefined }),
        fc.option(fc.integer({ min: 0, max: Date.UTC(2098, 0) }), { nil: undefined }),
        (seed, currency, amount, startedAt) => {
          const given = { currency, ...(startedAt !== undefined && { startedAt }) }
          expect(faultsOf(seed, amount === undefined ? given : { ...given, amount: String(amount) })).toEqual([])
        },
      ),
      { numRuns: 40 },
    )
  })

  test('the same seed gives the same bytes, another one others', () => {
    const once = makeDelivery(vendor, topic, 7, story)
    const again = makeDelivery(vendor, topic, 7, story)
    expect(again).toEqual(once)
    if (topic === 'ping' || topic === 'shop/redact') return
    expect(makeDelivery(vendor, topic, 8, story).body.equals(once.body)).toBe(false)
  })
})

test('the contract has a schema for each, so that none of the above was checked against nothing', () => {
  expect(topics.length).toBeGreaterThan(60)
  for (const { vendor, topic, schema } of topics) {
    expect(validatorOf(vendor, schema), `${vendor} ${topic}`).toBeTypeOf('function')
    expect(contractBundle(vendor).components.schemas, topic).toHaveProperty(schema)
  }
})

test('a body of one topic is not taken for one of another', () => {
  const { body } = makeDelivery('stripe', 'charge.succeeded', 1, story)
  expect(validatorOf('stripe', 'StripeChargeRefundedEvent')(JSON.parse(body.toString()))).toBe(false)
  expect(validatorOf('shopify', 'ShopifyRefundsCreateEvent')(JSON.parse(body.toString()))).toBe(false)
})
