import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ExchangeRate, exchange, findRate, type RateTable, type StoredRate, toRateTable } from './exchange.ts'

const rate = (asOf: string, base: string, quote: string, of: string, source = 'ecb'): StoredRate => ({
  asOf,
  base,
  quote,
  rate: of,
  source,
})
/** Of the sixth, where there is one. */
function rateOfSixth(table: RateTable, from: string, to: string): ExchangeRate {
  const found = findRate(table, from, to, noon('2026-03-06'))
  if (found === null) throw new Error('there is no rate')
  return found
}
const noon = (day: string) => new Date(`${day}T12:00:00Z`)

describe('the rate that holds', () => {
  const table = toRateTable([
    rate('2026-03-06', 'EUR', 'USD', '1.25'),
    rate('2026-03-06', 'EUR', 'JPY', '160'),
    rate('2026-03-09', 'EUR', 'USD', '1.28'),
    rate('2026-03-09', 'EUR', 'JPY', '164', 'bank'),
    rate('2026-03-10', 'USD', 'JPY', '128'),
  ])
  const find = (from: string, to: string, day: string) => findRate(table, from, to, noon(day))

  test('of the same currency is one', () => {
    expect(find('XAF', 'XAF', '1980-01-01')).toEqual({
      numerator: 1n,
      denominator: 1n,
      asOf: null,
      source: null,
      via: 'same',
    })
  })

  test('is the newest up to the day, whose first moment has it already', () => {
    expect(find('EUR', 'USD', '2026-03-09')).toMatchObject({
      asOf: '2026-03-09',
      via: 'direct',
      numerator: 128n,
      denominator: 100n,
    })
    expect(findRate(table, 'EUR', 'USD', new Date('2026-03-09T00:00:00.000Z'))?.asOf).toBe('2026-03-09')
    expect(findRate(table, 'EUR', 'USD', new Date('2026-03-08T23:59:59.999Z'))?.asOf).toBe('2026-03-06')
  })

  test('is not older than seven days, and never younger than the order', () => {
    expect(find('EUR', 'USD', '2026-03-16')?.asOf).toBe('2026-03-09')
    expect(find('EUR', 'USD', '2026-03-17')).toBeNull()
    expect(find('EUR', 'USD', '2026-03-05')).toBeNull()
  })

  test('is inverted where only the other direction is stored', () => {
    expect(find('USD', 'EUR', '2026-03-06')).toMatchObject({ via: 'inverse', numerator: 100n, denominator: 125n })
  })

  test('goes over a base that both have of one source on one day', () => {
    expect(find('USD', 'JPY', '2026-03-06')).toMatchObject({ via: 'cross', asOf: '2026-03-06', source: 'ecb' })
    // On the 9th the two are of two sources, so the day before holds.
    expect(find('JPY', 'USD', '2026-03-09')).toMatchObject({ via: 'cross', asOf: '2026-03-06' })
    expect(find('USD', 'JPY', '2026-03-10')).toMatchObject({ via: 'direct', asOf: '2026-03-10' })
    expect(find('USD', 'GBP', '2026-03-10')).toBeNull()
  })

  test('of several sources is that of the first by name', () => {
    const both = toRateTable([
      rate('2026-03-06', 'EUR', 'USD', '1.2', 'ecb'),
      rate('2026-03-06', 'EUR', 'USD', '1.3', 'bank'),
    ])
    expect(findRate(both, 'EUR', 'USD', noon('2026-03-06'))).toMatchObject({ source: 'bank', numerator: 13n })
  })

  test.each(['0', '0.000', '-1', '1e3', '', '1.', ' 1'])('%j is no rate', (text) => {
    expect(() =>
      findRate(toRateTable([rate('2026-03-06', 'EUR', 'USD', text)]), 'EUR', 'USD', noon('2026-03-06')),
    ).toThrow(RangeError)
  })
})

describe('an amount in another currency', () => {
  const at = (from: string, to: string, of: string) => ({
    from,
    to,
    rate: rateOfSixth(toRateTable([rate('2026-03-06', from, to, of)]), from, to),
  })

  test.each([
    [19_99n, at('EUR', 'USD', '1.0921'), 21_83n],
    [1_00n, at('EUR', 'JPY', '163.5'), 164n],
    [1_00n, at('EUR', 'JPY', '163.4'), 163n],
    [1_000n, at('JPY', 'KWD', '0.0020'), 2_000n],
    [1_234n, at('KWD', 'JPY', '490'), 605n],
    [-1_00n, at('EUR', 'JPY', '163.5'), -164n],
    [9_007_199_254_740_991n, at('EUR', 'USD', '1.000000000000001'), 9_007_199_254_741_000n],
  ])('%s', (amountMinor, by, expected) => {
    expect(exchange(amountMinor, by)).toBe(expected)
  })

  const decimal = fc
    .tuple(fc.bigInt({ min: 1n, max: 10n ** 9n }), fc.bigInt({ min: 0n, max: 10n ** 6n - 1n }))
    .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(6, '0')}`)
  const amount = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n })
  const currency = fc.constantFrom('USD', 'JPY', 'KWD', 'CLF', 'GBP')

  test('is the nearest to the exact one, and mirrors below zero', () => {
    fc.assert(
      fc.property(decimal, amount, currency, (of, amountMinor, to) => {
        const by = at('EUR', to, of)
        const result = exchange(amountMinor, by)
        expect(exchange(-amountMinor, by)).toBe(-result)
        const places = { USD: 2n, JPY: 0n, KWD: 3n, CLF: 4n, GBP: 2n }[to] as bigint
        const exact = amountMinor * BigInt(of.replace('.', '')) * 10n ** places
        const unit = 10n ** 8n
        const off = result * unit - exact
        expect(2n * (off < 0n ? -off : off) <= unit).toBe(true)
      }),
      { numRuns: 20_000 },
    )
  })

  test('a cross is its two rates in one: equal to the fraction of both, rounded once', () => {
    fc.assert(
      fc.property(decimal, decimal, amount, (usd, gbp, amountMinor) => {
        const table = toRateTable([rate('2026-03-06', 'EUR', 'USD', usd), rate('2026-03-06', 'EUR', 'GBP', gbp)])
        const there = rateOfSixth(table, 'USD', 'GBP')
        const back = rateOfSixth(table, 'GBP', 'USD')
        expect(there.numerator * back.numerator).toBe(there.denominator * back.denominator)
        const result = exchange(amountMinor, { from: 'USD', to: 'GBP', rate: there })
        const numerator = amountMinor * BigInt(gbp.replace('.', ''))
        const denominator = BigInt(usd.replace('.', ''))
        const off = result * denominator - numerator
        expect(2n * (off < 0n ? -off : off) <= denominator).toBe(true)
      }),
      { numRuns: 20_000 },
    )
  })

  test('the order of the stored rows changes nothing', () => {
    const rows = [
      rate('2026-03-06', 'EUR', 'USD', '1.2', 'b'),
      rate('2026-03-06', 'EUR', 'USD', '1.3', 'a'),
      rate('2026-03-06', 'EUR', 'GBP', '0.8', 'b'),
      rate('2026-03-06', 'CHF', 'USD', '1.1', 'b'),
      rate('2026-03-06', 'CHF', 'GBP', '0.9', 'b'),
    ]
    const expected = findRate(toRateTable(rows), 'USD', 'GBP', noon('2026-03-06'))
    fc.assert(
      fc.property(fc.shuffledSubarray(rows, { minLength: rows.length }), (shuffled) => {
        expect(findRate(toRateTable(shuffled), 'USD', 'GBP', noon('2026-03-06'))).toEqual(expected)
      }),
    )
  })
})
