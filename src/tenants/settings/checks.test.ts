import { expect, test } from 'vitest'
import { findSettingsFaults, isPublicHttps } from './checks.ts'

test.each([
  'https://hooks.example.com/skeldir',
  'https://hooks.example.com:8443/x?token=1',
  'https://bücher.example.com/',
  'https://a.b.c.example.com.',
])('%s may be told of trouble', (url) => {
  expect(isPublicHttps(url)).toBe(true)
})

test.each([
  '',
  'hooks.example.com',
  'http://hooks.example.com/',
  'ftp://hooks.example.com/',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://api.localhost/',
  'https://printer.local/',
  'https://metadata.google.internal/',
  'https://router.home.arpa/',
  'https://intranet/',
  'https://127.0.0.1/',
  'https://127.1/',
  'https://0x7f.1/',
  'https://2130706433/',
  'https://10.0.0.1./',
  'https://169.254.169.254/latest',
  'https://[::1]/',
  'https://[::ffff:169.254.169.254]/',
  'https://user@hooks.example.com/',
  'https://:pw@hooks.example.com/',
  'https://hooks.example.com/#x',
])('%j may not', (url) => {
  expect(isPublicHttps(url)).toBe(false)
})

test('all faults are told at once, each at its place', () => {
  const faults = findSettingsFaults({
    timeZone: '+05:30',
    reportingCurrency: 'XXX',
    allowedOrigins: ['https://good.example', 'https://good.example/path'],
    channelRules: [
      {
        name: 'mira@shop.example',
        channel: 'email',
        conditions: [{ field: 'source', operator: 'equals', value: 'x' }],
      },
    ],
    reconciliationThresholds: {
      matchedFrom: 0.5,
      minorFrom: 0.6,
      severeBelow: 0.7,
      minCompleteness: 0,
      minConversions: 0,
    },
    alertTargets: { emails: [], webhooks: [{ url: 'https://10.1.2.3/', alerts: ['llm_budget'] }] },
  })
  expect(faults.map(({ pointer }) => pointer)).toEqual([
    '/body/time_zone',
    '/body/reporting_currency',
    '/body/allowed_origins/1',
    '/body/channel_rules/0/name',
    '/body/reconciliation_thresholds/minor_from',
    '/body/reconciliation_thresholds/severe_below',
    '/body/alert_targets/webhooks/0/url',
  ])
})

test('nothing is wrong with nothing', () => {
  expect(findSettingsFaults({})).toEqual([])
})
