import { describe, expect, test } from 'vitest'
import { ProblemError } from '../problem/problem.ts'
import { type ParameterRow, planParameters, readParameters } from './parameters.ts'

function row(name: string, type: string, extra: object = {}): ParameterRow {
  return { name, in: 'query', required: false, type, style: 'form', explode: true, ...extra } as ParameterRow
}

const plan = planParameters([
  row('q', 'string'),
  row('n', 'integer'),
  row('x', 'number'),
  row('b', 'boolean'),
  row('many', 'array', { items: 'integer' }),
  row('list', 'array', { items: 'string', explode: false }),
  row('id', 'string', { in: 'path', style: 'simple', explode: false }),
  row('X-Tags', 'array', { in: 'header', items: 'string', style: 'simple', explode: false }),
  row('X-Count', 'integer', { in: 'header', style: 'simple', explode: false }),
])

function read(query: string, params: Record<string, string> = {}, headers: Record<string, string> = {}) {
  return readParameters(plan, { query, params, headers })
}

function problemOf(run: () => unknown): [string, string | undefined] {
  try {
    run()
  } catch (error) {
    if (error instanceof ProblemError) return [error.code, error.errors?.[0]?.code]
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('readParameters', () => {
  test.each([
    ['q=a%20b+c', { q: 'a b c' }],
    ['q=a%2Bb%26c%3D', { q: 'a+b&c=' }],
    ['q=%F0%9F%98%80', { q: '😀' }],
    ['q', { q: '' }],
    ['q=a=b', { q: 'a=b' }],
    ['&&q=1&', { q: '1' }],
    ['n=-12', { n: -12 }],
    ['n=007', { n: '007' }],
    ['n=1e3', { n: '1e3' }],
    ['n=', { n: '' }],
    ['n=9007199254740993', { n: '9007199254740993' }],
    ['x=1.5e2', { x: 150 }],
    ['x=1e999', { x: '1e999' }],
    ['x=NaN', { x: 'NaN' }],
    ['x=0x10', { x: '0x10' }],
    ['b=true', { b: true }],
    ['b=1', { b: '1' }],
    ['many=1', { many: [1] }],
    ['many=1&many=x&many=3', { many: [1, 'x', 3] }],
    ['list=a,b%2Cc', { list: ['a', 'b', 'c'] }],
    ['', {}],
  ])('reads ?%s', (query, expected) => {
    expect(read(query).query).toEqual(expected)
  })

  test('path and headers read by type too', () => {
    expect(read('', { id: 'a/b' }, { 'x-tags': 'a, b', 'x-count': '3' })).toEqual({
      path: { id: 'a/b' },
      query: {},
      header: { 'x-tags': ['a', 'b'], 'x-count': 3 },
    })
  })

  test.each([
    ['q=%zz', 'malformed_request', 'percent_encoding'],
    ['q=%E0%A4', 'malformed_request', 'percent_encoding'],
    ['q=%ED%A0%80', 'malformed_request', 'percent_encoding'],
    ['q=%00', 'malformed_request', 'nul_character'],
    ['q=1&q=1', 'validation_failed', 'duplicate_parameter'],
    ['list=a&list=b', 'validation_failed', 'duplicate_parameter'],
    ['nope=1', 'validation_failed', 'unknown_parameter'],
    ['Q=1', 'validation_failed', 'unknown_parameter'],
    ['__proto__=1', 'validation_failed', 'unknown_parameter'],
    ['q[a]=1', 'validation_failed', 'unknown_parameter'],
  ])('refuses ?%s', (query, code, item) => {
    expect(problemOf(() => read(query))).toEqual([code, item])
  })

  test('refuses NUL in the path', () => {
    expect(problemOf(() => read('', { id: 'a\0' }))).toEqual(['malformed_request', 'nul_character'])
  })
})
