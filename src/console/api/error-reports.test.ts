import { expect, test } from 'vitest'
import { createReporter } from './error-reports.ts'

const PAGE = 'https://a.example/console?tenant=acme#orders'
const NOW = new Date('2026-11-20T09:20:31Z')

test('an error with its class and stack, and the page without what may name somebody', () => {
  const error = new TypeError('no such thing')
  expect(createReporter()(error, PAGE, NOW)).toEqual({
    name: 'TypeError',
    message: 'no such thing',
    stack: error.stack,
    url: 'https://a.example/console',
    occurred_at: '2026-11-20T09:20:31.000Z',
  })
})

test.each([
  ['Script error.', 'Script error.'],
  [undefined, 'undefined'],
  ['', 'no message'],
])('what is no error has a message and nothing else: %j', (thrown, message) => {
  expect(createReporter()(thrown, PAGE, NOW)).toEqual({
    message,
    url: 'https://a.example/console',
    occurred_at: '2026-11-20T09:20:31.000Z',
  })
})

test('each error once, and ten of a page', () => {
  const report = createReporter()
  const error = new Error('again')
  expect(report(error, PAGE, NOW)).not.toBeNull()
  expect(report(error, PAGE, NOW)).toBeNull()
  for (let other = 1; other < 10; other += 1) expect(report(`other ${other}`, PAGE, NOW)).not.toBeNull()
  expect(report('one more', PAGE, NOW)).toBeNull()
})

test('is cut to what the contract takes', () => {
  const error = new Error('a'.repeat(5_000))
  error.stack = 'b'.repeat(50_000)
  error.name = 'c'.repeat(500)
  const { name, message, stack } = createReporter()(error, PAGE, NOW) ?? {}
  expect([name?.length, message?.length, stack?.length]).toEqual([100, 1_000, 16_384])
})
