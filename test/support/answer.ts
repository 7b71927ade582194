import { gzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { problems } from '../../generated/problems.ts'
import type { ProblemCode } from '../../src/problem/problem.ts'
import type { Answer } from './platform.ts'

/** Holds an answer against the problem registry, and where `pointers` are given, its `errors` against them. */
export function expectProblem(answer: Answer, code: ProblemCode, pointers?: readonly string[]): void {
  const { status, title } = problems[code]
  expect(answer.body).toMatchObject({ type: `/docs/problems/${code}`, code, status, title })
  expect(answer.status).toBe(status)
  expect(answer.headers.get('cache-control')).toBe('no-store')
  if (status === 401) expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="skeldir"')
  if (status === 503) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  if (pointers !== undefined) {
    const found = (answer.body.errors ?? []).map(({ pointer }: { pointer: string }) => pointer)
    expect([...new Set(found)].sort()).toEqual([...pointers].sort())
  }
}

const MASKED = new Set(['x-correlation-id', 'date', 'content-length', 'ratelimit'])

/** All of an answer that may tell something: everything but its correlation id, the address asked for, the time, and what is left of the quota. */
export function masked({ status, headers, text }: Answer): string {
  const id = headers.get('x-correlation-id') ?? ''
  const { instance } = JSON.parse(text) as { instance: string }
  const told = [...headers].filter(([name]) => !MASKED.has(name))
  const body = text.replaceAll(id, '<id>').replace(JSON.stringify(instance), '"<instance>"')
  return JSON.stringify({ status, headers: told, body }, null, 1)
}

const depth = 20_000

/** Bodies that no operation of ours can parse, whatever it is about. */
export const MALFORMED: readonly (readonly [string, string | Buffer])[] = [
  ['not JSON', '{"a":'],
  ['no bytes at all', ''],
  ['NUL as an escape', '{"a":"\\u0000"}'],
  ['NUL as a byte', Buffer.from('{"a":"\0"}')],
  ['a lone surrogate', '{"a":"\\ud800"}'],
  ['not UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
  [`${depth} levels deep`, '['.repeat(depth) + ']'.repeat(depth)],
  ['a member twice', '{"a":1,"a":2}'],
]

const MAX_BODY_BYTES = 1_048_576

/** JSON of one byte more than any body may have. */
export const OVERSIZED = `"${'a'.repeat(MAX_BODY_BYTES - 1)}"`

/** Ways to send a body in another way than as plain JSON: headers, and what happens to the bytes. */
export const UNSUPPORTED: readonly (readonly [string, Record<string, string>, (json: string) => Buffer])[] = [
  ['form data', { 'content-type': 'application/x-www-form-urlencoded' }, Buffer.from],
  ['JSON in Latin-1', { 'content-type': 'application/json; charset=iso-8859-1' }, Buffer.from],
  ['gzip', { 'content-encoding': 'gzip' }, gzipSync],
]
