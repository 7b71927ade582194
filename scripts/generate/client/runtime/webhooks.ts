import type { Verification } from './webhook-delivery.ts'
import { type PaypalInput, verifyPaypal } from './webhook-paypal.ts'
import { type ShopifyInput, verifyShopify } from './webhook-shopify.ts'
import { type StandardInput, verifyStandard } from './webhook-standard.ts'
import { type StripeInput, verifyStripe } from './webhook-stripe.ts'
import { verifyWoocommerce, type WoocommerceInput } from './webhook-woocommerce.ts'

export type {
  RawBody,
  Refusal,
  RefusalReason,
  Verification,
  WebhookEvent,
  WebhookHeaders,
  WebhookInput,
} from './webhook-delivery.ts'
export {
  isPaypalCertificateUrl,
  type PaypalFacts,
  type PaypalInput,
  type PaypalRefusalReason,
  verifyPaypal,
} from './webhook-paypal.ts'
export { type ShopifyFacts, type ShopifyInput, signShopify, verifyShopify } from './webhook-shopify.ts'
export { type StandardEvent, type StandardInput, signStandard, verifyStandard } from './webhook-standard.ts'
export { type StripeFacts, type StripeInput, signStripe, verifyStripe } from './webhook-stripe.ts'
export { type OtherPayloads, topics, type Vendor, type WebhookPayloads } from './webhook-topics.ts'
export {
  signWoocommerce,
  verifyWoocommerce,
  type WoocommerceFacts,
  type WoocommerceInput,
  type WoocommerceRefusalReason,
} from './webhook-woocommerce.ts'

/** What each kind of sender needs for its check. */
export interface VerifierInputs {
  paypal: PaypalInput
  shopify: ShopifyInput
  standard: StandardInput
  stripe: StripeInput
  woocommerce: WoocommerceInput
}

/** What each check answers. */
export interface VerifierResults {
  paypal: ReturnType<typeof verifyPaypal>
  shopify: ReturnType<typeof verifyShopify>
  standard: ReturnType<typeof verifyStandard>
  stripe: ReturnType<typeof verifyStripe>
  woocommerce: ReturnType<typeof verifyWoocommerce>
}

/**
 * The check of one sender, chosen by name. With all of them in it; import `verifyStripe` and its like where size counts.
 * Never throws for what came over the network: the reason of a refusal is in the result.
 */
export function verifyWebhook<Sender extends keyof VerifierInputs>(
  sender: Sender,
  input: VerifierInputs[Sender],
): VerifierResults[Sender] {
  const verify = VERIFIERS[sender] as unknown as (
    input: VerifierInputs[Sender],
  ) => Promise<Verification<unknown, string>>
  return verify(input) as unknown as VerifierResults[Sender]
}

const VERIFIERS: { readonly [Sender in keyof VerifierInputs]: unknown } = {
  paypal: verifyPaypal,
  shopify: verifyShopify,
  standard: verifyStandard,
  stripe: verifyStripe,
  woocommerce: verifyWoocommerce,
}
