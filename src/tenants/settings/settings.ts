import type { AttributionSettings } from '../../attribution/models/settings.ts'

/** Which parts of an order are revenue, beside the price of its items. */
export interface RevenueParts {
  includesTax: boolean
  includesShipping: boolean
  includesTips: boolean
  subtractsDiscounts: boolean
}

/** Figures name the version that they were calculated with; each was made at `effectiveAt` and never changes. */
export interface Version {
  version: number
  effectiveAt: Date
}

export interface ChannelRule {
  name: string
  channel: string
  conditions: { field: string; operator: string; value: string }[]
}

/** Similarities from 0 (nothing alike) to 1 (equal). `severeBelow` < `minorFrom` < `matchedFrom`. */
export interface ReconciliationThresholds {
  matchedFrom: number
  minorFrom: number
  severeBelow: number
  /** Share, 0 to 1. */
  minCompleteness: number
  minConversions: number
}

export interface AlertTargets {
  emails: { email: string; alerts: string[] }[]
  webhooks: { url: string; alerts: string[] }[]
}

/** All that an administrator decides for a tenant. */
export interface Settings {
  timeZone: string
  reportingCurrency: string
  lookbackDays: number
  retentionDays: number
  revenueDefinition: RevenueParts & Version
  allowedOrigins: string[]
  channelRules: { rules: ChannelRule[] } & Version
  attribution: AttributionSettings & Version
  reconciliationThresholds: ReconciliationThresholds
  alertTargets: AlertTargets
}

/** Each one that is present replaces the stored one as a whole. */
export type SettingsChange = Partial<
  Omit<Settings, 'revenueDefinition' | 'channelRules' | 'attribution'> & {
    revenueDefinition: RevenueParts
    channelRules: ChannelRule[]
    attribution: AttributionSettings
  }
>
