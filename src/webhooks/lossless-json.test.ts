import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonError, type JsonObject, type JsonValue, MAX_DEPTH, MAX_NODES, parseJson } from './lossless-json.ts'

const parse = (text: string): JsonValue => parseJson(Buffer.from(text))

function faultOf(body: Buffer | string): string {
  try {
    parseJson(Buffer.from(body as string))
  } catch (error) {
    if (error instanceof JsonError) return error.code
    throw error
  }
  return 'none'
}

describe('numbers', () => {
  test.each<[string, JsonValue]>([
    ['0', 0],
    ['-12.5', -12.5],
    ['199.0', 199],
    ['0.1', 0.1],
    ['1e3', 1000],
    ['9007199254740991', 9007199254740991],
    ['-9007199254740991', -9007199254740991],
    ['9007199254740992', '9007199254740992'],
    ['9007199254740993', '9007199254740993'],
    ['-9007199254740993', '-9007199254740993'],
    ['820982911946154508', '820982911946154508'],
    ['1000000000000000000000', '1000000000000000000000'],
    ['1e20', '1e20'],
    ['1e400', '1e400'],
    ['-1E+400', '-1E+400'],
    ['1e-400', '1e-400'],
    ['0e-400', 0],
    ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
    ['0.30000000000000004', 0.30000000000000004],
    ['199.00000000000000000', 199],
    ['5e-324', 5e-324],
    [`1${'0'.repeat(400)}`, `1${'0'.repeat(400)}`],
  ])('%s', (text, value) => {
    expect(parse(text)).toEqual(value)
    expect(parse(`{"a":[ ${text} ]}`)).toEqual({ a: [value] })
  })

  test('text that looks like a number in a string stays as it is', () => {
    expect(parse('{"a":"820982911946154508","b\\":9007199254740993":1}')).toEqual({
      a: '820982911946154508',
      'b":9007199254740993': 1,
    })
  })

  test.each([
    '{9007199254740993:1}',
    '{9007199254740993 \n:1}',
    '{"a":1,9007199254740993:1}',
    '012345678901234567890',
    '1234567890123456789.',
    '-',
    '1.e5000000000000000',
    '12345678901234567890x',
    '"a"12345678901234567890',
    '[1 12345678901234567890]',
    '+12345678901234567890',
    '1-12345678901234567890',
    '12345678901234567890"a"',
  ])('%s is not JSON', (text) => {
    expect(() => JSON.parse(text)).toThrow(SyntaxError)
    expect(faultOf(text)).toBe('syntax')
  })
})

describe('refusals', () => {
  test.each<[string, Buffer | string, string]>([
    ['an empty body', '', 'empty'],
    ['only white space', ' \r\n\t', 'empty'],
    ['no JSON', 'id=1', 'syntax'],
    ['a truncated body', '{"a":"b', 'syntax'],
    ['a truncated escape', '{"a":"\\', 'syntax'],
    ['a truncated \\u', '{"a":"\\u00', 'syntax'],
    ['two values', '{}{}', 'syntax'],
    ['a byte order mark', '\u{feff}{}', 'syntax'],
    ['UTF-16', Buffer.from('{}', 'utf16le'), 'syntax'],
    ['a raw NUL', '{"a":"\0"}', 'syntax'],
    ['a raw control character', '{"a":"\n"}', 'syntax'],
    ['NaN', '[NaN]', 'syntax'],
    ['a stray byte', Buffer.from([0x22, 0xff, 0x22]), 'invalid_utf8'],
    ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'invalid_utf8'],
    ['a surrogate in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'invalid_utf8'],
    ['an escaped NUL', '{"a":"x\\u0000"}', 'nul_character'],
    ['an escaped NUL in a key', '{"\\u0000":1}', 'nul_character'],
    ['a lone high surrogate', '["\\ud800"]', 'lone_surrogate'],
    ['a lone low surrogate', '["\\uDC00"]', 'lone_surrogate'],
    ['a lone surrogate in a key', '{"\\ud83d":1}', 'lone_surrogate'],
    ['a high surrogate before a letter', '["\\ud83dx"]', 'lone_surrogate'],
    ['two low surrogates', '["\\udc00\\udc00"]', 'lone_surrogate'],
    ['two high surrogates', '["\\ud83d\\ud83d"]', 'lone_surrogate'],
    ['a high surrogate before a raw emoji', '["\\ud83d😀"]', 'lone_surrogate'],
    ['a high surrogate before an escaped backslash', '["\\ud83d\\\\ude00"]', 'lone_surrogate'],
    ['depth 20,000', '['.repeat(20_000) + ']'.repeat(20_000), 'too_deep'],
    ['depth 20,000 in objects', `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`, 'too_deep'],
    ['depth 20,000, never closed', '['.repeat(20_000), 'too_deep'],
    ['one level too many', '['.repeat(MAX_DEPTH + 1) + ']'.repeat(MAX_DEPTH + 1), 'too_deep'],
    ['200,000 keys', `{${Array.from({ length: 200_000 }, (_, i) => `"${i}":0`).join()}}`, 'too_many_nodes'],
    ['a million zeros', `[${'0,'.repeat(500_000)}0]`, 'too_many_nodes'],
  ])('%s', (_name, body, code) => {
    expect(faultOf(body)).toBe(code)
  })

  test('the bounds themselves pass', () => {
    expect(faultOf('['.repeat(MAX_DEPTH) + ']'.repeat(MAX_DEPTH))).toBe('none')
    expect(faultOf(`[${'0,'.repeat(MAX_NODES - 2)}0]`)).toBe('none')
    expect(faultOf(`[${'0,'.repeat(MAX_NODES - 1)}0]`)).toBe('too_many_nodes')
  })

  test('depth is counted down again', () => {
    expect(faultOf(`[${'[{"a":[]}],'.repeat(1000)}0]`)).toBe('none')
  })

  test('brackets and escapes inside strings do not count', () => {
    const text = JSON.stringify({
      a: '['.repeat(1000),
      b: ','.repeat(MAX_NODES + 1),
      c: '\\u0000 \\ud800 \\',
      d: '😀\u{1f600}',
    })
    expect(parse(text)).toEqual(JSON.parse(text))
    expect(parse('["\\\\u0000","\\ud83d\\ude00","\\u0001"]')).toEqual(['\\u0000', '😀', '\u0001'])
  })

  test('an error never quotes the body', () => {
    expect(() => parse('{"email":"jane@example.com')).toThrow(/^the body is not JSON$/)
  })
})

test('__proto__ and constructor are ordinary keys', () => {
  const value = parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as JsonObject
  expect('polluted' in {}).toBe(false)
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
})

test('the last of repeated keys counts, as in jsonb', () => {
  expect(parse('{"id":9007199254740993,"id":"b"}')).toEqual({ id: 'b' })
})

test('agrees with JSON.parse on every value whose numbers a double holds', () => {
  const numbers = fc.oneof(
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
  )
  const values = fc.letrec<{ value: JsonValue }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
      numbers,
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(
        fc.string().filter((key) => !key.includes('\0')),
        tie('value'),
        { maxKeys: 5 },
      ) as fc.Arbitrary<JsonObject>,
    ),
  })).value
  fc.assert(
    fc.property(values, fc.constantFrom(undefined, 2, '\t'), (value, space) => {
      const text = JSON.stringify(value, null, space)
      expect(parse(text)).toEqual(JSON.parse(text))
    }),
  )
})

test('accepts nothing that JSON.parse refuses and refuses nothing that it accepts', () => {
  const alphabet = [
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    ' ',
    '-',
    '.',
    'e',
    '0',
    '12345678901234567890',
    'true',
    'a',
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 12 }), (tokens) => {
      const text = tokens.join('')
      let accepted = true
      try {
        JSON.parse(text)
      } catch {
        accepted = false
      }
      expect(faultOf(text) === 'none').toBe(accepted)
    }),
    { numRuns: 20_000 },
  )
})

test('a hostile megabyte takes linear time', () => {
  const bodies = [
    '"'.repeat(1 << 20),
    '\\'.repeat(1 << 20),
    '9'.repeat(1 << 20),
    `"${'\\u0041'.repeat(170_000)}"`,
    '-'.repeat(1 << 20),
    '1 '.repeat(1 << 19),
    `1.${'0'.repeat(1 << 17)}1`,
  ]
  const started = process.cpuUsage()
  for (const body of bodies) faultOf(body)
  const { user, system } = process.cpuUsage(started)
  // About 0.1 s in all where measured; a quadratic scan would take minutes.
  expect((user + system) / 1e6).toBeLessThan(10)
})
