import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { Vendor } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { givenEndpoint, type TestEndpoint } from '../support/given.ts'
import { liftLimits } from '../support/limits.ts'
import { usePlatform } from '../support/platform.ts'
import { isWhole } from '../support/share.ts'
import { SIGNATURE_HEADERS, type SignedDelivery, signed, simulate } from '../support/signed-deliveries.ts'
import { rowOf, sendTo } from './support/request.ts'

const RUNS = isWhole() ? 2_400 : 600
const CONCURRENCY = 8
/** Another one each time; a failure names it. */
const SEED = randomInt(2 ** 31)

const platform = usePlatform()
const endpoints = new Map<Vendor, TestEndpoint>()

beforeAll(async () => {
  const tenant = await platform.createTenant()
  await liftLimits(platform, tenant)
  for (const vendor of VENDORS) endpoints.set(vendor, await givenEndpoint(platform, vendor, { tenant }))
})

const OPERATIONS: Record<Vendor, OperationId> = {
  stripe: 'receiveStripeWebhook',
  shopify: 'receiveShopifyWebhook',
  paypal: 'receivePaypalWebhook',
  woocommerce: 'receiveWoocommerceWebhook',
}
const VENDORS = Object.keys(OPERATIONS) as Vendor[]

/** Of the topics that carry revenue, so that every body is read. */
const TOPICS: Record<Vendor, string[]> = {
  stripe: ['charge.succeeded', 'payment_intent.succeeded', 'charge.refunded'],
  shopify: ['orders/create', 'orders/paid', 'refunds/create'],
  paypal: ['PAYMENT.CAPTURE.COMPLETED', 'PAYMENT.SALE.COMPLETED', 'PAYMENT.CAPTURE.REFUNDED'],
  woocommerce: ['order.created', 'order.updated'],
}

interface Attack {
  name: string
  vendor: Vendor
  topic: string
  seed: number
  /** Where in the text, from 0 up to 1. */
  at: number
  byte: number
}

/** What becomes of a delivery, and what it is to be answered. */
type Outcome = 401 | 413 | 415 | 'dead'
interface Mutation {
  expected: Outcome
  /** Before it is signed. */
  body?: (body: Buffer, attack: Attack) => Buffer
  /** After it was signed. */
  sent?: (delivery: SentDelivery, attack: Attack) => SentDelivery
  weight?: number
}
interface SentDelivery {
  headers: Record<string, string | string[]>
  body: Buffer
}

/** Stripe's v0, at the end, counts for nothing, whatever stands in it. */
const countedPart = (value: string, { vendor }: Attack) =>
  vendor === 'stripe' ? value.slice(0, value.indexOf(',v0=')) : value

const indexIn = (length: number, { at }: Attack) => Math.min(length - 1, Math.floor(at * length))

function splice(body: Buffer, start: number, removed: number, inserted: Buffer | string): Buffer {
  return Buffer.concat([body.subarray(0, start), Buffer.from(inserted as string), body.subarray(start + removed)])
}

function flipByte(body: Buffer, attack: Attack): Buffer {
  const index = indexIn(body.length, attack)
  return splice(body, index, 1, Buffer.from([(body[index] as number) ^ ((attack.byte % 255) + 1)]))
}

/** As a new first member of the body, which is an object. */
const member = (text: string) => (body: Buffer) => splice(body, 1, 0, `${text},`)

/** In place of whatever a delivery cannot do without. */
function inPlaceOfValues(text: string): (body: Buffer) => Buffer {
  const values =
    /"(?:id|amount|value|total|total_price|order_id|created|amount_captured|amount_received)":\s*(?:"[^"]*"|[\d.]+)/g
  return (body) =>
    Buffer.from(body.toString().replaceAll(values, (found) => `${found.slice(0, found.indexOf(':'))}:${text}`))
}

/** Another printable character in the header that proves the delivery, in the part that counts. */
function flipSignature({ headers, body }: SentDelivery, attack: Attack): SentDelivery {
  const names = attack.vendor === 'paypal' ? ['sig', 'id', 'time'].map((part) => `paypal-transmission-${part}`) : []
  const name = names[attack.byte % 3] ?? SIGNATURE_HEADERS[attack.vendor]
  const value = String(headers[name])
  const index = indexIn(countedPart(value, attack).length, attack)
  const other = String.fromCharCode(0x21 + ((value.charCodeAt(index) - 0x21 + 1 + (attack.byte % 93)) % 94))
  return { headers: { ...headers, [name]: value.slice(0, index) + other + value.slice(index + 1) }, body }
}

const signatureBecomes =
  (change: (value: string, attack: Attack) => string | string[] | undefined) =>
  ({ headers, body }: SentDelivery, attack: Attack): SentDelivery => {
    const { [SIGNATURE_HEADERS[attack.vendor]]: value, ...others } = headers
    const changed = change(String(value), attack)
    return {
      headers: changed === undefined ? others : { ...others, [SIGNATURE_HEADERS[attack.vendor]]: changed },
      body,
    }
  }
const bodyBecomes =
  (change: (body: Buffer, attack: Attack) => Buffer) =>
  ({ headers, body }: SentDelivery, attack: Attack): SentDelivery => ({ headers, body: change(body, attack) })

const MUTATIONS: Record<string, Mutation> = {
  'a byte of the body flipped': { expected: 401, sent: bodyBecomes(flipByte), weight: 10 },
  'the body truncated': {
    expected: 401,
    sent: bodyBecomes((body, attack) => body.subarray(0, indexIn(body.length, attack))),
    weight: 4,
  },
  'a byte more in the body': {
    expected: 401,
    sent: bodyBecomes((body, attack) => splice(body, indexIn(body.length, attack), 0, Buffer.from([attack.byte]))),
    weight: 4,
  },
  'a character of the signature': { expected: 401, sent: flipSignature, weight: 10 },
  'the signature truncated': {
    expected: 401,
    sent: signatureBecomes((value, attack) => value.slice(0, indexIn(countedPart(value, attack).length, attack))),
    weight: 3,
  },
  'no signature': { expected: 401, sent: signatureBecomes(() => undefined) },
  'an empty signature': { expected: 401, sent: signatureBecomes(() => '') },
  'two signatures': { expected: 401, sent: signatureBecomes((value) => [value, value]) },
  'a good signature before a bad one': { expected: 401, sent: signatureBecomes((value) => [value, 'AAAA']) },
  'a signature in Latin-1': {
    expected: 401,
    sent: signatureBecomes((value, attack) => `${countedPart(value, attack).slice(0, -1)}\u00e9`),
  },
  'the signature of an empty body': {
    expected: 401,
    sent: ({ body }, attack) => ({ ...sign(attack, Buffer.alloc(0)), body }),
  },
  'signed by another vendor': {
    expected: 401,
    sent: ({ body }, attack) => {
      const vendor = VENDORS[(VENDORS.indexOf(attack.vendor) + 1) % VENDORS.length] as Vendor
      return { ...sign({ ...attack, vendor, topic: TOPICS[vendor][0] as string }, body), body }
    },
  },

  'compressed, it says': {
    expected: 415,
    sent: ({ headers, body }) => ({ headers: { ...headers, 'content-encoding': 'gzip' }, body }),
  },
  'more than 1 MiB': { expected: 413, body: (body) => Buffer.concat([body, Buffer.alloc(1_048_577, ' ')]) },

  'signed: truncated': {
    expected: 'dead',
    body: (body, attack) => body.subarray(0, indexIn(body.length, attack)),
    weight: 6,
  },
  'signed: nothing': { expected: 'dead', body: () => Buffer.alloc(0) },
  'signed: more behind it': { expected: 'dead', body: (body) => Buffer.concat([body, Buffer.from('}')]) },
  'signed: a byte order mark': {
    expected: 'dead',
    body: (body) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body]),
  },
  'signed: UTF-16': { expected: 'dead', body: (body) => Buffer.from(body.toString(), 'utf16le') },
  'signed: invalid UTF-8': {
    expected: 'dead',
    body: (body, { byte }) => splice(body, 1, 0, Buffer.from([0x22, 0x80 | byte, 0x22, 0x3a, 0x31, 0x2c])),
    weight: 3,
  },
  'signed: a NUL escape': { expected: 'dead', body: member('"a":"\\u0000"'), weight: 3 },
  'signed: a NUL in a name': { expected: 'dead', body: member('"\\u0000":1') },
  'signed: a control character': {
    expected: 'dead',
    body: (body, { byte }) => member(`"a":"${String.fromCharCode(byte % 32)}"`)(body),
    weight: 3,
  },
  'signed: a lone surrogate': {
    expected: 'dead',
    body: (body, { byte }) => member(`"a":"\\u${(0xd800 + byte).toString(16)}"`)(body),
    weight: 3,
  },
  'signed: 5,000 levels of arrays': {
    expected: 'dead',
    body: member(`"a":${'['.repeat(5_000)}${']'.repeat(5_000)}`),
  },
  'signed: 5,000 levels of objects': {
    expected: 'dead',
    body: member(`"a":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`),
  },
  'signed: 101,000 members': {
    expected: 'dead',
    body: member(Array.from({ length: 101_000 }, (_, index) => `"${index.toString(36)}":0`).join(',')),
  },
  'signed: 1e200000': { expected: 'dead', body: inPlaceOfValues('1e200000'), weight: 3 },
  'signed: -1e200000': { expected: 'dead', body: inPlaceOfValues('-1e-200000') },
  'signed: a number of 10,000 digits': { expected: 'dead', body: inPlaceOfValues('9'.repeat(10_000)) },
  'signed: null in its values': { expected: 'dead', body: inPlaceOfValues('null') },
  'signed: objects in its values': { expected: 'dead', body: inPlaceOfValues('{"__proto__":{"polluted":1}}') },
  'signed: other JSON': {
    expected: 'dead',
    body: (_, { byte }) => Buffer.from(['{}', '[]', '"text"', '1', 'null', 'true'][byte % 6] as string),
    weight: 3,
  },
}

function sign({ vendor, topic, seed }: Attack, body?: Buffer): SignedDelivery {
  const delivery = simulate(vendor, topic, seed)
  const { secret } = endpoints.get(vendor) as TestEndpoint
  return signed(body === undefined ? delivery : { ...delivery, body }, secret)
}

function makeRequest(attack: Attack): SentDelivery {
  const mutation = MUTATIONS[attack.name] as Mutation
  const { body } = simulate(attack.vendor, attack.topic, attack.seed)
  const delivery = sign(attack, mutation.body?.(body, attack) ?? body)
  return mutation.sent?.(delivery, attack) ?? delivery
}

const attacks = fc
  .record({
    name: fc.oneof(
      ...Object.entries(MUTATIONS).map(([name, { weight = 1 }]) => ({ weight, arbitrary: fc.constant(name) })),
    ),
    vendor: fc.constantFrom(...VENDORS),
    pick: fc.nat(),
    seed: fc.noBias(fc.nat(2 ** 31)),
    at: fc.noBias(fc.nat(9_999)).map((tenThousandths) => tenThousandths / 10_000),
    byte: fc.noBias(fc.nat(255)),
  })
  .map(({ pick, vendor, ...rest }) => ({
    ...rest,
    vendor,
    topic: TOPICS[vendor][pick % TOPICS[vendor].length] as string,
  }))

test(`${RUNS} mutated deliveries: each is refused, or dead in the database; seed ${SEED}`, {
  timeout: 120_000,
}, async () => {
  const queue = fc.sample(attacks, { numRuns: RUNS, seed: SEED })
  const before = await platform.query('select from webhook_events')
  const surprises: unknown[] = []
  const receipts = new Map<string, string>()
  const counts: Record<string, number> = {}
  async function work(): Promise<void> {
    for (let attack = queue.pop(); attack !== undefined; attack = queue.pop()) {
      const { expected } = MUTATIONS[attack.name] as Mutation
      const { headers, body } = makeRequest(attack)
      const { path } = rowOf(OPERATIONS[attack.vendor])
      const target = path.replace('{endpoint_key}', (endpoints.get(attack.vendor) as TestEndpoint).endpointKey)
      const reply = await sendTo(platform.url, { method: 'POST', target, headers, body })
      const { result, receipt_id, code } = JSON.parse(reply.text)
      const found = reply.status === 200 ? result : reply.status
      counts[found] = (counts[found] ?? 0) + 1
      if (found !== expected) surprises.push({ ...attack, expected, status: reply.status, result, code })
      if (result === 'dead') receipts.set(receipt_id, attack.name)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
  expect(surprises.slice(0, 5), `seed ${SEED}`).toEqual([])

  const ids = [...receipts.keys()]
  const stored = await platform.query<{ id: string }>(
    'select dead_event_id as id from dead_events where dead_event_id = any($1)',
    [ids],
  )
  expect(stored.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
  expect(await platform.query('select from webhook_events')).toHaveLength(before.length)
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(RUNS)
  console.log(`mutated deliveries, seed ${SEED}: ${JSON.stringify(counts)}`)
})

test('what is not mutated is taken, so that a refusal means something', async () => {
  for (const vendor of VENDORS) {
    const delivery = sign({ name: '', vendor, topic: TOPICS[vendor][0] as string, seed: 1, at: 0, byte: 0 })
    const { path } = rowOf(OPERATIONS[vendor])
    const target = path.replace('{endpoint_key}', (endpoints.get(vendor) as TestEndpoint).endpointKey)
    const reply = await sendTo(platform.url, { method: 'POST', target, ...delivery })
    expect(JSON.parse(reply.text), vendor).toMatchObject({ result: 'accepted' })
  }
})
