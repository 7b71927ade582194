import { shopify } from './shopify.ts'
import { stripe } from './stripe.ts'
import type { Vendor, VendorAdapter } from './vendor.ts'

export const vendors: Record<Vendor, VendorAdapter> = { stripe, shopify }
