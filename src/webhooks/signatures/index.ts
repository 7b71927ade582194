import type { Vendor } from '../../context.ts'
import { verifyPaypal } from './paypal/paypal.ts'
import { verifyShopify } from './shopify.ts'
import { verifyStripe } from './stripe.ts'
import type { Verifier } from './verifier.ts'
import { verifyWoocommerce } from './woocommerce.ts'

export type { SignedDelivery, Verifier } from './verifier.ts'

/** How each vendor signs what it delivers. */
export const verifiers = {
  stripe: verifyStripe,
  shopify: verifyShopify,
  woocommerce: verifyWoocommerce,
  paypal: verifyPaypal,
} satisfies Record<Vendor, Verifier>
