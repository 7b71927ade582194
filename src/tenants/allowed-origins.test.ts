import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MAX_ALLOWED_ORIGINS, toAllowedOrigin } from './allowed-origins.ts'

test.each([
  ['https://shop.example', 'https://shop.example'],
  ['https://SHOP.example:443', 'https://shop.example'],
  ['https://bücher.example:8443', 'https://xn--bcher-kva.example:8443'],
  ['https://127.0.0.1:9000', 'https://127.0.0.1:9000'],
  ['http://localhost', 'http://localhost'],
  ['http://localhost:5173', 'http://localhost:5173'],
  ['https://localhost:5173', 'https://localhost:5173'],
])('%s may be allowed', (text, origin) => {
  expect(toAllowedOrigin(text)).toBe(origin)
})

test.each([
  '',
  'null',
  '*',
  'https://*.example',
  'shop.example',
  'http://shop.example',
  'http://127.0.0.1:5173',
  'http://localhost.evil.example',
  'https://[::1]',
  'https://a_b.example',
  'https://shop.example.',
  'https://shop.example/',
  `https://${'a'.repeat(254)}.example`,
])('%j may not', (text) => {
  expect(toAllowedOrigin(text)).toBeNull()
})

test('form and bound are those of the contract and of the table', () => {
  const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
  const { AllowedOrigins } = JSON.parse(read('generated/openapi.json')).components.schemas
  const check = /origin ~ '([^']+)'/.exec(read('generated/schema.sql'))?.[1] ?? ''
  const position = /constraint tenant_allowed_origins_position_check .*<= (\d+)/.exec(read('generated/schema.sql'))?.[1]
  expect([AllowedOrigins.maxItems, Number(position)]).toEqual([MAX_ALLOWED_ORIGINS, MAX_ALLOWED_ORIGINS])
  const capturing = (pattern: string) => pattern.replaceAll('(?:', '(')
  expect(capturing(AllowedOrigins.items.pattern)).toBe(check)
  for (const form of [AllowedOrigins.items.pattern, check].map((pattern) => new RegExp(pattern))) {
    expect(form.test(toAllowedOrigin('https://bücher.example:8443') ?? '')).toBe(true)
    for (const text of ['http://shop.example', 'https://shop.example/', 'https://a_b.example', 'null']) {
      expect(form.test(text)).toBe(false)
    }
  }
})
