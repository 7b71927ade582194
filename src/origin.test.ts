import { expect, test } from 'vitest'
import { toOrigin } from './origin.ts'

test.each([
  ['https://shop.example', 'https://shop.example'],
  ['https://shop.example:8443', 'https://shop.example:8443'],
  ['https://shop.example:443', 'https://shop.example'],
  ['http://localhost:80', 'http://localhost'],
  ['https://shop.example:0443', 'https://shop.example'],
  ['HTTPS://Shop.EXAMPLE', 'https://shop.example'],
  ['https://bücher.example', 'https://xn--bcher-kva.example'],
  ['https://xn--bcher-kva.example', 'https://xn--bcher-kva.example'],
  ['https://127.1', 'https://127.0.0.1'],
  ['http://[::1]:3000', 'http://[::1]:3000'],
  ['https://shop.example.', 'https://shop.example.'],
])('%s is %s', (text, origin) => {
  expect(toOrigin(text)).toBe(origin)
})

test.each([
  '',
  'null',
  '*',
  'shop.example',
  '//shop.example',
  'https://',
  'https://*',
  'https://*.shop.example',
  'https://shop.example/',
  'https://shop.example/path',
  'https://shop.example?x',
  'https://shop.example#x',
  'https://shop.example\\x',
  'https://shop\t.example',
  ' https://shop.example',
  'https://shop.example\n',
  'https://a.example https://b.example',
  'https://a.example, https://b.example',
  'https://a.example,b.example',
  'https://someone@shop.example',
  'https://someone:secret@shop.example',
  'https://shop.example:65536',
  'https://shop.example:port',
  'https://exa<mple',
  'file:///etc/passwd',
  'ftp://shop.example',
  'chrome-extension://abcdef',
])('%j is none', (text) => {
  expect(toOrigin(text)).toBeNull()
})
