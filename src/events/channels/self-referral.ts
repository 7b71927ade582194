/*
 * Referrers that bring nobody: the shop itself, and where a visitor was sent in order to pay or to sign in.
 */

/**
 * Second levels below which names are registered under country codes, such as `co.uk`. In place of the Public Suffix List
 * (publicsuffix.org): a miss costs a self-referral between two hosts of one shop under a rare suffix, no more.
 */
const SECOND_LEVEL = /^(?:com?|org|net|edu|gov|ac|or|ne|go|gob|nom|gen|ltd|plc|me|info|biz|web)$/

/** Below these every name is somebody else's shop. */
const SHARED_DOMAINS: ReadonlySet<string> = new Set([
  'myshopify.com',
  'shopifypreview.com',
  'wordpress.com',
  'wpengine.com',
  'wixsite.com',
  'squarespace.com',
  'bigcartel.com',
  'blogspot.com',
  'github.io',
  'netlify.app',
  'vercel.app',
  'pages.dev',
  'web.app',
  'azurewebsites.net',
])

/** Domains of payment services and of sign-in pages; with all hosts below them. */
const PASSED_THROUGH: readonly string[] = [
  // Wallets and payment services.
  'paypal.com',
  'stripe.com',
  'shop.app',
  'checkout.shopify.com',
  'pay.shopify.com',
  'klarna.com',
  'klarnapayments.com',
  'afterpay.com',
  'clearpay.co.uk',
  'affirm.com',
  'adyen.com',
  'mollie.com',
  'worldpay.com',
  'opayo.co.uk',
  'sagepay.com',
  'sofort.com',
  'giropay.de',
  'ideal.nl',
  'braintreegateway.com',
  'authorize.net',
  'razorpay.com',
  'mercadopago.com',
  'mercadopago.com.br',
  'mercadopago.com.ar',
  'mercadopago.com.mx',
  'payu.com',
  'przelewy24.pl',
  'tpay.com',
  'gopay.cz',
  'checkout.com',
  'cybersource.com',
  '2checkout.com',
  'pay.google.com',
  'payments.google.com',
  'pay.amazon.com',
  'pay.amazon.de',
  'pay.amazon.co.uk',
  'payments.amazon.com',
  // 3-D Secure: the card's bank asks for a proof in between.
  'cardinalcommerce.com',
  'arcot.com',
  'rsa3dsauth.com',
  '3dsecure.io',
  'netcetera-payment.ch',
  // Sign-in.
  'accounts.google.com',
  'appleid.apple.com',
  'login.microsoftonline.com',
  'login.live.com',
]

/** Labels of hosts that card issuers and their providers run for 3-D Secure. */
const CHALLENGE_LABEL = /^(?:3ds2?|3dss|3dsecure|threeds2?|acs[0-9]*|securecode|vbv)(?:-|$)/

/** Whether a visitor passes through this host on the way to or from a payment or a sign-in. In lower case. */
export function isPassedThrough(host: string): boolean {
  if (PASSED_THROUGH.some((domain) => host === domain || host.endsWith(`.${domain}`))) return true
  const labels = host.split('.')
  return labels.length > 2 && labels.slice(0, -2).some((label) => CHALLENGE_LABEL.test(label))
}

/** Whether the host is one of these sites; `shop.example.com`, `www.example.com` and `example.com` are one. */
export function isOwnHost(host: string, ownHosts: Iterable<string>): boolean {
  const site = siteOf(host)
  for (const own of ownHosts) if (siteOf(own) === site) return true
  return false
}

/** The part of a host name that somebody has registered. An IP address, or a single label, stays as it is. */
export function siteOf(host: string): string {
  const labels = host.toLowerCase().replace(/\.$/, '').split('.')
  const isAddress = host.startsWith('[') || /^[0-9.]+$/.test(host)
  if (isAddress || labels.length <= 2) return labels.join('.')
  const [second = '', top = ''] = labels.slice(-2)
  const isDeeper = SHARED_DOMAINS.has(`${second}.${top}`) || (top.length === 2 && SECOND_LEVEL.test(second))
  return labels.slice(isDeeper ? -3 : -2).join('.')
}
