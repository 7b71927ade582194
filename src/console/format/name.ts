/** Names that are more than their words. */
const NAMES: Readonly<Record<string, string>> = {
  api: 'API',
  sms: 'SMS',
  shopify: 'Shopify',
  stripe: 'Stripe',
  paypal: 'PayPal',
  woocommerce: 'WooCommerce',
  google_ads: 'Google Ads',
  meta_ads: 'Meta Ads',
  tiktok_ads: 'TikTok Ads',
  linkedin_ads: 'LinkedIn Ads',
  openai: 'OpenAI',
  anthropic: 'Anthropic',
  llm: 'LLM',
  currency_or_tz_mismatch: 'Currency or time zone mismatch',
}

/** `paid_search` → `Paid search`. `(unattributed)` stays. */
export function toName(id: string): string {
  const known = NAMES[id]
  if (known !== undefined) return known
  const words = id.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
