import { describe, expect, test } from 'vitest'
import { type CursorScope, decodeCursor, encodeCursor } from './cursor.ts'
import { ProblemError } from './problem/problem.ts'
import { deriveKeyRing } from './secrets/keyring.ts'

const ring = deriveKeyRing([Buffer.alloc(32, 1)])
const scope: CursorScope = {
  operationId: 'getAuditLog',
  tenantId: '019cadd4-5620-7cd4-92d0-7df970207de5',
  filters: { action: 'settings.updated', since: undefined },
}
const position = ['1795171950123456', 'c5e8a1f3-7b24-4d90-8f6c-2a3b4c5d6e7f', 7]
const cursor = encodeCursor(ring, scope, position)

function refused(text: string, inScope = scope, by = ring): void {
  let thrown: unknown
  try {
    decodeCursor(by, inScope, text)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(ProblemError)
  expect((thrown as ProblemError).code).toBe('validation_failed')
  expect((thrown as ProblemError).errors?.map(({ pointer }) => pointer)).toEqual(['/query/cursor'])
}

test('a position comes back, and nothing where there is no cursor', () => {
  expect(decodeCursor(ring, scope, cursor)).toEqual(position)
  expect(decodeCursor(ring, scope, undefined)).toBeUndefined()
})

test('the same position is the same text, in the form of the contract; it tells nothing', () => {
  expect(encodeCursor(ring, scope, position)).toBe(cursor)
  expect(cursor).toMatch(/^[A-Za-z0-9_-]{1,512}$/)
  expect(Buffer.from(cursor, 'base64url').toString('latin1')).not.toContain('c5e8a1f3')
  expect(encodeCursor(ring, scope, [...position.slice(0, 2), 8])).not.toBe(cursor)
})

test('the longest address fits; what does not is an error of ours', () => {
  const address = `${'a'.repeat(242)}@example.com`
  expect(encodeCursor(ring, scope, [address]).length).toBeLessThanOrEqual(512)
  expect(() => encodeCursor(ring, scope, ['a'.repeat(500)])).toThrow(RangeError)
})

describe('is refused', () => {
  test.each([
    ['for another operation', { ...scope, operationId: 'listMembers' }],
    ['for another tenant', { ...scope, tenantId: '5b0d9e7c-1f42-4c83-a6b8-93d4e5f60718' }],
    ['with another filter', { ...scope, filters: { action: 'member.invited' } }],
    ['with one filter less', { ...scope, filters: {} }],
    ['with one filter more', { ...scope, filters: { ...scope.filters, since: '2026-11-01T00:00:00Z' } }],
  ])('%s', (_, other) => refused(cursor, other))

  test('with any character changed, left out or added', () => {
    for (let at = 0; at < cursor.length; at += 1) {
      const other = cursor[at] === 'A' ? 'B' : 'A'
      refused(cursor.slice(0, at) + other + cursor.slice(at + 1))
      refused(cursor.slice(0, at) + cursor.slice(at + 1))
      refused(`${cursor.slice(0, at)}-${cursor.slice(at)}`)
    }
  })

  test.each([
    ['nothing', ''],
    ['one character', 'A'],
    ['a position in clear', Buffer.from(JSON.stringify(position)).toString('base64url')],
    ['a long text', 'A'.repeat(10_000)],
    ['padding', `${cursor}=`],
    ['standard base64', Buffer.from(cursor, 'base64url').toString('base64')],
  ])('%s', (_, text) => refused(text))

  test('by another master key, and by ours once it has left the ring', () => {
    const newer = Buffer.alloc(32, 2)
    const rotated = deriveKeyRing([newer, Buffer.alloc(32, 1)])
    expect(decodeCursor(rotated, scope, cursor)).toEqual(position)
    refused(cursor, scope, deriveKeyRing([newer]))
    refused(encodeCursor(rotated, scope, position))
  })
})
