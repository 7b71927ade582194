import { expect, test } from 'vitest'
import { formatCount, formatMicroUsd, formatMoney, formatMoneyChange, formatMoneyShort, formatShare } from './money.ts'

test.each([
  [1999, 'USD', '$19.99'],
  [-1999, 'USD', '-$19.99'],
  [0, 'USD', '$0.00'],
  [-5, 'USD', '-$0.05'],
  [4815320, 'USD', '$48,153.20'],
  [1000, 'JPY', '¥1,000'],
  [1234, 'KWD', 'KWD 1.234'],
  [1234, 'IQD', 'IQD 1.234'],
  [12345, 'CLF', 'CLF 1.2345'],
  [100, 'HUF', 'HUF 1.00'],
  [9007199254740991, 'USD', '$90,071,992,547,409.91'],
  [-9007199254740991, 'KWD', '-KWD 9,007,199,254,740.991'],
  [1500, 'XQQ', '1,500 minor units of XQQ'],
])('%i %s is %s', (amount_minor, currency, text) => {
  expect(formatMoney({ amount_minor, currency }, 'en-US').replace(/\s/g, ' ')).toBe(text)
})

test('money is written as the reader does', () => {
  expect(formatMoney({ amount_minor: 4815320, currency: 'EUR' }, 'de-DE').replace(/\s/g, ' ')).toBe('48.153,20 €')
})

test('a change has its sign', () => {
  const change = (amount_minor: number) => formatMoneyChange({ amount_minor, currency: 'USD' }, 'en-US')
  expect([change(4700), change(-4700), change(0)]).toEqual(['+$47.00', '-$47.00', '$0.00'])
})

test.each([
  [2_000_000, 'USD', '$20K'],
  [150_000_000, 'USD', '$1.5M'],
  [50, 'USD', '$0.5'],
  [-200_000, 'USD', '-$2K'],
  [0, 'USD', '$0'],
  [500, 'JPY', '¥500'],
  [1500, 'XQQ', '1.5K'],
])('on an axis %i %s is %s', (amount_minor, currency, text) => {
  expect(formatMoneyShort({ amount_minor, currency }, 'en-US')).toBe(text)
})

test.each([
  [18_450_000, '$18.45'],
  [1_250, '$0.00125'],
  [1, '$0.000001'],
  [0, '$0.00'],
  [200_000_000, '$200.00'],
  [-1, '-$0.000001'],
])('%i µUSD is %s', (microUsd, text) => {
  expect(formatMicroUsd(microUsd, 'en-US')).toBe(text)
})

test('counts and shares', () => {
  expect(formatCount(1234.5, 'en-US')).toBe('1,234.5')
  expect(formatCount(0.333333, 'en-US')).toBe('0.333333')
  expect([formatShare(0.4, 'en-US'), formatShare(0.2722, 'en-US'), formatShare(1, 'en-US')]).toEqual([
    '40%',
    '27.2%',
    '100%',
  ])
})
