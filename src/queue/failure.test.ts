import { describe, expect, test } from 'vitest'
import {
  classify,
  describeFailure,
  describeOutput,
  JobRefused,
  JobRejected,
  JobTimeout,
  redactArguments,
  redactText,
} from './failure.ts'

const withCode = (code: string) => Object.assign(new Error('x'), { code })

describe('classify', () => {
  test.each([
    ['a job that is not known', new JobRefused('x'), 'validation'],
    ['data that the database refuses', withCode('22P02'), 'validation'],
    ['a deadlock', withCode('40P01'), 'database'],
    ['a lost connection', new Error('Connection terminated unexpectedly'), 'database'],
    ["somebody else's server", withCode('ECONNREFUSED'), 'external'],
    ['a limit of ours', new JobTimeout('x'), 'timeout'],
    ['a limit of fetch', new DOMException('x', 'TimeoutError'), 'timeout'],
    ['a revoked session', new JobRejected('x'), 'rejected'],
    ['a cause', new Error('x', { cause: withCode('57P01') }), 'database'],
    ['a fault of ours', new TypeError('x'), 'internal'],
    ['what is no error', 'x', 'internal'],
  ])('%s', (_, error, wanted) => {
    expect(classify(error)).toBe(wanted)
  })
})

test('a failure keeps where it came from, and neither secrets nor addresses', () => {
  const failure = describeFailure(new Error(`mira@shop.example with Bearer abc.defgh ${'x'.repeat(600)}`))
  expect(failure.message).toMatch(/^\[email\] with Bearer \[secret\] x+$/)
  expect(failure.message).toHaveLength(500)
  expect(failure.traceback).toMatch(/^\s+at .*failure\.test\.ts/)
})

test.each([
  [{ value: { message: 'job heartbeat timeout' } }, 'worker_lost'],
  [{ value: { message: 'job timed out' } }, 'timeout'],
  [{ value: 'pg-boss shut down while active' }, 'worker_lost'],
  [{ value: 'a word' }, 'internal'],
  [{ message: 'handler execution exceeded 60s' }, 'timeout'],
  [{ error: 'x', class: 'external' }, 'external'],
  [{ error: 'x', class: 'something' }, 'internal'],
  [null, 'internal'],
])('what the queue left behind: %j', (output, wanted) => {
  expect(describeOutput(output).class).toBe(wanted)
})

test('ids, times and names of ours stay as they are', () => {
  const text = 'order 6a4d8c02-9e71-4f35-b8a6-0c1d2e3f4a5b of 2026-11-20T02:05:00Z: invalid input syntax for type uuid'
  expect(redactText(text)).toBe(text)
})

test('half of a character is nowhere: the database refuses it', () => {
  const { message, traceback } = describeFailure(
    Object.assign(new Error(`${'x'.repeat(499)}😀`), { stack: `    at ${'y'.repeat(3_992)}😀 z` }),
  )
  expect([message.isWellFormed(), traceback?.isWellFormed()]).toEqual([true, true])
  expect([message.length, traceback?.length]).toEqual([500, 4_000])
  expect(describeOutput({ error: `${'x'.repeat(499)}😀` }).message.isWellFormed()).toBe(true)
  expect(redactText('a lone \ud83d one').isWellFormed()).toBe(true)
})

test.each([
  ['cannot reach +49 170 1234567 or +1 (415) 555-0132', 'cannot reach +[number] or +[number]'],
  ['no route to 2001:db8::8a2e:370:7334', 'no route to [address]'],
  ['IBAN DE89370400440532013000 is refused', 'IBAN [number] is refused'],
  ['postgres://ada:hunter22@db.example/x is gone', 'postgres://db.example/x is gone'],
  ['session=6a4d8c02-9e71-4f35-b8a6-0c1d2e3f4a5b', 'session=[secret]'],
])('nobody is named, and no door is opened: %s', (text, kept) => {
  expect(redactText(text)).toBe(kept)
})

test.each([
  { from: '', to: '', orderKeys: 'shopify:5678901234567 shopify:820982911946154508' },
  { from: '2026-03-31T00:00:00.000Z', to: '2026-03-31T23:59:59.999Z', orderKeys: 'stripe:pi_3MtwBwLkdIwHu7ix28a3tqPa' },
  { from: '', to: '', orderKeys: Array.from({ length: 500 }, (_, n) => `shopify:${5_678_901_234_567 + n}`).join(' ') },
])('a recompute of orders can be run again: $orderKeys', (args) => {
  expect(redactArguments(args)).toEqual({ arguments: args, isRedacted: false })
})

test('what only looks like the key of an order is not kept', () => {
  const { arguments: kept } = redactArguments({ orderKeys: `shopify:1 mira@shop.example`, other: '4242424242424242' })
  expect(kept).toEqual({ orderKeys: 'shopify:1 [email]', other: '[number]' })
})

test('arguments: ids stay, what looks like a secret goes, and then the job cannot be run again', () => {
  const id = '12345678-1234-4123-8123-123456789012'
  expect(redactArguments({ jobId: id })).toEqual({ arguments: { jobId: id }, isRedacted: false })
  expect(redactArguments({ eventId: id, buyer: 'mira@shop.example' })).toEqual({
    arguments: { eventId: id, buyer: '[email]' },
    isRedacted: true,
  })
  expect(redactArguments({ api_key: 'x' }).arguments).toEqual({ api_key: '[removed]' })
  expect(redactArguments({ long: 'x'.repeat(20_000) }).isRedacted).toBe(true)
})
