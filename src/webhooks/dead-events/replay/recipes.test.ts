import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../lossless-json.ts'
import { type BodyRecipe, mends, nameOf, type PayloadRecipe, recipes } from './recipes.ts'

const find = (id: string) => recipes.find((recipe) => recipe.id === id)
const mendPayload = (id: string, body: JsonObject) => (find(id) as PayloadRecipe).apply({ body, shop: ' a ' })
const mendBody = (id: string, body: Buffer) => (find(id) as BodyRecipe).apply(body)

test('a recipe is named by id and version, and no two share a name', () => {
  const names = recipes.map(nameOf)
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name).toMatch(/^[a-z0-9_]{1,59}@[1-9]\d*$/)
  for (const { meaning, codes } of recipes) {
    expect(meaning.endsWith('.')).toBe(true)
    expect(codes.length).toBeGreaterThan(0)
  }
})

test.each([
  ['its vendor, topic and code', {}, true],
  ['another vendor', { vendor: 'stripe' as const }, false],
  ['another topic', { topic: 'orders/paid' }, false],
  ['no topic', { topic: null }, false],
  ['another code', { code: 'bad_amount' }, false],
])('it mends %s: %s', (_, change, expected) => {
  const recipe = { ...find('trim_blanks'), vendors: ['shopify'], topics: ['refunds/create'], codes: ['bad_time'] }
  const dead = { vendor: 'shopify' as const, topic: 'refunds/create', code: 'bad_time', ...change }
  expect(mends(recipe as PayloadRecipe, dead)).toBe(expected)
})

describe('bodies', () => {
  const json = '{"note":"grå €","total":"12.00"}'

  test.each([
    ['drop_byte_order_mark', Buffer.from(`\ufeff${json}`)],
    ['utf16_to_utf8', Buffer.from(`\ufeff${json}`, 'utf16le')],
    ['utf16_to_utf8', Buffer.from(`\ufeff${json}`, 'utf16le').swap16()],
    ['windows_1252_to_utf8', Buffer.from(json.replace('€', '\x80'), 'latin1')],
  ])('%s gives the text as it was meant', (id, body) => {
    expect(mendBody(id, body).toString()).toBe(json)
  })

  test('what has no mark stays as it is', () => {
    for (const id of ['drop_byte_order_mark', 'utf16_to_utf8']) {
      for (const bytes of [[], [0xef], [0xff], [0x7b, 0x7d], [0xef, 0xbb, 0x7b]]) {
        expect(mendBody(id, Buffer.from(bytes))).toEqual(Buffer.from(bytes))
      }
    }
  })
})

describe('texts of what was kept', () => {
  test.each([
    ['trim_blanks', { total: '  12.00 ' }, { total: '12.00' }],
    ['trim_blanks', { lines: [{ price: ' 1' }, ' x '] }, { lines: [{ price: '1' }, 'x'] }],
    ['trim_blanks', { total: '1 2.00', count: 3, paid: true }, { total: '1 2.00', count: 3, paid: true }],
    ['date_time_to_rfc3339', { at: '2026-11-20 09:01:28 +0200' }, { at: '2026-11-20T09:01:28+02:00' }],
    ['date_time_to_rfc3339', { at: '2026-11-20 09:01:28.5-05:30' }, { at: '2026-11-20T09:01:28.5-05:30' }],
    ['date_time_to_rfc3339', { at: '2026-11-20 09:01:28 UTC' }, { at: '2026-11-20T09:01:28Z' }],
    ['date_time_to_rfc3339', { at: '2026-11-20T09:01:28 Z' }, { at: '2026-11-20T09:01:28Z' }],
    // Which zone is meant, nobody knows.
    ['date_time_to_rfc3339', { at: '2026-11-20 09:01:28' }, { at: '2026-11-20T09:01:28' }],
    ['date_time_to_rfc3339', { at: '20.11.2026 09:01' }, { at: '20.11.2026 09:01' }],
    ['gmt_without_zone', { date_paid_gmt: '2026-11-20T09:01:28Z' }, { date_paid_gmt: '2026-11-20T09:01:28' }],
    ['gmt_without_zone', { date_paid_gmt: '2026-11-20T09:01:28+00:00' }, { date_paid_gmt: '2026-11-20T09:01:28' }],
    [
      'gmt_without_zone',
      { date_paid_gmt: '2026-11-20T09:01:28+01:00' },
      { date_paid_gmt: '2026-11-20T09:01:28+01:00' },
    ],
    ['gmt_without_zone', { date_paid: '2026-11-20T09:01:28Z' }, { date_paid: '2026-11-20T09:01:28Z' }],
    [
      'currency_to_upper_case',
      { currency: 'eur', amount: { currency_code: 'Usd' } },
      { currency: 'EUR', amount: { currency_code: 'USD' } },
    ],
    ['currency_to_upper_case', { currency: 'euro', country: 'de' }, { currency: 'euro', country: 'de' }],
  ])('%s: %j gives %j', (id, body, expected) => {
    expect(mendPayload(id, body)).toEqual({ body: expected, shop: ' a ' })
  })

  test('each is pure, and mends once for good', () => {
    const payload = fc.record({ body: fc.dictionary(fc.string(), fc.jsonValue()) })
    fc.assert(
      fc.property(payload, (given) => {
        for (const recipe of recipes.filter((one) => one.of === 'payload')) {
          const before = JSON.stringify(given)
          const once = recipe.apply(given as JsonObject)
          expect(JSON.stringify(given)).toBe(before)
          expect(recipe.apply(once)).toEqual(once)
        }
      }),
      { numRuns: 100 },
    )
  })
})
