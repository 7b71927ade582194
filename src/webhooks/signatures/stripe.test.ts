import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import Stripe from 'stripe'
import { describe, expect, test } from 'vitest'
import { verifyStripe } from './stripe.ts'

const SECRET = 'whsec_look_alike_new'
const OLD_SECRET = 'whsec_look_alike_old'
const SIGNED_AT = 1_793_880_002
const NOW = new Date(SIGNED_AT * 1000)

const CHARGE = readFileSync(new URL('../../../test/fixtures/stripe/charge.succeeded.json', import.meta.url))

function sign(rawBody: Buffer | string, secret: string, at = SIGNED_AT): string {
  return createHmac('sha256', secret).update(`${at}.`).update(rawBody).digest('hex')
}

function verify(
  header: string | string[] | undefined,
  { rawBody = CHARGE, secrets = [SECRET], now = NOW } = {},
): boolean {
  const headers = header === undefined ? {} : { 'stripe-signature': header as string }
  return verifyStripe({ rawBody, headers, secrets, now, endpoint: null })
}

describe('verify', () => {
  const v1 = sign(CHARGE, SECRET)
  const forged = '0'.repeat(64)

  test.each<[string, string | string[] | undefined, boolean]>([
    ['a good signature', `t=${SIGNED_AT},v1=${v1}`, true],
    ['v1 before t', `v1=${v1},t=${SIGNED_AT}`, true],
    ['the second of two v1', `t=${SIGNED_AT},v1=${forged},v1=${v1}`, true],
    ['a v0 beside it', `t=${SIGNED_AT},v1=${v1},v0=${forged}`, true],
    ['a scheme of the future beside it', `t=${SIGNED_AT},v2=x==,v1=${v1}`, true],
    ['only a v0', `t=${SIGNED_AT},v0=${v1}`, false],
    ['no header', undefined, false],
    ['an empty header', '', false],
    ['an array with one value', [`t=${SIGNED_AT},v1=${v1}`], false],
    ['two headers, as Node joins them', `t=${SIGNED_AT},v1=${v1}, t=${SIGNED_AT},v1=${v1}`, false],
    ['two times', `t=${SIGNED_AT},t=${SIGNED_AT},v1=${v1}`, false],
    ['no time', `v1=${v1}`, false],
    ['no signature', `t=${SIGNED_AT}`, false],
    ['an empty signature', `t=${SIGNED_AT},v1=`, false],
    ['upper-case hex', `t=${SIGNED_AT},v1=${v1.toUpperCase()}`, false],
    ['a truncated signature', `t=${SIGNED_AT},v1=${v1.slice(0, 63)}`, false],
    ['a lengthened signature', `t=${SIGNED_AT},v1=${v1}0`, false],
    ['base64 instead of hex', `t=${SIGNED_AT},v1=${Buffer.from(v1, 'hex').toString('base64')}`, false],
    ['not hex', `t=${SIGNED_AT},v1=${'z'.repeat(64)}`, false],
    ['another time than the signed one', `t=${SIGNED_AT + 1},v1=${v1}`, false],
    ['a time with a leading zero', `t=0${SIGNED_AT},v1=${v1}`, false],
    ['a time in hex', `t=0x6aec7a02,v1=${v1}`, false],
    ['a negative time', `t=-1,v1=${v1}`, false],
    ['a time that is no number', `t=now,v1=${v1}`, false],
    ['a time beyond every clock', `t=${'9'.repeat(400)},v1=${v1}`, false],
    ['a space', `t=${SIGNED_AT}, v1=${v1}`, false],
    ['a trailing comma', `t=${SIGNED_AT},v1=${v1},`, false],
    ['a unicode header', `t=${SIGNED_AT},v1=${v1.slice(0, 63)}\u{ff10}`, false],
    ['a unicode scheme', `t=${SIGNED_AT},ｖ1=${v1}`, false],
    ['a header of a megabyte', `t=${SIGNED_AT},${`v1=${forged},`.repeat(15_000)}v1=${v1}`, false],
  ])('%s', (_name, header, expected) => {
    expect(verify(header)).toBe(expected)
  })

  test.each<[string, number, boolean]>([
    ['300 s old, the limit', 300, true],
    ['301 s old', 301, false],
    ['300 s ahead, the limit', -300, true],
    ['301 s ahead', -301, false],
    ['now', 0, true],
    ['an hour old', 3600, false],
  ])('%s', (_name, ageS, expected) => {
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { now: new Date((SIGNED_AT + ageS) * 1000) })).toBe(expected)
  })

  test.each<[string, string[], boolean]>([
    ['the right one', [SECRET], true],
    ['old and new, either signs', [OLD_SECRET, SECRET], true],
    ['new and old', [SECRET, OLD_SECRET], true],
    ['only the old one, after the roll', [OLD_SECRET], false],
    ['none', [], false],
    ['an empty one', [''], false],
    ['without its prefix', [SECRET.slice('whsec_'.length)], false],
  ])('secrets: %s', (_name, secrets, expected) => {
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { secrets })).toBe(expected)
  })

  test.each(['', ' ', '\t\n'])('a blank secret %j verifies nothing, even what it signed', (secret) => {
    expect(verify(`t=${SIGNED_AT},v1=${sign(CHARGE, secret)}`, { secrets: [secret] })).toBe(false)
  })

  test('an empty secret list does not verify what the empty key signed', () => {
    expect(verify(`t=${SIGNED_AT},v1=${sign(CHARGE, '')}`, { secrets: [] })).toBe(false)
  })

  test('an empty body is signed like any other', () => {
    const rawBody = Buffer.alloc(0)
    expect(verify(`t=${SIGNED_AT},v1=${sign(rawBody, SECRET)}`, { rawBody })).toBe(true)
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { rawBody })).toBe(false)
  })

  test('one flipped bit in any byte of the body or the header is refused', () => {
    const header = Buffer.from(`t=${SIGNED_AT},v1=${v1}`)
    const accepted: string[] = []
    for (let index = 0; index < CHARGE.length; index += 1) {
      const rawBody = Buffer.from(CHARGE)
      rawBody[index] = (rawBody[index] ?? 0) ^ (1 << (index % 8))
      if (verify(header.toString(), { rawBody })) accepted.push(`body ${index}`)
    }
    for (let bit = 0; bit < header.length * 8; bit += 1) {
      const flipped = Buffer.from(header)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (verify(flipped.toString('latin1'))) accepted.push(`header bit ${bit}`)
    }
    expect(accepted).toEqual([])
  })

  test('a body without its last byte is refused', () => {
    expect(verify(`t=${SIGNED_AT},v1=${v1}`, { rawBody: CHARGE.subarray(0, -1) })).toBe(false)
  })
})

describe("Stripe's own library as oracle", () => {
  const { webhooks } = new Stripe('sk_test_unused')
  const theirsTakes = (payload: string, header: string): boolean => {
    try {
      webhooks.constructEvent(payload, header, SECRET, 300, undefined, NOW.getTime())
      return true
    } catch {
      return false
    }
  }

  test('we take what it signs, whatever the body', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1 }),
        fc.integer({ min: -300, max: 300 }),
        (payload, skewS) => {
          const header = webhooks.generateTestHeaderString({ payload, secret: SECRET, timestamp: SIGNED_AT + skewS })
          expect(verify(header, { rawBody: Buffer.from(payload) })).toBe(true)
          expect(verify(header, { rawBody: Buffer.from(payload), secrets: [OLD_SECRET] })).toBe(false)
          expect(verify(header, { rawBody: Buffer.from(`${payload} `) })).toBe(false)
        },
      ),
    )
  })

  test('it takes what the tests here sign', () => {
    const event = webhooks.constructEvent(
      CHARGE,
      `t=${SIGNED_AT},v1=${sign(CHARGE, SECRET)}`,
      SECRET,
      300,
      undefined,
      NOW.getTime(),
    )
    expect(event.id).toBe('evt_3QLookAlike000000000001')
  })

  test('we take nothing that it refuses', () => {
    const payload = '{"object":"event"}'
    const good = sign(payload, SECRET)
    const tokens = [
      `t=${SIGNED_AT}`,
      `t=${SIGNED_AT - 301}`,
      `v1=${good}`,
      `v0=${good}`,
      `v1=${'0'.repeat(64)}`,
      't=',
      'v1',
      '',
      ' ',
      '=',
    ]
    let taken = 0
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...tokens), { maxLength: 5 }), (items) => {
        const header = items.join(',')
        if (!verify(header, { rawBody: Buffer.from(payload) })) return
        taken += 1
        expect(theirsTakes(payload, header)).toBe(true)
      }),
      { numRuns: 2000 },
    )
    expect(taken).toBeGreaterThan(0)
  })
})
