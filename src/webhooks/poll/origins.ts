import type { Vendor } from '../../context.ts'
import { PollError } from './lister.ts'

export interface PolledPlace {
  mode: 'live' | 'test'
  shopDomain: string | null
  /** WooCommerce only: the shop's address, as the operator gave it. */
  site: string | null
}

/** Where a vendor's API is for an endpoint. Throws PollError where that is not known. */
export type Origins = Readonly<Record<Vendor, (place: PolledPlace) => string>>

/** A token of a shop is sent to Shopify and to nobody else, whatever the endpoint is bound to. */
const SHOPIFY_HOST = /^[a-z0-9][a-z0-9-]*\.myshopify\.com$/

export const VENDOR_ORIGINS: Origins = {
  stripe: () => 'https://api.stripe.com',
  paypal: ({ mode }) => (mode === 'live' ? 'https://api-m.paypal.com' : 'https://api-m.sandbox.paypal.com'),
  shopify({ shopDomain }) {
    if (shopDomain !== null && SHOPIFY_HOST.test(shopDomain)) return `https://${shopDomain}`
    throw new PollError('no_access', 'the endpoint is bound to no shop of myshopify.com')
  },
  woocommerce({ site }) {
    const url = URL.parse(site ?? '')
    if (url?.protocol === 'https:' && url.hostname.includes('.')) return url.origin
    throw new PollError(
      'no_access',
      'where the shop is, is not known: the credential needs a site, such as https://shop.example',
    )
  },
}
