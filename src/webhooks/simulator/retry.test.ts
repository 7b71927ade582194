import { describe, expect, test } from 'vitest'
import { patience } from './retry.ts'

const HOUR = 3_600_000
const sum = (delays: readonly number[]) => delays.reduce((total, delay) => total + delay, 0)

describe('retries', () => {
  test('of Shopify: eight within four hours, each twice as late', () => {
    const { delays } = patience.shopify
    expect(delays.length).toBe(8)
    expect(sum(delays)).toBeCloseTo(4 * HOUR)
    for (const [index, delay] of delays.slice(1).entries()) expect(delay / (delays[index] as number)).toBeCloseTo(2)
  })

  test('of Stripe: ever later, up to three days', () => {
    const { delays } = patience.stripe
    expect(delays).toEqual(delays.toSorted((a, b) => a - b))
    expect(sum(delays)).toBeGreaterThan(60 * HOUR)
    expect(sum(delays)).toBeLessThanOrEqual(72 * HOUR)
  })

  test('of PayPal: 25 within three days', () => {
    const { delays } = patience.paypal
    expect(delays.length).toBe(25)
    expect(sum(delays)).toBeGreaterThan(70 * HOUR)
    expect(sum(delays)).toBeLessThanOrEqual(72 * HOUR)
  })

  test('of WooCommerce: none', () => {
    expect(patience.woocommerce.delays).toEqual([])
  })
})

test.each([
  ['stripe', [200, 204, 299], [199, 301, 400, 500]],
  ['shopify', [200, 204], [302, 401]],
  ['paypal', [200], [302]],
  ['woocommerce', [200, 301, 302], [303, 401, 500]],
] as const)('what %s takes for a success', (vendor, good, bad) => {
  for (const status of good) expect(patience[vendor].isSuccess(status)).toBe(true)
  for (const status of bad) expect(patience[vendor].isSuccess(status)).toBe(false)
})
