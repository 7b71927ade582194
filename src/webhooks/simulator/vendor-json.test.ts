import { expect, test } from 'vitest'
import { paypalJson, phpJson, rawNumber, shopifyJson, stripeJson } from './vendor-json.ts'

const value = { url: 'https://a/b', name: 'Bjørn 東', none: [], open: {}, id: rawNumber(820_982_911_946_154_508n) }

test('Stripe indents by two and breaks empty containers up', () => {
  expect(stripeJson(value).toString()).toBe(
    '{\n  "url": "https://a/b",\n  "name": "Bjørn 東",\n  "none": [\n\n  ],\n  "open": {\n  },\n  "id": 820982911946154508\n}',
  )
  expect(stripeJson({ a: [[], { b: {} }] }).toString()).toBe(
    '{\n  "a": [\n    [\n\n    ],\n    {\n      "b": {\n      }\n    }\n  ]\n}',
  )
})

test('Shopify writes no space and escapes each slash', () => {
  expect(shopifyJson(value).toString()).toBe(
    '{"url":"https:\\/\\/a\\/b","name":"Bjørn 東","none":[],"open":{},"id":820982911946154508}',
  )
})

test('PayPal writes no space', () => {
  expect(paypalJson({ a: ['b/c', 1] }).toString()).toBe('{"a":["b/c",1]}')
})

test('PHP escapes slashes and all beyond ASCII, a pair of units for what lies beyond the first plane', () => {
  expect(phpJson({ a: 'é/東😀\u007f' }).toString()).toBe('{"a":"\\u00e9\\/\\u6771\\ud83d\\ude00\u007f"}')
  expect(JSON.parse(phpJson({ a: '“😀”' }).toString())).toEqual({ a: '“😀”' })
})
