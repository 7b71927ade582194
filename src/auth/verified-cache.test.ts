import { expect, test } from 'vitest'
import { createVerifiedCache, hashCredential } from './verified-cache.ts'

test('what was put in comes out, until it is taken out', () => {
  const cache = createVerifiedCache<number>()
  cache.set('a', 1)
  expect(cache.get('a')).toBe(1)
  expect(cache.get('b')).toBeUndefined()
  cache.delete('a')
  expect(cache.get('a')).toBeUndefined()
})

test('holds no more than it may; the one unused for longest makes room', () => {
  const cache = createVerifiedCache<number>(3)
  for (const [index, hash] of ['a', 'b', 'c'].entries()) cache.set(hash, index)
  cache.get('a')
  cache.set('b', 9)
  cache.set('d', 4)
  expect(['a', 'b', 'c', 'd'].map((hash) => cache.get(hash))).toEqual([0, 9, undefined, 4])
})

test('a credential is remembered by a hash that does not contain it', () => {
  const hash = hashCredential('header.claims.signature')
  expect(hash).toMatch(/^[A-Za-z0-9+/]{43}=$/)
  expect(hash).not.toBe(hashCredential('header.claims.signaturf'))
})
