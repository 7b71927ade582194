import { expect, test } from 'vitest'
import { chooseApi, parseApiOrigin } from './origin.ts'

test.each([
  ['https://api.example.com', 'https://api.example.com'],
  [' https://API.example.com:443/ ', 'https://api.example.com'],
  ['https://api.example.com:8443', 'https://api.example.com:8443'],
  ['http://localhost:4000', 'http://localhost:4000'],
  ['http://127.0.0.1:4000/', 'http://127.0.0.1:4000'],
  ['http://api.example.com', null],
  ['http://localhost.example.com', null],
  ['https://user:secret@api.example.com', null],
  ['https://user@api.example.com', null],
  ['https://api.example.com/v1', null],
  ['https://api.example.com/?x=1', null],
  ['https://api.example.com/#x', null],
  ['javascript:alert(1)', null],
  ['data:text/html,x', null],
  ['file:///etc/passwd', null],
  ['//api.example.com', null],
  ['api.example.com', null],
  ['', null],
])('%j names the origin %j', (text, origin) => {
  expect(parseApiOrigin(text)).toBe(origin)
})

const OWN = 'https://console.example'

test('without a choice it is the server of the page', () => {
  expect(chooseApi('', null, OWN)).toEqual({ origin: OWN, isOwn: true, needsConsent: false, refused: null })
  expect(chooseApi('?x=1', 'http://localhost:4000', OWN)).toMatchObject({
    origin: 'http://localhost:4000',
    isOwn: false,
  })
  expect(chooseApi('', 'nonsense', OWN)).toMatchObject({ origin: OWN, isOwn: true })
})

test('the address wins over what was kept', () => {
  expect(chooseApi('?api=http://127.0.0.1:4000', 'https://other.example', OWN).origin).toBe('http://127.0.0.1:4000')
  expect(chooseApi(`?api=${OWN}`, 'https://other.example', OWN)).toMatchObject({ origin: OWN, isOwn: true })
})

test('a server elsewhere needs consent, once; one on this machine does not', () => {
  const search = '?api=https%3A%2F%2Fapi.example.com'
  expect(chooseApi(search, null, OWN)).toMatchObject({ origin: 'https://api.example.com', needsConsent: true })
  expect(chooseApi(search, 'https://api.example.com', OWN).needsConsent).toBe(false)
  expect(chooseApi(search, 'https://other.example', OWN).needsConsent).toBe(true)
  expect(chooseApi('?api=http://localhost:4000', null, OWN).needsConsent).toBe(false)
})

test('what cannot be used is named, and the own server is used', () => {
  expect(chooseApi('?api=javascript:alert(1)', null, OWN)).toMatchObject({
    origin: OWN,
    refused: 'javascript:alert(1)',
  })
  expect(chooseApi('?api=', null, OWN).refused).toBe('')
})

test('an own origin in plain http, on any host, is the own server', () => {
  const own = 'http://10.0.0.5:8000'
  expect(chooseApi(`?api=${own}`, null, own)).toMatchObject({ origin: own, isOwn: true, refused: null })
})
