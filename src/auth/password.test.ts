import { availableParallelism } from 'node:os'
import { describe, expect, test, vi } from 'vitest'
import { countHashes, decoyHash, hashPassword, verifyPassword } from './password.ts'

test('a hash is a PHC string of argon2id with the stated cost, and verifies its password only', async () => {
  const phc = await hashPassword('correct horse')
  expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(await verifyPassword('correct horse', phc)).toBe(true)
  for (const wrong of ['', 'correct hors', 'correct horse ', 'Correct horse'])
    expect(await verifyPassword(wrong, phc), JSON.stringify(wrong)).toBe(false)
})

test('the same password has another hash each time', async () => {
  expect(await hashPassword('same')).not.toBe(await hashPassword('same'))
})

test('verifies a hash that the reference implementation made, at the cost that stands in it', async () => {
  // Source: test.c of https://github.com/P-H-C/phc-winner-argon2 (version 1.3, t=2, m=2^16, p=1).
  const phc = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  expect(await verifyPassword('password', phc)).toBe(true)
  expect(await verifyPassword('Password', phc)).toBe(false)
})

test('the same text in another Unicode form is the same password', async () => {
  expect(await verifyPassword('caf\u00e9', await hashPassword('cafe\u0301'))).toBe(true)
})

describe('a text that is no such hash is an error, not a wrong password', () => {
  test.each([
    '',
    'plain',
    '$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1a',
    '$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1a',
    '$2b$12$abcdefghijklmnopqrstuv',
  ])('%j', async (phc) => {
    await expect(verifyPassword('password', phc)).rejects.toThrow(TypeError)
  })
})

test('a hash that was cut short verifies nothing', async () => {
  const phc = await hashPassword('password')
  expect(await verifyPassword('password', phc.slice(0, -4))).toBe(false)
})

test('the decoy costs as much as a real one, is made once, and has no password', async () => {
  expect(await decoyHash()).toBe(await decoyHash())
  expect(await decoyHash()).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect(await verifyPassword('', await decoyHash())).toBe(false)
})

test('a decoy that could not be made is made the next time', async () => {
  // Without the decoy that another test has made.
  vi.resetModules()
  const fresh: typeof import('./password.ts') = await import('./password.ts')
  const flood = Array.from({ length: 61 * availableParallelism() }, () => fresh.hashPassword('password'))
  await expect(fresh.decoyHash()).rejects.toMatchObject({ code: 'service_unavailable' })
  await Promise.all(flood)
  expect(await fresh.decoyHash()).toBe(await fresh.decoyHash())
})

test('each costs one hash, and beyond some seconds of waiting there is none to be had', async () => {
  const phc = await hashPassword('password')
  const before = countHashes()
  const flood = Array.from({ length: 62 * availableParallelism() }, () => verifyPassword('password', phc))
  const outcomes = await Promise.allSettled(flood)
  const refused = outcomes.filter(({ status }) => status === 'rejected')
  expect(refused.length).toBe(availableParallelism())
  for (const outcome of refused) {
    expect(outcome).toMatchObject({ reason: { code: 'service_unavailable' } })
  }
  expect(countHashes() - before).toBe(outcomes.length - refused.length)
})

test('more at once than cores wait for their turn and all come through, also after errors', async () => {
  const phc = await hashPassword('password')
  const outcomes = await Promise.all(
    Array.from({ length: 24 }, (_, index) =>
      verifyPassword('password', index % 3 === 0 ? phc.replace('m=19456', 'm=1') : phc).catch(() => 'error'),
    ),
  )
  expect(outcomes.filter((outcome) => outcome === true)).toHaveLength(16)
  expect(await verifyPassword('password', phc)).toBe(true)
})
