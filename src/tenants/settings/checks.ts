import { isIP } from 'node:net'
import { findAttributionFaults } from '../../attribution/models/settings.ts'
import { isCurrency } from '../../money.ts'
import type { ProblemItem } from '../../problem/problem.ts'
import type { JsonValue } from '../../webhooks/lossless-json.ts'
import { findPersonalData } from '../../webhooks/personal-data.ts'
import { toAllowedOrigin } from '../allowed-origins.ts'
import { isTimeZone } from '../time-zone.ts'
import type { ReconciliationThresholds, SettingsChange } from './settings.ts'

/** What a schema cannot say about settings. Empty when there is no fault. */
export function findSettingsFaults(change: SettingsChange): ProblemItem[] {
  const {
    timeZone,
    reportingCurrency,
    allowedOrigins,
    channelRules,
    attribution,
    reconciliationThresholds,
    alertTargets,
  } = change
  const faults: ProblemItem[] = []
  const add = (pointer: string, code: string, detail: string) =>
    faults.push({ pointer: `/body${pointer}`, code, detail })
  if (timeZone !== undefined && !isTimeZone(timeZone)) add('/time_zone', 'time_zone', 'There is no such time zone.')
  if (reportingCurrency !== undefined && !isCurrency(reportingCurrency))
    add('/reporting_currency', 'currency', 'This is not an active ISO 4217 code.')
  for (const [index, origin] of (allowedOrigins ?? []).entries()) {
    if (toAllowedOrigin(origin) === null)
      add(`/allowed_origins/${index}`, 'origin', 'This is not an origin as a browser sends it.')
  }
  const personal = channelRules === undefined ? null : findPersonalData(channelRules as unknown as JsonValue)
  if (personal !== null)
    add(`/channel_rules${personal}`, 'personal_data', 'Rules must not hold what looks like personal data.')
  for (const { pointer, code, detail } of attribution === undefined ? [] : findAttributionFaults(attribution))
    add(`/attribution${pointer}`, code, detail)
  if (reconciliationThresholds !== undefined) addThresholdFaults(reconciliationThresholds, add)
  for (const [index, { url }] of (alertTargets?.webhooks ?? []).entries()) {
    if (!isPublicHttps(url))
      add(`/alert_targets/webhooks/${index}/url`, 'url', 'An https address on the public internet is meant.')
  }
  return faults
}

function addThresholdFaults(
  { matchedFrom, minorFrom, severeBelow }: ReconciliationThresholds,
  add: (pointer: string, code: string, detail: string) => void,
): void {
  const at = '/reconciliation_thresholds'
  if (minorFrom >= matchedFrom) add(`${at}/minor_from`, 'order', 'minor_from must be below matched_from.')
  if (severeBelow >= minorFrom) add(`${at}/severe_below`, 'order', 'severe_below must be below minor_from.')
}

/** Names that are never on the public internet: RFC 6761, RFC 6762, RFC 8375, and ICANN's `internal`. */
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|home\.arpa|test|invalid|onion)$/

/**
 * Whether the URL may be one of somebody else's server: https, a host name with a dot, no credentials, no fragment.
 * Where the name leads is only known when it is called: whoever calls it looks at the address then.
 */
export function isPublicHttps(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.hash !== '')
    return false
  const host = url.hostname.replace(/\.$/, '')
  return host.includes('.') && !host.startsWith('[') && isIP(host) === 0 && !PRIVATE_NAME.test(host)
}
