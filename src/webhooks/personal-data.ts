import type { JsonValue } from './lossless-json.ts'

/**
 * Names of members that hold personal data or open somebody's order, in lower case and without separators: `email`
 * stands for `Email`, `e-mail` and `E_MAIL` too. The trigger `internal.refuse_personal_data` holds the same list as
 * the second line. Bare `name` is absent: it names products and endpoints as often as people, whose names come in the
 * containers below.
 * Source: what Stripe and Shopify document as fields of their charge, checkout, order and refund objects.
 */
export const PERSONAL_KEYS: readonly string[] = [
  // Who somebody is.
  'firstname',
  'lastname',
  'fullname',
  'givenname',
  'surname',
  'customername',
  'cardholdername',
  'creditcardname',
  'dateofbirth',
  'dob',
  'birthdate',
  'ssn',
  'socialsecuritynumber',
  'taxid',
  'passport',
  // How to reach them.
  'email',
  'emailaddress',
  'contactemail',
  'customeremail',
  'payeremail',
  'receiptemail',
  'instructionsemail',
  'phone',
  'phonenumber',
  'customerphone',
  'contactphone',
  'address',
  'address1',
  'address2',
  'streetaddress',
  'line1',
  'line2',
  'postalcode',
  'zip',
  'zipcode',
  'latitude',
  'longitude',
  // Objects and lists that hold the above.
  'billingaddress',
  'shippingaddress',
  'customeraddress',
  'defaultaddress',
  'billingdetails',
  'customerdetails',
  'customershipping',
  'clientdetails',
  'paymentdetails',
  'paymentmethoddetails',
  'noteattributes',
  'vendorpayload',
  // What they use.
  'ip',
  'ipaddress',
  'browserip',
  'customeripaddress',
  'useragent',
  'customeruseragent',
  'sessionhash',
  'devicefingerprint',
  // What they pay with.
  'cardnumber',
  'creditcardnumber',
  'last4',
  'expmonth',
  'expyear',
  'fingerprint',
  'iban',
  // Links and tokens that open an order without a password.
  'orderstatusurl',
  'receipturl',
  'carttoken',
  'checkouttoken',
  'abandonedcheckouturl',
  'clientsecret',
]

const PERSONAL = new Set(PERSONAL_KEYS)

/**
 * A loose test on purpose: a false alarm drops a campaign's name, a miss stores an address. `%40` is an @ inside a
 * URL. One character before the @ is enough to look at and the host is bounded (RFC 1035: 255 octets), so the time
 * stays linear in the text.
 */
const EMAIL_LIKE = /[^\s@<>"](?:@|%40)[^\s@<>"]{1,255}\.[^\s@<>".]{2,}/i

export function looksLikeEmail(text: string): boolean {
  return EMAIL_LIKE.test(text)
}

/**
 * JSON Pointer (RFC 6901) of the first member with a personal name, or of the first text that looks like an e-mail
 * address; null when there is none. A name that itself looks like an address is reported as its parent: a pointer is
 * logged. Uses no recursion, so any depth is safe.
 */
export function findPersonalData(value: JsonValue): string | null {
  const pending: { value: JsonValue; pointer: string }[] = [{ value, pointer: '' }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value: current, pointer } = next
    if (typeof current === 'string' && looksLikeEmail(current)) return pointer
    if (typeof current !== 'object' || current === null) continue
    // Pushed in reverse, so that members are visited in the order of the document.
    for (const [key, member] of Object.entries(current).toReversed()) {
      if (looksLikeEmail(key)) return pointer
      const memberPointer = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      if (isPersonalKey(key)) return memberPointer
      pending.push({ value: member, pointer: memberPointer })
    }
  }
  return null
}

export function isPersonalKey(key: string): boolean {
  return PERSONAL.has(key.replace(/[^A-Za-z0-9]/g, '').toLowerCase())
}
