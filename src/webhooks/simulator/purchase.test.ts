import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inventPurchase, LIFE_MS, type Purchase, type PurchaseOptions } from './purchase.ts'

const usd: PurchaseOptions = { currency: 'USD', stepMinor: 1n }
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n)

const options = fc
  .record({
    stepMinor: fc.constantFrom(1n, 10n, 100n),
    steps: fc.option(fc.bigInt({ min: 1n, max: 999_999n }), { nil: undefined }),
    startedAt: fc.option(fc.integer({ min: 0, max: 4_000_000_000_000 }), { nil: undefined }),
  })
  .map(
    ({ stepMinor, steps, startedAt }): PurchaseOptions => ({
      currency: 'KWD',
      stepMinor,
      ...(steps !== undefined && { amountMinor: steps * stepMinor }),
      ...(startedAt !== undefined && { startedAt }),
    }),
  )

function amountsOf(purchase: Purchase): bigint[] {
  const { lines, discount, refund, dispute, shippingMinor, taxMinor, totalMinor } = purchase
  return [
    ...lines.flatMap((line) => [line.unitMinor, line.grossMinor, line.discountMinor, line.netMinor, line.taxMinor]),
    discount?.amountMinor ?? 0n,
    refund.amountMinor,
    dispute.amountMinor,
    shippingMinor,
    taxMinor,
    totalMinor,
  ]
}

test('all parts add up to the total, whatever it is', () => {
  fc.assert(
    fc.property(fc.nat(), options, (seed, given) => {
      const { lines, shippingMinor, taxMinor, totalMinor, discount } = inventPurchase(seed, given)
      expect(totalMinor).toBe(given.amountMinor ?? totalMinor)
      expect(sum(lines.map(({ netMinor }) => netMinor)) + shippingMinor + taxMinor).toBe(totalMinor)
      expect(sum(lines.map((line) => line.taxMinor))).toBe(taxMinor)
      expect(sum(lines.map((line) => line.discountMinor))).toBe(discount?.amountMinor ?? 0n)
      for (const { unitMinor, quantity, grossMinor, discountMinor, netMinor } of lines) {
        expect(unitMinor * BigInt(quantity)).toBe(grossMinor)
        expect(grossMinor - discountMinor).toBe(netMinor)
        expect(netMinor).toBeGreaterThan(0n)
      }
    }),
  )
})

test('every amount is a multiple of the step, and no more goes back than came in', () => {
  fc.assert(
    fc.property(fc.nat(), options, (seed, given) => {
      const purchase = inventPurchase(seed, given)
      const { refund, dispute, totalMinor } = purchase
      for (const amount of amountsOf(purchase)) expect(amount % given.stepMinor).toBe(0n)
      expect(refund.amountMinor).toBeGreaterThan(0n)
      expect(refund.isFull).toBe(refund.amountMinor === totalMinor)
      expect(dispute.amountMinor).toBe(refund.isFull ? totalMinor : totalMinor - refund.amountMinor)
    }),
  )
})

test('the times follow each other in whole seconds, and all is over within half an hour', () => {
  fc.assert(
    fc.property(fc.nat(), options, (seed, given) => {
      const times = Object.values(inventPurchase(seed, given).times) as number[]
      expect(times).toEqual(times.toSorted((a, b) => a - b))
      expect(new Set(times).size).toBe(times.length)
      for (const time of times) expect(time % 1000).toBe(0)
      expect((times.at(-1) as number) - (times[0] as number)).toBeLessThan(LIFE_MS)
      if (given.startedAt !== undefined) expect(times[0]).toBe(Math.floor(given.startedAt / 1000) * 1000)
    }),
  )
})

describe('what is given changes that and nothing else', () => {
  const plain = inventPurchase(11, usd)

  test('an amount', () => {
    const { totalMinor, lines, person, token, times, number } = inventPurchase(11, { ...usd, amountMinor: 1n })
    expect(totalMinor).toBe(1n)
    expect(lines.length).toBe(1)
    expect({ person, token, times, number }).toEqual({
      person: plain.person,
      token: plain.token,
      times: plain.times,
      number: plain.number,
    })
  })

  test('a time and a visitor', () => {
    const visitorId = '01KDW3M8Q2Z7C4T9X5B6N1R0JA'
    const { times, token, ...others } = inventPurchase(11, { ...usd, startedAt: 5_000, visitorId })
    const { times: _, token: plainToken, ...plainOthers } = plain
    expect(others).toEqual(plainOthers)
    expect(times.checkout).toBe(5_000)
    expect(token).toBe(`av1.${visitorId}.${plainToken.split('.')[2]}`)
  })
})

test('among a few seeds are all kinds of purchases', () => {
  const some = Array.from({ length: 60 }, (_, seed) => inventPurchase(seed, usd))
  const kinds: ((purchase: Purchase) => boolean)[] = [
    ({ refund }) => refund.isFull,
    ({ dispute }) => dispute.isWon,
    ({ discount }) => discount !== null,
    ({ shippingMinor }) => shippingMinor > 0n,
    ({ taxMinor }) => taxMinor > 0n,
    ({ lines }) => lines.length > 1,
    ({ lines }) => lines.some(({ quantity }) => quantity > 1),
  ]
  for (const kind of kinds) {
    expect(some.some(kind), String(kind)).toBe(true)
    expect(some.every(kind), String(kind)).toBe(false)
  }
})

test.each([0n, -1n, 15n])('an amount of %s in steps of 10 is refused', (amountMinor) => {
  expect(() => inventPurchase(1, { currency: 'KWD', stepMinor: 10n, amountMinor })).toThrow(RangeError)
})
