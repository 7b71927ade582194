import { expect, test } from 'vitest'
import { publishIdOf, readTraceparent, traceIdOf } from './ids.ts'

const CORRELATION = '6F1C1d4e-6f5b-4f0e-9a55-1d6c7c2f3a10'

test('the trace of a request is its correlation id', () => {
  expect(traceIdOf(CORRELATION)).toBe('6f1c1d4e6f5b4f0e9a551d6c7c2f3a10')
})

test.each(['00000000-0000-0000-0000-000000000000', '', 'not an id'])('%j names no trace', (correlationId) => {
  expect(traceIdOf(correlationId)).toBeUndefined()
})

test('whoever runs a job finds the span that queued it, and no other', () => {
  const id = publishIdOf(CORRELATION, 'webhooks.normalize_event')
  expect(id).toMatch(/^[0-9a-f]{16}$/)
  expect(publishIdOf(CORRELATION.toLowerCase(), 'webhooks.normalize_event')).toBe(id)
  expect(publishIdOf(CORRELATION, 'attribution.run_recompute')).not.toBe(id)
  expect(publishIdOf(crypto.randomUUID(), 'webhooks.normalize_event')).not.toBe(id)
})

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'

test.each([`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-00`, `cc-${TRACE}-${SPAN}-01-what-comes-later`])(
  '%s names a span',
  (header) => {
    expect(readTraceparent(header)).toEqual({ traceId: TRACE, spanId: SPAN })
  },
)

test.each([
  undefined,
  '',
  TRACE,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}`,
])('%s names none', (header) => {
  expect(readTraceparent(header)).toBeUndefined()
})
