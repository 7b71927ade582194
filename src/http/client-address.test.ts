import { describe, expect, test } from 'vitest'
import { createClientFinder } from './client-address.ts'

const PROXY = '10.0.0.7'
const NETWORKS = ['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1']

function find(headers: Record<string, string>, peer: string | undefined = PROXY, networks = NETWORKS): string | null {
  return createClientFinder(networks)({ peer, headers })
}

describe('without trusted proxies the headers say nothing', () => {
  test.each<[string, string]>([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['::FFFF:CB00:7109', '203.0.113.9'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
  ])('%s is %s', (peer, canonical) => {
    const headers = { 'x-forwarded-for': '198.51.100.1', forwarded: 'for=198.51.100.1' }
    expect(find(headers, peer, [])).toBe(canonical)
  })

  test('a closed socket has no address', () => {
    expect(createClientFinder([])({ peer: undefined, headers: {} })).toBeNull()
  })

  test('a peer that is no proxy is the client, whatever it says', () => {
    expect(find({ 'x-forwarded-for': '198.51.100.1' }, '203.0.113.9')).toBe('203.0.113.9')
    expect(find({ 'x-forwarded-for': '198.51.100.1' }, '11.0.0.1')).toBe('11.0.0.1')
    expect(find({ 'x-forwarded-for': '198.51.100.1' }, '192.0.2.2')).toBe('192.0.2.2')
  })
})

describe('X-Forwarded-For from the right', () => {
  test.each<[string, string, string]>([
    ['one entry', '203.0.113.9', '203.0.113.9'],
    ['what the client wrote itself stands to the left', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['proxies of ours are passed over', '1.1.1.1, 203.0.113.9, 192.0.2.1, 10.9.9.9', '203.0.113.9'],
    ['an address of ours that the client invented', '10.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['repeated lines, as Node joins them', '1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['all are ours: the first', '10.1.1.1, 10.2.2.2', '10.1.1.1'],
    ['spaces and tabs', ' \t203.0.113.9\t ', '203.0.113.9'],
    ['no spaces', '1.1.1.1,203.0.113.9', '203.0.113.9'],
    ['a port', '203.0.113.9:52011', '203.0.113.9'],
    ['IPv6', '2001:DB8::9', '2001:db8::9'],
    ['IPv6 in brackets', '[2001:db8::9]', '2001:db8::9'],
    ['IPv6 with a port', '[2001:db8::9]:443', '2001:db8::9'],
    ['IPv4 in IPv6', '::ffff:203.0.113.9', '203.0.113.9'],
    ['a proxy of ours as IPv4 in IPv6', '203.0.113.9, ::ffff:10.1.1.1', '203.0.113.9'],
    ['garbage to the left is never read', 'nonsense, 203.0.113.9', '203.0.113.9'],
  ])('%s', (_, value, client) => {
    expect(find({ 'x-forwarded-for': value })).toBe(client)
    expect(find({ 'x-forwarded-for': value }, `::ffff:${PROXY}`)).toBe(client)
  })

  test('eight thousand blanks are read', () => {
    const blanks = ' \t'.repeat(4_000)
    expect(find({ 'x-forwarded-for': `1.1.1.1, ${blanks}203.0.113.9${blanks}` })).toBe('203.0.113.9')
    expect(find({ 'x-forwarded-for': `a${blanks}b, 203.0.113.9` })).toBe('203.0.113.9')
    expect(find({ 'x-forwarded-for': `203.0.113.9${blanks}b` })).toBe(PROXY)
  })

  test.each([
    ['garbage', 'nonsense'],
    ['garbage behind proxies', '203.0.113.9, unknown, 10.1.1.1'],
    ['nothing', ''],
    ['an empty entry', '203.0.113.9,'],
    ['only commas', ',,'],
    ['a name', 'client.example'],
    ['too large', '256.1.1.1'],
    ['octal, which readers disagree about', '0203.0.113.9'],
    ['hex', '0xcb007109'],
    ['three parts', '203.0.113'],
    ['a network', '203.0.113.0/24'],
    ['a zone', 'fe80::1%eth0'],
    ['a port without an address', ':443'],
    ['brackets around IPv4', '[203.0.113.9]'],
    ['brackets that do not close', '[2001:db8::9'],
    ['a space inside', '203.0.113. 9'],
    ['NUL', '203.0.113.9\0'],
    ['CR', '203.0.113.9\r'],
    ['a full-width digit', '２03.0.113.9'],
    ['quotes, which belong to Forwarded', '"203.0.113.9"'],
  ])('%s: the socket', (_, value) => {
    expect(find({ 'x-forwarded-for': value })).toBe(PROXY)
  })
})

describe('Forwarded (RFC 7239)', () => {
  test.each<[string, string, string]>([
    ['an address', 'for=203.0.113.9', '203.0.113.9'],
    ['in any case, among others', 'proto=https;For=203.0.113.9;by=10.0.0.1;host=a.example', '203.0.113.9'],
    ['spaces where they may be', 'for=203.0.113.9 ; proto=http , for=10.1.1.1', '203.0.113.9'],
    ['from the right', 'for=1.1.1.1, for=203.0.113.9, for=10.1.1.1', '203.0.113.9'],
    ['IPv6, which needs quotes', 'for="[2001:DB8::9]:4711"', '2001:db8::9'],
    ['a port, which needs them too', 'for="203.0.113.9:80"', '203.0.113.9'],
    ['an escaped character', 'for="203.0.113.\\9"', '203.0.113.9'],
    ['a comma and an element inside quotes', 'for=203.0.113.9;ext="a, for=1.1.1.1"', '203.0.113.9'],
    ['an obfuscated client to the left', 'for=_secret, for=203.0.113.9', '203.0.113.9'],
  ])('%s', (_, value, client) => {
    expect(find({ forwarded: value })).toBe(client)
  })

  test.each([
    ['nothing', ''],
    ['unknown', 'for=unknown'],
    ['obfuscated', 'for=_hidden'],
    ['no for', 'proto=https'],
    ['two of them', 'for=203.0.113.9;for=1.1.1.1'],
    ['an open quote', 'for="203.0.113.9'],
    ['an open quote that would swallow an element', 'for="1.1.1.1, for=203.0.113.9'],
    ['IPv6 without quotes', 'for=[2001:db8::9]'],
    ['spaces around the equals sign', 'for = 203.0.113.9'],
    ['an empty element', 'for=203.0.113.9, ,for=10.1.1.1'],
    ['an address alone', '203.0.113.9'],
    ['garbage behind it', 'for=203.0.113.9 x'],
  ])('%s: the socket', (_, value) => {
    expect(find({ forwarded: value })).toBe(PROXY)
  })

  test.each([
    ['spaces behind an address', `for=203.0.113.9${' '.repeat(8_000)}`, '203.0.113.9'],
    ['spaces before one', `${' '.repeat(8_000)}for=203.0.113.9`, '203.0.113.9'],
    ['empty pairs', `for=203.0.113.9${'; '.repeat(8_000)}`, '203.0.113.9'],
    ['empty pairs before an open quote', `for=203.0.113.9${'; '.repeat(8_000)}"`, PROXY],
    ['empty pairs between tabs', `for=203.0.113.9${' \t;\t '.repeat(8_000)}x`, PROXY],
    ['pairs', `${'a=b ; '.repeat(8_000)}for=203.0.113.9`, '203.0.113.9'],
    ['pairs that never end', `${'a=b ; '.repeat(8_000)}a=b a`, PROXY],
    ['escapes', `for="${'\\1'.repeat(8_000)}"`, PROXY],
    ['escapes in an open quote', `for="${'\\1'.repeat(8_000)}`, PROXY],
    ['open quotes', 'a="'.repeat(8_000), PROXY],
    ['elements', `${'for=1.1.1.1 , '.repeat(8_000)}for=203.0.113.9`, '203.0.113.9'],
  ])('eight thousand %s are read', (_, value, client) => {
    expect(find({ forwarded: value })).toBe(client)
  })
})

describe('a proxy that nobody trusts is noticed', () => {
  const count = (networks: string[], requests: Record<string, string>[]): number => {
    let calls = 0
    const findClient = createClientFinder(networks, () => {
      calls += 1
    })
    for (const headers of requests) findClient({ peer: PROXY, headers })
    return calls
  }

  test('once, by the first of its headers', () => {
    const [a, b] = [{ 'x-forwarded-for': '203.0.113.9' }, { forwarded: 'for=203.0.113.9' }]
    expect(count([], [{}, a, b, a])).toBe(1)
    expect(count([], [b, {}])).toBe(1)
    expect(count([], [{}, { 'x-forwarded-host': 'a.example' }])).toBe(0)
  })
  test('never where some are trusted: whoever is not among them may write what they like', () => {
    expect(count(['192.0.2.1'], [{ 'x-forwarded-for': '203.0.113.9' }])).toBe(0)
  })
})

describe('both headers', () => {
  test('that agree', () => {
    expect(find({ forwarded: 'for=203.0.113.9', 'x-forwarded-for': '1.1.1.1, 203.0.113.9' })).toBe('203.0.113.9')
  })
  test.each([
    ['other clients', 'for=1.1.1.1', '203.0.113.9'],
    ['one of them garbage', 'for=unknown', '203.0.113.9'],
    ['the other garbage', 'for=203.0.113.9', 'nonsense'],
  ])('%s: the socket', (_, forwarded, forwardedFor) => {
    expect(find({ forwarded, 'x-forwarded-for': forwardedFor })).toBe(PROXY)
  })
})

test('a network that is none stops the start', () => {
  for (const bad of ['10.0.0.0/33', 'proxy.example', '']) expect(() => createClientFinder([bad]), bad).toThrow()
})
