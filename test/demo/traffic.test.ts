import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Day, Delivery, DeliveryResult } from '../../scripts/demo/day.ts'
import { computeExpected, MODELS } from '../../scripts/demo/expected.ts'
import { createRandom } from '../../scripts/demo/random.ts'
import { generateDay } from '../../scripts/demo/traffic.ts'

const DATE = '2026-01-15'
const SEEDS = [0, 1, 2, 3, 9, 99, 2 ** 40]

function fingerprint(day: Day): string {
  const hash = createHash('sha256')
  for (const sending of day.phases.flat())
    hash.update(JSON.stringify({ ...sending, body: sending.body.toString('latin1') }))
  return hash.digest('hex')
}

function deliveriesOf(day: Day): Delivery[] {
  return day.phases.flat().filter((sending): sending is Delivery => sending.kind === 'delivery')
}

function having(day: Day, ...results: DeliveryResult[]): Delivery[] {
  return deliveriesOf(day).filter((delivery) => results.includes(delivery.expect))
}

test('the generator gives the same numbers everywhere', () => {
  const random = createRandom(1, 'label')
  expect([random.uint32(), random.uint32(), random.integer(1, 6)]).toEqual([3220887359, 3632179839, 3])
})

test('the same seed gives the same bytes, another one others', () => {
  expect(fingerprint(generateDay(1, DATE))).toBe(fingerprint(generateDay(1, DATE)))
  expect(fingerprint(generateDay(2, DATE))).not.toBe(fingerprint(generateDay(1, DATE)))
})

test('another day moves the times and nothing else', () => {
  const [one, other] = [generateDay(1, DATE), generateDay(1, '2026-02-20')]
  const shift = Date.parse('2026-02-20') - Date.parse(DATE)
  expect(other.orders.map(({ id, at, capturedMinor }) => [id, at - shift, capturedMinor])).toEqual(
    one.orders.map(({ id, at, capturedMinor }) => [id, at, capturedMinor]),
  )
  expect(other.touches.map(({ eventId, at }) => [eventId, at - shift])).toEqual(
    one.touches.map(({ eventId, at }) => [eventId, at]),
  )
})

test.each(SEEDS)('seed %i is a day as it is asked for', (seed) => {
  const day = generateDay(seed, DATE)
  const start = Date.parse(DATE)
  const paid = day.orders.filter(({ capturedMinor }) => capturedMinor !== null)
  expect(new Set(day.touches.map(({ eventId }) => eventId)).size).toBe(2_400)
  expect(new Set(day.orders.map(({ id }) => id)).size).toBe(day.orders.length)
  expect(paid.length).toBe(330)
  for (const vendor of ['shopify', 'stripe'])
    expect(paid.filter((order) => order.vendor === vendor).length).toBeGreaterThan(110)
  for (const { at, refunds } of day.orders) {
    for (const time of [at, ...refunds.map((refund) => refund.at)]) {
      expect(time).toBeGreaterThanOrEqual(start)
      expect(time).toBeLessThan(start + 86_400_000)
      expect(time % 1000).toBe(0)
    }
  }
  const { deliveries, currencies, touchpoints } = computeExpected(day)
  expect(touchpoints).toEqual({ accepted: 2_400, duplicates: 301, rejected: 4 })
  expect([...currencies.keys()]).toEqual(['EUR', 'JPY', 'USD'])
  expect(currencies.get('USD')?.overRefundedMinor).toBe(500n)
  expect(currencies.get('USD')?.channels.linear.size).toBeGreaterThan(12)
  for (const vendor of ['shopify', 'stripe'] as const) {
    for (const [result, count] of Object.entries(deliveries[vendor]))
      expect(count, `${vendor} ${result}`).toBeGreaterThan(5)
  }
  // Two refunds under one id would be one to any platform that keeps its promises.
  const refundIds = having(day, 'accepted').flatMap(({ topic, body }) =>
    topic === 'refunds/create' ? idsIn(body, 'id').slice(0, 1) : [],
  )
  expect(new Set(refundIds).size).toBe(refundIds.length)
  for (const total of currencies.values()) {
    for (const model of MODELS) {
      const credited = [...total.channels[model].values()].reduce((sum, { revenueMinor }) => sum + revenueMinor, 0n)
      expect(credited).toBe(total.netMinor)
    }
  }
})

const day = generateDay(1, DATE)
const accepted = having(day, 'accepted')

test('among the orders are all cases that attribution has to tell apart', () => {
  const { orders } = computeExpected(day)
  const touches = (id: string) => orders.get(id)?.credits.linear ?? []
  const counts = new Set([...orders.keys()].map((id) => touches(id).filter(({ touchId }) => touchId !== null).length))
  expect([...counts].sort((a, b) => a - b).slice(0, 9)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  const buyers = day.orders.flatMap(({ visitorId, capturedMinor }) =>
    visitorId === null || capturedMinor === null ? [] : [visitorId],
  )
  expect(buyers.length - new Set(buyers).size).toBe(36)
  expect(day.orders.filter(({ visitorId }) => visitorId === null).length).toBe(25)
  expect(day.orders.filter(({ refunds }) => refunds.length >= 2).length).toBeGreaterThan(15)
  expect(day.orders.some(({ capturedMinor }) => capturedMinor === 1n)).toBe(true)
})

test('a repeated delivery is the same bytes under the same id, never sent before the first', () => {
  for (const repeat of having(day, 'duplicate')) {
    const phaseOf = (result: DeliveryResult) =>
      day.phases.findIndex((phase) =>
        phase.some(
          (sent) => sent.kind === 'delivery' && sent.externalId === repeat.externalId && sent.expect === result,
        ),
      )
    const first = accepted.find(
      ({ vendor, externalId }) => vendor === repeat.vendor && externalId === repeat.externalId,
    )
    expect(first?.body.equals(repeat.body)).toBe(true)
    expect(phaseOf('accepted')).toBeLessThanOrEqual(phaseOf('duplicate'))
  }
  const ids = accepted.map(({ vendor, externalId }) => `${vendor} ${externalId}`)
  expect(new Set(ids).size).toBe(ids.length)
})

test('some refunds are sent before the payment', () => {
  const topics = (phase: number) =>
    (day.phases[phase] ?? []).flatMap((sent) => (sent.kind === 'delivery' && sent.expect === 'accepted' ? [sent] : []))
  const refunded = new Set(
    topics(0).flatMap(({ topic, body }) => (topic === 'refunds/create' ? idsIn(body, 'order_id') : [])),
  )
  const paidLater = topics(1).flatMap(({ topic, body }) =>
    topic === 'orders/paid' ? idsIn(body, 'id').slice(0, 1) : [],
  )
  expect(paidLater.filter((id) => refunded.has(id)).length).toBeGreaterThan(1)
})

function idsIn(body: Buffer, name: string): string[] {
  return [...body.toString().matchAll(new RegExp(`"${name}":(\\d+)`, 'g'))].map(([, id]) => id as string)
}

test('Shopify ids do not survive a parser that reads numbers into doubles', () => {
  const [sample] = accepted.filter(({ topic }) => topic === 'orders/paid')
  const [id] = idsIn((sample as Delivery).body, 'id')
  expect(BigInt(id as string)).toBeGreaterThan(2n ** 53n)
  expect(String(JSON.parse((sample as Delivery).body.toString()).id)).not.toBe(id)
})

test('bodies have the byte style of their vendor', () => {
  const stripe = accepted.find(({ topic }) => topic === 'charge.succeeded')?.body.toString() ?? ''
  expect(stripe).toMatch(/^\{\n {2}"id": "evt_/)
  expect(stripe).toMatch(/"fraud_details": \{\n {6}\}/)
  const shopify = accepted.find(({ topic }) => topic === 'orders/paid')?.body.toString() ?? ''
  expect(shopify).toContain('gid:\\/\\/shopify\\/Order\\/')
  expect(shopify).not.toContain('\n')
})

test('each delivery that is meant to be dead has something wrong in its bytes', () => {
  const dead = having(day, 'dead')
  const faults = dead.map((delivery) => faultOf(delivery.body.toString(), delivery))
  expect(faults.filter((fault) => fault === null)).toEqual([])
  for (const fault of ['syntax', 'depth', 'nul', 'surrogate', 'amount', 'currency', 'changed']) {
    expect(faults.filter((found) => found === fault).length, fault).toBeGreaterThanOrEqual(2)
  }
})

function faultOf(text: string, { vendor, externalId }: Delivery): string | null {
  if (text.includes('[[[[')) return 'depth'
  if (text.includes('\\u0000')) return 'nul'
  if (/\\ud[89a-f]/.test(text)) return 'surrogate'
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text)
  } catch {
    return 'syntax'
  }
  if (having(day, 'ignored').some((other) => other.externalId === externalId)) return 'changed'
  const subject = vendor === 'shopify' ? body : (body.data as { object: Record<string, unknown> }).object
  if (String(subject.currency).toLowerCase() === 'zzq') return 'currency'
  const amount = vendor === 'shopify' ? subject.total_price : subject.amount_captured
  const isAmount = vendor === 'shopify' ? /^\d+\.\d\d$/.test(String(amount)) : Number.isInteger(amount)
  return isAmount ? null : 'amount'
}
