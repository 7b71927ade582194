import { expect, test } from 'vitest'
import { defaultWindows, describeWindow, type ReportWindow, seedOf } from './window.ts'

test.each<[about: string, now: string, timeZone: string, spans: string[]]>([
  [
    'in UTC',
    '2026-03-15T10:00:00Z',
    'UTC',
    ['2026-02-14/2026-03-15', '2026-03-01/2026-03-31', '2026-02-01/2026-02-28'],
  ],
  [
    'a day earlier in the west, which is the month before',
    '2026-03-01T03:00:00Z',
    'America/New_York',
    ['2026-01-30/2026-02-28', '2026-02-01/2026-02-28', '2026-01-01/2026-01-31'],
  ],
  [
    'a day later in the east, which is the next year',
    '2025-12-31T12:00:00Z',
    'Pacific/Kiritimati',
    ['2025-12-03/2026-01-01', '2026-01-01/2026-01-31', '2025-12-01/2025-12-31'],
  ],
  [
    'in a leap year',
    '2028-03-31T23:59:59Z',
    'UTC',
    ['2028-03-02/2028-03-31', '2028-03-01/2028-03-31', '2028-02-01/2028-02-29'],
  ],
])('the windows that are always measured: %s', (_about, now, timeZone, spans) => {
  const windows = defaultWindows(new Date(now), { timeZone, reportingCurrency: 'EUR' })
  expect(windows.map(({ from, to }) => `${from}/${to}`)).toEqual(spans)
  for (const window of windows) expect(window).toMatchObject({ timeZone, currency: 'EUR', isConverted: false })
})

test('windows that differ in anything have texts and seeds of their own', () => {
  const window: ReportWindow = {
    from: '2026-03-01',
    to: '2026-03-31',
    timeZone: 'UTC',
    currency: 'USD',
    isConverted: false,
  }
  const others: Partial<ReportWindow>[] = [
    {},
    { from: '2026-03-02' },
    { to: '2026-03-30' },
    { timeZone: 'Europe/Paris' },
    { currency: 'EUR' },
    { isConverted: true },
  ]
  expect(new Set(others.map((other) => describeWindow({ ...window, ...other }))).size).toBe(others.length)
  expect(seedOf('tenant', window)).toBe('tenant|2026-03-01/2026-03-31 UTC USD|all')
})
