import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeEntities as decodeForSigning } from '../simulator/signature.ts'
import { decodeEntities, verifyWoocommerce } from './woocommerce.ts'

const SECRET = 'look_alike_new'
const OLD_SECRET = 'look_alike_old'
const ORDER = '{"id":1042,"status":"processing","total":"132.00"}'

const sign = (body: Buffer | string, key: string) => createHmac('sha256', key).update(body).digest('base64')

function verify(signature: string | string[] | undefined, { rawBody = Buffer.from(ORDER), secrets = [SECRET] } = {}) {
  const headers = signature === undefined ? {} : { 'x-wc-webhook-signature': signature }
  return verifyWoocommerce({ rawBody, headers, secrets, now: new Date(0), endpoint: null })
}

describe('a secret as WordPress reads it', () => {
  test.each([
    ['plain text', 'a1B2', 'a1B2'],
    ['an ampersand by its name', 'a&amp;b', 'a&b'],
    ['by its number, with any zeros', '&#38;&#038;&#00038;', '&&&'],
    ['in hex of any case', '&#x26;&#X26;&#x0026;', '&&&'],
    ['less and greater', '&lt;&gt;&#60;&#62;&#060;', '<><><'],
    ['quotes', '&quot;&#34;&#x22;&#039;&#39;&#x27;&#X0027;', '"""' + "''''"],
    ['once, not twice', '&amp;lt;&amp;amp;', '&lt;&amp;'],
    ['not the hex of < and >', '&#x3c;&#x3E;', '&#x3c;&#x3E;'],
    ['not &apos;', '&apos;', '&apos;'],
    ['no name in another case', '&AMP;&Lt;', '&AMP;&Lt;'],
    ['not without its semicolon', '&amp &lt', '&amp &lt'],
    ['other entities stay', '&nbsp;&#32;&eacute;', '&nbsp;&#32;&eacute;'],
  ])('%s', (_, secret, key) => {
    expect(decodeEntities(secret)).toBe(key)
    expect(verify(sign(ORDER, key), { secrets: [secret] })).toBe(true)
    if (key !== secret) expect(verify(sign(ORDER, secret), { secrets: [secret] })).toBe(false)
  })

  test('the simulator, which was written apart, reads any secret alike', () => {
    const part = fc.constantFrom(
      ...['&', '#', 'x', 'X', '0', '26', '38', '60', '62', '34', '22', '39', '27', '3c', 'amp', 'lt', 'gt', 'quot'],
      ...[';', 'a', '&amp;', '&#039;', '&lt;'],
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const secret = parts.join('')
        expect(decodeEntities(secret)).toBe(decodeForSigning(secret))
      }),
      { numRuns: 3000 },
    )
  })
})

describe('verify', () => {
  const signature = sign(ORDER, SECRET)

  test.each<[string, string | string[] | undefined, boolean]>([
    ['a good signature', signature, true],
    ['no header', undefined, false],
    ['an empty header', '', false],
    ['two headers as an array', [signature, signature], false],
    ['two headers, as Node joins them', `${signature}, ${signature}`, false],
    ['without its padding', signature.slice(0, -1), false],
    ['in hex', Buffer.from(signature, 'base64').toString('hex'), false],
    ['in another case', signature.toLowerCase(), false],
    ['in unicode', `${signature.slice(0, 42)}\u{ff10}=`, false],
    ['of SHA-512', createHmac('sha512', SECRET).update(ORDER).digest('base64'), false],
  ])('%s', (_, header, expected) => {
    expect(verify(header)).toBe(expected)
  })

  test.each<[string, string[], boolean]>([
    ['old and new', [OLD_SECRET, SECRET], true],
    ['only the old one', [OLD_SECRET], false],
    ['none', [], false],
    ['an empty one', [''], false],
  ])('secrets: %s', (_, secrets, expected) => {
    expect(verify(signature, { secrets })).toBe(expected)
  })

  test.each(['', ' '])('what the blank secret %j signed is not taken, though it still signs', (secret) => {
    expect(verify(sign(ORDER, secret), { secrets: [secret] })).toBe(false)
    expect(verify(sign(ORDER, secret), { secrets: [] })).toBe(false)
  })

  test('one flipped bit in any byte of the body or the signature is refused', () => {
    const accepted: string[] = []
    for (let bit = 0; bit < ORDER.length * 8; bit += 1) {
      const rawBody = Buffer.from(ORDER)
      rawBody[bit >> 3] = (rawBody[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (verify(signature, { rawBody })) accepted.push(`body bit ${bit}`)
    }
    for (let bit = 0; bit < signature.length * 8; bit += 1) {
      const flipped = Buffer.from(signature)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (verify(flipped.toString('latin1'))) accepted.push(`signature bit ${bit}`)
    }
    expect(accepted).toEqual([])
  })
})
