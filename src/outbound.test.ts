import { expect, test } from 'vitest'
import { isPublicAddress, requestPublic } from './outbound.ts'

test.each(['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::200e'])(
  '%s is public',
  (address) => expect(isPublicAddress(address)).toBe(true),
)

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '169.254.169.254',
  '172.16.0.1',
  '192.168.1.1',
  '198.18.0.1',
  '203.0.113.7',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:8.8.8.8',
  '64:ff9b::808:808',
  'fc00::1',
  'fe80::1',
  'ff02::1',
  '2001:db8::1',
  '2002:7f00:1::',
  'localhost',
  '',
])('%j is not', (address) => expect(isPublicAddress(address)).toBe(false))

test.each([
  'http://example.com/',
  'https://127.0.0.1/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://2130706433/',
  'https://user@example.com/',
  'https://localhost:1/',
])('%s is not called', async (address) => {
  const url = new URL(address)
  const answer = requestPublic({ method: 'GET', url, headers: {}, timeoutMs: 2_000, maxBytes: 10 })
  await expect(answer).rejects.toMatchObject({ name: 'PrivateAddressError' })
})
