import { expect, test } from 'vitest'
import { formatDay, formatDuration, formatInstant, lastDays } from './time.ts'

test('an instant stands in the named zone', () => {
  const text = (zone?: string) => formatInstant('2026-11-20T14:31:07Z', zone, 'en-US').replace(/\s/g, ' ')
  expect(text()).toBe('Nov 20, 2026, 2:31:07 PM UTC')
  expect(text('America/New_York')).toBe('Nov 20, 2026, 9:31:07 AM EST')
  expect(text('Mars/Olympus')).toBe('Nov 20, 2026, 2:31:07 PM UTC')
})

test('what cannot be read stays', () => {
  expect(formatInstant('soon')).toBe('soon')
  expect(formatDay('soon')).toBe('soon')
  expect(formatDay('2026-11-19', 'en-US')).toBe('Nov 19, 2026')
})

test.each([
  [0, '0 s'],
  [0.49, '0.4 s'],
  [59.9, '59 s'],
  [60, '1 min'],
  [3_599, '59 min'],
  [7_200, '2 h'],
  [86_400, '1 d'],
])('%d seconds are %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text)
})

test('the last days include today, by UTC', () => {
  const now = new Date('2026-03-01T00:30:00Z')
  expect(lastDays(1, now)).toEqual({ start_date: '2026-03-01', end_date: '2026-03-01' })
  expect(lastDays(30, now)).toEqual({ start_date: '2026-01-31', end_date: '2026-03-01' })
})
