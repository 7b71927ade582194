import { describe, expect, test } from 'vitest'
import type { JsonValue } from './lossless-json.ts'
import { findPersonalData, isPersonalKey, looksLikeEmail, PERSONAL_KEYS } from './personal-data.ts'

describe('findPersonalData', () => {
  test.each<[string, JsonValue, string | null]>([
    ['nothing', { id: '1', source_name: 'web', transactions: [{ amount: '9.65' }] }, null],
    ['a scalar', 5, null],
    ['null', null, null],
    ['a key', { email: null }, '/email'],
    ['a key in another case', { Email: 1 }, '/Email'],
    ['a key in camel case', { firstName: 1 }, '/firstName'],
    ['a key with separators', { 'E-Mail_Address': 1 }, '/E-Mail_Address'],
    ['a key deep inside', { a: [{ b: 1 }, { shipping_address: {} }] }, '/a/1/shipping_address'],
    ['a key with a slash and a tilde', { 'x/~y': { phone: 1 } }, '/x~1~0y/phone'],
    ['an address as a value', { a: { b: ['x', 'to jane.doe@example.com'] } }, '/a/b/1'],
    ['an address at the root', 'jane@example.com', ''],
    ['an encoded address in a URL', { url: '/lamps?email=jane%40example.com' }, '/url'],
    ['an address as a key: the pointer does not repeat it', { seen: { 'jane@example.com': 1 } }, '/seen'],
    ['the first of several', { a: 1, ip: 1, b: { phone: 1 } }, '/ip'],
    ['__proto__ as a key', JSON.parse('{"__proto__":{"email":1}}'), '/__proto__/email'],
  ])('%s', (_name, value, pointer) => {
    expect(findPersonalData(value)).toBe(pointer)
  })

  test('is not ended by depth', () => {
    let value: JsonValue = { email: 1 }
    for (let depth = 0; depth < 20_000; depth += 1) value = [value]
    expect(findPersonalData(value)).toMatch(/\/email$/)
  })
})

describe('looksLikeEmail', () => {
  test.each([
    ['jane@example.com', true],
    ['"Jane" <jane+shop@mail.example.co.uk>', true],
    ['jane@bücher.example', true],
    ['JANE%40EXAMPLE.COM', true],
    ['jane at example.com', false],
    ['@example.com', false],
    ['jane@localhost', false],
    ['19.99 @ 2.5', false],
    ['gid://shopify/Order/1', false],
    ['foo@2x.png', false],
    ['jane%2540mail.de', true],
    ['jane＠mail.de', true],
    ['', false],
  ])('%s: %s', (text, expected) => {
    expect(looksLikeEmail(text)).toBe(expected)
  })

  test('takes linear time', () => {
    const hostile = [
      'a'.repeat(1 << 20),
      '@'.repeat(1 << 20),
      'a@'.repeat(1 << 19),
      'a%40'.repeat(1 << 18),
      `a@${'b.'.repeat(1 << 19)}`,
    ]
    const started = process.cpuUsage()
    for (const text of hostile) looksLikeEmail(text)
    const { user, system } = process.cpuUsage(started)
    // Under 1 s in all where measured; quadratic time would take hours.
    expect((user + system) / 1e6).toBeLessThan(20)
  })
})

test('the list holds folded names only, each of them once', () => {
  expect(PERSONAL_KEYS.filter((key) => !/^[a-z0-9]+$/.test(key))).toEqual([])
  expect(new Set(PERSONAL_KEYS).size).toBe(PERSONAL_KEYS.length)
  expect(PERSONAL_KEYS.every((key) => isPersonalKey(key.toUpperCase()))).toBe(true)
})
