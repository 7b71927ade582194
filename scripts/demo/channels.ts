// Where the demo's visitors come from: every marketing channel of the contract, the common ones more often.

export interface Placement {
  channel: string
  source: string | null
  medium: string | null
  campaigns: readonly string[]
  weight: number
}

const NO_CAMPAIGN: readonly string[] = []

export const placements: readonly Placement[] = [
  {
    channel: 'paid_search',
    source: 'google',
    medium: 'cpc',
    campaigns: ['brand', 'generic-boots', 'competitor'],
    weight: 18,
  },
  { channel: 'organic_search', source: 'google', medium: 'organic', campaigns: NO_CAMPAIGN, weight: 16 },
  {
    channel: 'paid_social',
    source: 'facebook',
    medium: 'paid_social',
    campaigns: ['retargeting', 'lookalike'],
    weight: 14,
  },
  {
    channel: 'email',
    source: 'newsletter',
    medium: 'email',
    campaigns: ['welcome', 'spring_sale', 'win-back'],
    weight: 12,
  },
  { channel: 'direct', source: null, medium: null, campaigns: NO_CAMPAIGN, weight: 12 },
  { channel: 'organic_social', source: 'instagram', medium: 'social', campaigns: NO_CAMPAIGN, weight: 6 },
  { channel: 'paid_shopping', source: 'google', medium: 'cpc', campaigns: ['shopping-feed'], weight: 6 },
  {
    channel: 'affiliates',
    source: 'partner-17',
    medium: 'affiliate',
    campaigns: ['partner %off', 'cashback'],
    weight: 4,
  },
  { channel: 'referral', source: 'blog.example', medium: 'referral', campaigns: NO_CAMPAIGN, weight: 4 },
  { channel: 'display', source: 'dv360', medium: 'display', campaigns: ['prospecting'], weight: 3 },
  { channel: 'paid_video', source: 'youtube', medium: 'cpv', campaigns: ['spot-15s'], weight: 3 },
  { channel: 'cross_network', source: 'google', medium: 'cpc', campaigns: ['cross-network'], weight: 3 },
  { channel: 'organic_video', source: 'youtube', medium: 'video', campaigns: NO_CAMPAIGN, weight: 2 },
  { channel: 'sms', source: 'sms', medium: 'sms', campaigns: ['flash-sale'], weight: 2 },
  { channel: 'mobile_push', source: 'app', medium: 'push', campaigns: ['cart-reminder'], weight: 2 },
  { channel: 'paid_other', source: 'podcast-network', medium: 'cpa', campaigns: ['takeover'], weight: 1 },
  { channel: 'organic_shopping', source: 'marketplace.example', medium: 'shopping', campaigns: NO_CAMPAIGN, weight: 1 },
  { channel: 'audio', source: 'radio.example', medium: 'audio', campaigns: ['été'], weight: 1 },
  { channel: 'unassigned', source: 'qr', medium: 'poster', campaigns: NO_CAMPAIGN, weight: 1 },
]
