import { expect, test } from 'vitest'
import { findBrowserClockFault, toServerTime } from './clock.ts'

const now = new Date('2026-11-20T12:00:00Z')
const at = (text: string) => new Date(`2026-11-${text}Z`)

test.each([
  ['a clock that is right', '20T11:58:00', '20T11:59:59', '20T11:58:00'],
  ['no clock', '20T11:58:00', null, '20T11:58:00'],
  ['a minute off is the way here', '20T11:58:00', '20T11:59:00', '20T11:58:00'],
  ['a clock that is 2 hours behind', '20T09:58:00', '20T10:00:00', '20T11:58:00'],
  ['a clock that is a day ahead', '21T11:58:00', '21T12:00:00', '20T11:58:00'],
  ['something of yesterday, sent now', '19T11:58:00', '20T12:00:00', '19T11:58:00'],
  ['something of yesterday, by a clock that is a day behind', '18T11:58:00', '19T12:00:00', '19T11:58:00'],
])('%s', (_name, occurredAt, sentAt, expected) => {
  expect(toServerTime({ occurredAt: at(occurredAt), sentAt: sentAt === null ? null : at(sentAt), now })).toEqual(
    at(expected),
  )
})

test.each([
  ['20T12:04:59', null],
  ['20T12:05:01', 'occurred_in_future'],
  ['13T12:00:01', null],
  ['13T11:59:59', 'occurred_too_long_ago'],
])('%s is %s', (time, fault) => {
  expect(findBrowserClockFault(at(time), now)).toBe(fault)
})
