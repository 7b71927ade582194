/**
 * Operations that were served before the limiter and the idempotency store existed, so that the contract must not promise
 * them yet. An entry goes when its operation gets them; an entry that exempts nothing is a finding.
 */
export const beforeLimits: readonly string[] = [
  'createWebhookEndpoint',
  'getChannelAttribution',
  'getOrderCredits',
  'getRealtimeRevenueV1',
  'getRecomputeJob',
  'ingestTouchpoints',
  'receiveShopifyWebhook',
  'receiveStripeWebhook',
  'requestRecompute',
  'verifyToken',
]
