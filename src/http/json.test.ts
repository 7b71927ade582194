import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProblemError } from '../problem/problem.ts'
import { MAX_JSON_DEPTH, MAX_JSON_KEYS, parseJson } from './json.ts'

function codeOf(bytes: Buffer | string): string | undefined {
  try {
    parseJson(Buffer.from(bytes as string))
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    expect(error.code).toBe('malformed_request')
    return error.errors?.[0]?.code
  }
  return undefined
}

describe('parseJson', () => {
  test.each([
    ['nothing at all', '', 'empty_body'],
    ['plain text', 'hello', 'syntax'],
    ['a cut-off object', '{"a":1', 'syntax'],
    ['two values', '{} {}', 'syntax'],
    ['a comment', '{"a":1 /* no */}', 'syntax'],
    ['NaN', '{"a":NaN}', 'syntax'],
    ['a byte order mark', '\uFEFF{}', 'byte_order_mark'],
    ['a raw NUL', '{"a":"\0"}', 'nul_character'],
    ['an escaped NUL', '{"a":"\\u0000"}', 'nul_character'],
    ['an escaped NUL in a name', '{"\\u0000":1}', 'nul_character'],
    ['a lone high surrogate', '{"a":["\\ud800"]}', 'lone_surrogate'],
    ['a lone low surrogate in a name', '{"\\udc00":1}', 'lone_surrogate'],
    ['20,000 arrays', '['.repeat(20_000), 'too_deep'],
    ['20,000 objects', '{"a":'.repeat(20_000), 'too_deep'],
    ['one level too many', '['.repeat(MAX_JSON_DEPTH + 1) + ']'.repeat(MAX_JSON_DEPTH + 1), 'too_deep'],
    ['a name twice', '{"a":1,"a":2}', 'duplicate_key'],
    ['a name twice, once escaped', '{"a":1,"\\u0061":2}', 'duplicate_key'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', 'duplicate_key'],
    ['too many names', `{${Array.from({ length: MAX_JSON_KEYS + 1 }, (_, i) => `"k${i}":1`)}}`, 'too_many_keys'],
  ])('refuses %s', (_name, text, code) => {
    expect(codeOf(text)).toBe(code)
  })

  test('refuses bytes that are not UTF-8, and CESU surrogates', () => {
    expect(codeOf(Buffer.from([0x22, 0xff, 0x22]))).toBe('invalid_utf8')
    expect(codeOf(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('invalid_utf8')
  })

  test('names the place of a bad string', () => {
    expect(() => parseJson(Buffer.from('{"a/b":["x","\\ud800"]}'))).toThrow(
      expect.objectContaining({ errors: [expect.objectContaining({ pointer: '/body/a~1b/1' })] }),
    )
  })

  test('accepts the deepest allowed value, and brackets inside strings do not count', () => {
    expect(codeOf('['.repeat(MAX_JSON_DEPTH) + ']'.repeat(MAX_JSON_DEPTH))).toBeUndefined()
    expect(parseJson(Buffer.from(JSON.stringify('[{:"\\'.repeat(1_000))))).toBe('[{:"\\'.repeat(1_000))
    expect(parseJson(Buffer.from('"\\ud83d\\ude00"'))).toBe('😀')
  })

  test('__proto__ and constructor are plain members and pollute nothing', () => {
    const value = parseJson(Buffer.from('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'))
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor'])
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test('reads whatever JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), (value) => {
        const text = JSON.stringify(value)
        if (text.includes('\\u0000') || /\\ud[89a-f]/i.test(text)) return
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text))
      }),
    )
  })
})
