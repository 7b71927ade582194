import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  allocate,
  exponentOf,
  formatMinor,
  MoneyError,
  minorToStripe,
  parseDecimalToMinor,
  stripeToMinor,
  toWireMoney,
} from './money.ts'

const CURRENCIES = ['USD', 'JPY', 'KWD', 'CLF', 'MGA', 'ISK', 'UGX', 'HUF', 'TWD', 'BHD']

function faultOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof MoneyError) return error.code
    throw error
  }
  return 'none'
}

describe('exponentOf', () => {
  test.each([
    ['JPY', 0],
    ['ISK', 0],
    ['UGX', 0],
    ['USD', 2],
    ['MGA', 2],
    ['HUF', 2],
    ['TWD', 2],
    ['XCG', 2],
    ['KWD', 3],
    ['TND', 3],
    ['CLF', 4],
  ])('%s has %i decimals', (currency, exponent) => {
    expect(exponentOf(currency)).toBe(exponent)
  })

  test.each(['usd', 'XXX', 'XAU', 'XTS', 'ZZZ', '', 'US', 'constructor', '__proto__'])(
    '%j is no currency',
    (currency) => {
      expect(faultOf(() => exponentOf(currency))).toBe('unknown_currency')
    },
  )
})

describe('parseDecimalToMinor', () => {
  test.each([
    ['199.65', 'USD', 19965n],
    ['0.00', 'USD', 0n],
    ['-0.00', 'USD', 0n],
    ['-5.5', 'USD', -550n],
    ['7', 'USD', 700n],
    ['403.0', 'USD', 40300n],
    ['403.000', 'USD', 40300n],
    ['1000', 'JPY', 1000n],
    ['1000.00', 'JPY', 1000n],
    ['1.234', 'KWD', 1234n],
    ['0.0001', 'CLF', 1n],
    ['90071992547409.93', 'USD', 9007199254740993n],
    ['0.29', 'USD', 29n],
    ['1.005', 'BHD', 1005n],
  ])('reads %s %s', (text, currency, minor) => {
    expect(parseDecimalToMinor(text, currency)).toBe(minor)
  })

  test.each([
    ['', 'USD', 'not_a_decimal'],
    ['NaN', 'USD', 'not_a_decimal'],
    ['Infinity', 'USD', 'not_a_decimal'],
    ['1e3', 'USD', 'not_a_decimal'],
    ['1,50', 'USD', 'not_a_decimal'],
    ['+1', 'USD', 'not_a_decimal'],
    ['.5', 'USD', 'not_a_decimal'],
    ['5.', 'USD', 'not_a_decimal'],
    [' 5', 'USD', 'not_a_decimal'],
    ['5\n', 'USD', 'not_a_decimal'],
    ['0x10', 'USD', 'not_a_decimal'],
    ['--1', 'USD', 'not_a_decimal'],
    ['٣', 'USD', 'not_a_decimal'],
    ['9'.repeat(65), 'USD', 'not_a_decimal'],
    ['1.001', 'USD', 'sub_minor_digits'],
    ['1.5', 'JPY', 'sub_minor_digits'],
    ['1.0000001', 'KWD', 'sub_minor_digits'],
    ['1.00', 'XYZ', 'unknown_currency'],
  ])('refuses %j %s as %s', (text, currency, code) => {
    expect(faultOf(() => parseDecimalToMinor(text, currency))).toBe(code)
  })

  test('is undone by formatMinor for every amount', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
        fc.constantFrom(...CURRENCIES),
        (minor, currency) => {
          expect(parseDecimalToMinor(formatMinor(minor, currency), currency)).toBe(minor)
        },
      ),
    )
  })
})

describe('stripeToMinor', () => {
  test.each([
    [1999n, 'USD', 1999n],
    [500n, 'JPY', 500n],
    [500n, 'UGX', 5n],
    [12300n, 'ISK', 123n],
    [500n, 'MGA', 50000n],
    [5000n, 'HUF', 5000n],
    [5000n, 'TWD', 5000n],
    [1230n, 'KWD', 1230n],
    [1000n, 'XOF', 1000n],
    [-700n, 'UGX', -7n],
  ])('%s of %s is %s minor units', (integer, currency, minor) => {
    expect(stripeToMinor(integer, currency)).toBe(minor)
    expect(minorToStripe(minor, currency)).toBe(integer)
  })

  test.each('BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF'.split(' '))(
    '%s has the same unit in ISO',
    (currency) => {
      expect(stripeToMinor(7n, currency)).toBe(7n)
      expect(exponentOf(currency)).toBe(0)
    },
  )

  test.each([
    [501n, 'UGX', 'sub_minor_digits'],
    [50n, 'ISK', 'sub_minor_digits'],
    [1n, 'usd', 'unknown_currency'],
    [1n, 'IQD', 'unknown_currency'],
    [1n, 'CLF', 'unknown_currency'],
  ])('refuses %s of %s as %s', (integer, currency, code) => {
    expect(faultOf(() => stripeToMinor(integer, currency))).toBe(code)
  })

  test('half an ariary is nothing that Stripe could send', () => {
    expect(faultOf(() => minorToStripe(50n, 'MGA'))).toBe('sub_minor_digits')
  })
})

describe('formatMinor', () => {
  test.each([
    [-5n, 'USD', '-0.05'],
    [0n, 'USD', '0.00'],
    [19965n, 'USD', '199.65'],
    [1000n, 'JPY', '1000'],
    [-1n, 'KWD', '-0.001'],
    [123456n, 'CLF', '12.3456'],
  ])('%s of %s is %s', (minor, currency, text) => {
    expect(formatMinor(minor, currency)).toBe(text)
  })
})

describe('toWireMoney', () => {
  const limit = 2n ** 53n - 1n

  test.each([limit, -limit, 0n, 1999n])('carries %s exactly', (minor) => {
    const wire = toWireMoney(minor, 'USD')
    expect(BigInt(wire.amount_minor)).toBe(minor)
    expect(wire.currency).toBe('USD')
  })

  test.each([limit + 1n, -limit - 1n])('refuses %s', (minor) => {
    expect(faultOf(() => toWireMoney(minor, 'USD'))).toBe('out_of_range')
  })
})

describe('allocate', () => {
  test.each<[string, bigint, bigint[], bigint[]]>([
    ['100.00 in three', 10000n, [1n, 1n, 1n], [3334n, 3333n, 3333n]],
    ['140.00 in three', 14000n, [1n, 1n, 1n], [4667n, 4667n, 4666n]],
    ['a refund of 100.01 on 40/20/40', -10001n, [40n, 20n, 40n], [-4001n, -2000n, -4000n]],
    ['1000 JPY in seven', 1000n, [1n, 1n, 1n, 1n, 1n, 1n, 1n], [143n, 143n, 143n, 143n, 143n, 143n, 142n]],
    ['99.99 at 1/8, 1/4, 1/2, 1', 9999n, [1n, 2n, 4n, 8n], [667n, 1333n, 2666n, 5333n]],
    ['one cent in three', 1n, [1n, 1n, 1n], [1n, 0n, 0n]],
    ['nothing', 0n, [3n, 0n], [0n, 0n]],
    ['a zero weight earns nothing', 7n, [0n, 1n, 0n, 1n], [0n, 4n, 0n, 3n]],
    ['the largest remainder first', 1n, [0n, 1n, 1n, 2n], [0n, 0n, 0n, 1n]],
    // 2 × (1, 3) / 4: both remainders are one half of the sum.
    ['equal remainders, unequal weights', 2n, [1n, 3n], [0n, 2n]],
    ['the Alabama paradox, 83 seats', 83n, [46n, 27n, 49n], [31n, 19n, 33n]],
    ['the Alabama paradox, 84 seats: the second one loses one', 84n, [46n, 27n, 49n], [32n, 18n, 34n]],
  ])('%s', (_name, total, weights, parts) => {
    expect(allocate(total, weights)).toEqual(parts)
  })

  test('refunds of 3.33, 3.33 and 3.34 empty 10.00 that three touches share', () => {
    const balances = allocate(1000n, [1n, 1n, 1n])
    const steps = [333n, 333n, 334n].map((refund) => takeFrom(balances, refund))
    expect(steps).toEqual([
      [111n, 111n, 111n],
      [111n, 111n, 111n],
      [112n, 111n, 111n],
    ])
    expect(balances).toEqual([0n, 0n, 0n])
  })

  test.each<[string, bigint[]]>([
    ['no weights', []],
    ['all weights zero', [0n, 0n]],
    ['a negative weight', [2n, -1n]],
  ])('%s throws RangeError', (_name, weights) => {
    expect(() => allocate(5n, weights)).toThrow(RangeError)
  })

  const weightsArbitrary = fc
    .array(fc.oneof(fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: 0n, max: 10n ** 18n })), {
      minLength: 1,
      maxLength: 30,
    })
    .filter((weights) => weights.some((weight) => weight > 0n))
  const totalArbitrary = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n })

  test('sums exactly and is never one unit or more off the exact share', () => {
    fc.assert(
      fc.property(totalArbitrary, weightsArbitrary, (total, weights) => {
        const parts = allocate(total, weights)
        const sum = weights.reduce((a, b) => a + b, 0n)
        expect(parts.reduce((a, b) => a + b, 0n)).toBe(total)
        for (const [index, part] of parts.entries()) {
          const error = part * sum - total * (weights[index] ?? 0n)
          expect((error < 0n ? -error : error) < sum).toBe(true)
        }
      }),
    )
  })

  test('a negative total is the mirror image', () => {
    fc.assert(
      fc.property(totalArbitrary, weightsArbitrary, (total, weights) => {
        expect(allocate(-total, weights)).toEqual(allocate(total, weights).map((part) => -part))
      }),
    )
  })

  test('a chain of refunds never makes a balance negative and ends at zero', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 10n ** 9n }),
        weightsArbitrary,
        fc.array(fc.bigInt({ min: 1n, max: 10n ** 9n }), { maxLength: 12 }),
        (captured, weights, wishes) => {
          const balances = allocate(captured, weights)
          let remaining = captured
          for (const wish of [...wishes, captured]) {
            const refund = wish < remaining ? wish : remaining
            if (refund === 0n) break
            takeFrom(balances, refund)
            remaining -= refund
            expect(balances.every((balance) => balance >= 0n)).toBe(true)
          }
          expect(balances.every((balance) => balance === 0n)).toBe(true)
        },
      ),
    )
  })
})

/** Applies one refund to `balances` in place and returns what each of them lost. */
function takeFrom(balances: bigint[], refund: bigint): bigint[] {
  const parts = allocate(-refund, balances)
  for (const [index, part] of parts.entries()) balances[index] = (balances[index] ?? 0n) + part
  return parts.map((part) => -part)
}
