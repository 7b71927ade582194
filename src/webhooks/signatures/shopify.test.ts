import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { verifyShopify } from './shopify.ts'

const SECRET = 'shpss_look_alike_new'
const OLD_SECRET = 'shpss_look_alike_old'

const ORDER = readFileSync(new URL('../../../test/fixtures/shopify/orders.paid.json', import.meta.url), 'utf8')

function sign(rawBody: Buffer | string, secret: string): string {
  return createHmac('sha256', secret).update(rawBody).digest('base64')
}

function verify(
  signature: string | string[] | undefined,
  { rawBody = Buffer.from(ORDER), secrets = [SECRET] }: { rawBody?: Buffer; secrets?: string[] } = {},
): boolean {
  const headers = signature === undefined ? {} : { 'x-shopify-hmac-sha256': signature }
  return verifyShopify({ rawBody, headers, secrets, now: new Date(0), endpoint: null })
}

describe('verify', () => {
  const signature = sign(ORDER, SECRET)
  // 32 bytes leave two spare bits in the last digit: the next digit decodes to the same bytes.
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const alias = `${signature.slice(0, 42)}${alphabet[alphabet.indexOf(signature.charAt(42)) + 1]}=`

  test("the vendor's own vector", () => {
    const vector = { rawBody: Buffer.from('{"foo": "bar"}'), secrets: ['test_secret_key'] }
    expect(verify('B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=', vector)).toBe(true)
    expect(
      verify('B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=', { ...vector, rawBody: Buffer.from('{"foo":"bar"}') }),
    ).toBe(false)
  })

  test('the alias of the signature really decodes to the same bytes', () => {
    expect(Buffer.from(alias, 'base64')).toEqual(Buffer.from(signature, 'base64'))
    expect(alias).not.toBe(signature)
  })

  test.each<[string, string | string[] | undefined, boolean]>([
    ['a good signature', signature, true],
    ['no header', undefined, false],
    ['an empty header', '', false],
    ['two headers as an array', [signature, signature], false],
    ['an array with one value', [signature], false],
    ['two headers, as Node joins them', `${signature}, ${signature}`, false],
    ['without its padding', signature.slice(0, -1), false],
    ['truncated', signature.slice(0, 40), false],
    ['another spelling of the same bytes', alias, false],
    ['in URL-safe base64', signature.replaceAll('+', '-').replaceAll('/', '_').replace('=', '_'), false],
    ['in hex', Buffer.from(signature, 'base64').toString('hex'), false],
    ['in another case', signature.toLowerCase(), false],
    ['with a space before it', ` ${signature}`, false],
    ['with a line break after it', `${signature}\n`, false],
    ['in unicode', `${signature.slice(0, 42)}\u{ff10}=`, false],
    ['zero', `${'A'.repeat(43)}=`, false],
    ['a megabyte', 'A'.repeat(1 << 20), false],
  ])('%s', (_name, header, expected) => {
    expect(verify(header)).toBe(expected)
  })

  test.each<[string, string[], boolean]>([
    ['new and old', [SECRET, OLD_SECRET], true],
    ['old and new', [OLD_SECRET, SECRET], true],
    ['only the old one, after it was revoked', [OLD_SECRET], false],
    ['none', [], false],
    ['an empty one', [''], false],
  ])('secrets: %s', (_name, secrets, expected) => {
    expect(verify(signature, { secrets })).toBe(expected)
  })

  test.each<[string, string[]]>([
    ['', []],
    ['', ['']],
    [' ', [' ']],
  ])('what the blank secret %j signed verifies with none of %j', (secret, secrets) => {
    expect(verify(sign(ORDER, secret), { secrets })).toBe(false)
  })

  test('one flipped bit in any byte of the body or the signature is refused', () => {
    const accepted: string[] = []
    for (const [index] of Buffer.from(ORDER).entries()) {
      const rawBody = Buffer.from(ORDER)
      rawBody[index] = (rawBody[index] ?? 0) ^ (1 << (index % 8))
      if (verify(signature, { rawBody })) accepted.push(`body ${index}`)
    }
    for (let bit = 0; bit < signature.length * 8; bit += 1) {
      const flipped = Buffer.from(signature)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (verify(flipped.toString('latin1'))) accepted.push(`signature bit ${bit}`)
    }
    expect(accepted).toEqual([])
  })
})
