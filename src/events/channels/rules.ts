import type { Channel } from './channel.ts'
import type { SourceCategory } from './source-lists.ts'

/** Of the rules below with the source lists and what click ids imply. Figures name it, so any change is another version. */
export const BUILT_IN_VERSION = 'ga4.1'

/**
 * What a built-in rule looks at. Of several fields all must hold; of the entries of one field, one. Texts are in lower
 * case, and so is what they are compared with.
 */
export interface BuiltInCondition {
  isDirect?: true
  category?: SourceCategory
  source?: readonly string[]
  medium?: readonly string[]
  mediumMatches?: RegExp
  campaignMatches?: RegExp
}

export interface BuiltInRule {
  channel: Channel
  /** One of them must hold. */
  anyOf: readonly BuiltInCondition[]
}

const PAID = /cp|^ppc$|^retargeting$|^paid/
/** Means the word: `spring_shop` and `eshop` hold it, `workshop` does not. */
const SHOP = /(?:^|[^a-df-z])shop|shopping/
const EMAIL = ['email', 'e-mail', 'e_mail', 'e mail']
const SOCIAL = ['social', 'social-network', 'social-media', 'sm', 'social network', 'social media']

/**
 * The default channel group of Google Analytics 4 for manual traffic, tried from the top; the first that holds decides,
 * and what none holds for is `unassigned`.
 * Source: https://support.google.com/analytics/answer/9756891. Pages of different years disagree on three points. Taken
 * here: `retargeting` is paid, e-mail comes after referral, and there is no channel for AI assistants.
 */
export const BUILT_IN_RULES: readonly BuiltInRule[] = [
  { channel: 'direct', anyOf: [{ isDirect: true }] },
  { channel: 'cross_network', anyOf: [{ campaignMatches: /cross-network/ }] },
  {
    channel: 'paid_shopping',
    anyOf: [
      { category: 'shopping', mediumMatches: PAID },
      { campaignMatches: SHOP, mediumMatches: PAID },
    ],
  },
  { channel: 'paid_search', anyOf: [{ category: 'search', mediumMatches: PAID }] },
  { channel: 'paid_social', anyOf: [{ category: 'social', mediumMatches: PAID }] },
  { channel: 'paid_video', anyOf: [{ category: 'video', mediumMatches: PAID }] },
  { channel: 'display', anyOf: [{ medium: ['display', 'banner', 'expandable', 'interstitial', 'cpm'] }] },
  { channel: 'paid_other', anyOf: [{ mediumMatches: PAID }] },
  { channel: 'organic_shopping', anyOf: [{ category: 'shopping' }, { campaignMatches: SHOP }] },
  { channel: 'organic_social', anyOf: [{ category: 'social' }, { medium: SOCIAL }] },
  { channel: 'organic_video', anyOf: [{ category: 'video' }, { mediumMatches: /video/ }] },
  { channel: 'organic_search', anyOf: [{ category: 'search' }, { medium: ['organic'] }] },
  { channel: 'referral', anyOf: [{ medium: ['referral', 'app', 'link'] }] },
  { channel: 'email', anyOf: [{ source: EMAIL }, { medium: EMAIL }] },
  { channel: 'affiliates', anyOf: [{ medium: ['affiliate'] }] },
  { channel: 'audio', anyOf: [{ medium: ['audio'] }] },
  { channel: 'sms', anyOf: [{ source: ['sms'] }, { medium: ['sms'] }] },
  {
    channel: 'mobile_push',
    anyOf: [{ mediumMatches: /push$|mobile|notification/ }, { source: ['firebase'] }],
  },
]
