import type { Vendor } from '../../../context.ts'
import type { VendorLister } from '../lister.ts'
import { paypal } from './paypal.ts'
import { shopify } from './shopify.ts'
import { stripe } from './stripe.ts'
import { woocommerce } from './woocommerce.ts'

export const listers: Readonly<Record<Vendor, VendorLister>> = { stripe, shopify, paypal, woocommerce }
