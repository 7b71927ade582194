import { expect, test } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { type AddressLimit, limitByAddress, networkOf } from '../../src/tenants/limits/address.ts'
import { usePlatform } from '../support/platform.ts'
import { listTablesHolding } from '../support/stored.ts'

const platform = usePlatform()

let made = 0
/** A purpose of the test's own. */
const limit = (change: Partial<AddressLimit> = {}): AddressLimit => {
  made += 1
  return { purpose: `test-${made}`, perMinute: 6, burst: 3, ...change }
}
const from = (clientAddress: string | null): RequestContext => ({ ...platform.tenant.ctx, clientAddress })
const outcome = (ctx: RequestContext, which: AddressLimit) =>
  limitByAddress(ctx, which).then(
    () => 'admitted',
    ({ code, headers }) => `${code} ${headers['Retry-After']}`,
  )

test('an address may come so often, and is then told when it may come again', async () => {
  const which = limit()
  const outcomes = []
  for (let i = 0; i < 5; i++) outcomes.push(await outcome(from('203.0.113.9'), which))
  expect(outcomes.slice(0, 3)).toEqual(['admitted', 'admitted', 'admitted'])
  for (const refused of outcomes.slice(3)) expect(refused).toMatch(/^rate_limited (?:9|10)$/)
})

test('ten at once are counted one by one', async () => {
  const which = limit()
  const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(from('203.0.113.9'), which)))
  expect(outcomes.filter((one) => one === 'admitted')).toHaveLength(3)
})

test('another address and another purpose count for themselves', async () => {
  const which = limit({ burst: 1 })
  expect(await outcome(from('203.0.113.9'), which)).toBe('admitted')
  expect(await outcome(from('203.0.113.9'), which)).toMatch(/rate_limited/)
  expect(await outcome(from('203.0.113.10'), which)).toBe('admitted')
  expect(await outcome(from('203.0.113.9'), limit({ burst: 1 }))).toBe('admitted')
})

test('an IPv6 network counts as one', async () => {
  const which = limit({ burst: 1 })
  expect(await outcome(from('2001:db8:0:7::1'), which)).toBe('admitted')
  expect(await outcome(from('2001:db8:0:7:ffff::2'), which)).toMatch(/rate_limited/)
  expect(await outcome(from('2001:db8:0:8::1'), which)).toBe('admitted')
})

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::', 'fe80:0:0:0::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  [null, 'unknown'],
])('%s is counted as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})

test('no address is stored, and a row goes when it says nothing any more', async () => {
  const which = limit({ perMinute: 1_000, burst: 1_000 })
  await limitByAddress(from('198.51.100.77'), which)
  expect(await listTablesHolding(platform, '198.51.100.77')).toEqual([])
  await platform.query(`update internal.address_limits set full_at = now() - interval '1 second'`)
  const rows = () => platform.query('select from internal.address_limits')
  const before = (await rows()).length
  await limitByAddress(from('198.51.100.78'), which)
  expect((await rows()).length).toBeLessThanOrEqual(Math.max(1, before - 9))
})

test('what cannot be counted does not go on', async () => {
  const which = limit()
  await platform.withoutDatabase(async () => {
    await expect(limitByAddress(from('203.0.113.9'), which)).rejects.toThrow()
  })
})
