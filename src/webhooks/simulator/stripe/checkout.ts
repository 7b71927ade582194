import { fullName } from '../person.ts'
import { addressOf, stripeMetadata, toSeconds } from './charge.ts'
import type { StripeStory } from './payment.ts'

const DAY_S = 86_400

/** Field names: https://docs.stripe.com/api/checkout/sessions/object */
export function stripeCheckoutSession({ purchase, payment, marks, sessionId, units }: StripeStory, isPaid: boolean) {
  const { person, times, shippingMinor, taxMinor, totalMinor, discount } = purchase
  const discountMinor = discount?.amountMinor ?? 0n
  return {
    id: sessionId,
    object: 'checkout.session',
    allow_promotion_codes: true,
    // Before discounts and taxes.
    amount_subtotal: units(totalMinor - shippingMinor - taxMinor + discountMinor),
    amount_total: payment.amount,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: 'auto',
    cancel_url: 'https://shop.example.com/cart',
    client_reference_id: purchase.token,
    client_secret: null,
    collected_information: {
      business_name: null,
      individual_name: null,
      shipping_details: { address: addressOf(person), name: fullName(person) },
    },
    consent: null,
    consent_collection: null,
    created: toSeconds(times.checkout),
    currency: payment.currency.toLowerCase(),
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: marks.customer,
    customer_creation: 'if_required',
    customer_details: {
      address: addressOf(person),
      email: person.email,
      name: fullName(person),
      phone: person.phone,
      tax_exempt: 'none',
      tax_ids: [],
    },
    customer_email: person.email,
    discounts: [],
    expires_at: toSeconds(times.checkout) + DAY_S,
    invoice: null,
    invoice_creation: null,
    livemode: true,
    locale: 'auto',
    metadata: stripeMetadata(payment),
    mode: 'payment',
    payment_intent: payment.paymentIntentId,
    payment_link: null,
    payment_method_collection: 'if_required',
    payment_method_options: {},
    payment_method_types: ['card'],
    payment_status: isPaid ? 'paid' : 'unpaid',
    phone_number_collection: { enabled: true },
    recovered_from: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'complete',
    submit_type: null,
    subscription: null,
    success_url: 'https://shop.example.com/thanks',
    total_details: {
      amount_discount: units(discountMinor),
      amount_shipping: units(shippingMinor),
      amount_tax: units(taxMinor),
    },
    ui_mode: 'hosted_page',
    url: null,
  }
}
