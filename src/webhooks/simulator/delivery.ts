import type { Purchase } from './purchase.ts'

export type SimulatedVendor = 'stripe' | 'shopify' | 'paypal' | 'woocommerce'

/** What a vendor sends once something happened: the same bytes at each attempt, only the signature is made anew. */
export interface Delivery {
  vendor: SimulatedVendor
  topic: string
  seed: number
  /** In the vendor's spelling; without the signature. */
  headers: Record<string, string>
  body: Buffer
}

/** What is not said by the purchase. */
export interface Circumstances {
  /** Shopify only: `<name>.myshopify.com`. */
  shopDomain: string
  /** WooCommerce only: how far the order is when the body is built. Default: what the topic says. */
  stage?: OrderStage
}

export const ORDER_STAGES = ['placed', 'paid', 'completed', 'refunded', 'cancelled'] as const
export type OrderStage = (typeof ORDER_STAGES)[number]

/** One vendor's way to tell a purchase. */
export interface VendorSimulator {
  readonly vendor: SimulatedVendor
  /** Those that the contract names, and some of the others, which are only acknowledged. */
  readonly topics: readonly string[]
  /** The smallest amount that can be stated, in ISO minor units. Throws MoneyError for a currency that the vendor lacks. */
  stepOf(currency: string): bigint
  /** Undefined for a topic that the vendor does not have. */
  build(topic: string, purchase: Purchase, circumstances: Circumstances): Delivery | undefined
}
