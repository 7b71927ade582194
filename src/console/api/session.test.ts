import { expect, test } from 'vitest'
import { parseSession, type Session } from './session.ts'

const API = 'https://api.example.com'
const session: Session = {
  api: API,
  token: 'header.claims.signature',
  expiresAt: 1_000,
  email: 'mira@example.test',
  role: 'viewer',
  tenantSlug: 'northwind',
  tenantName: 'Northwind',
}

test('a session comes back as it was', () => {
  expect(parseSession(JSON.stringify(session), API, 999)).toEqual(session)
})

test.each([
  ['none was kept', null, 0],
  ['it has expired', JSON.stringify(session), 1_000],
  ['another server gave it', JSON.stringify({ ...session, api: 'https://other.example' }), 0],
  ['it is no JSON', '{', 0],
  ['it is no object', '"text"', 0],
  ['it is null', 'null', 0],
  ['a member is missing', JSON.stringify({ ...session, token: undefined }), 0],
  ['the time is a text', JSON.stringify({ ...session, expiresAt: '9999' }), 0],
])('nobody is signed in when %s', (_, text, now) => {
  expect(parseSession(text, API, now)).toBeNull()
})
