import type { IncomingHttpHeaders } from 'node:http'
import type { Vendor } from '../context.ts'

/** The shop that a delivery names, as an endpoint's `shopDomain` has it; null where it names none. No vendor signs it. */
export function namedShop(vendor: Vendor, headers: IncomingHttpHeaders): string | null {
  const textOf = (name: string) => {
    const value = headers[name]
    return typeof value === 'string' ? value : ''
  }
  if (vendor === 'shopify') return textOf('x-shopify-shop-domain').toLowerCase() || null
  return vendor === 'woocommerce' ? (URL.parse(textOf('x-wc-webhook-source'))?.hostname ?? null) : null
}
