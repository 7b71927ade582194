import type { JsonValue } from './lossless-json.ts'

/**
 * Names of members that hold personal data or open somebody's order, in lower case and without separators: `email`
 * stands for `Email`, `e-mail` and `E_MAIL` too. The trigger `internal.refuse_personal_data` holds the same list as
 * the second line. Bare `name` is absent: it names products and endpoints as often as people, whose names come in the
 * containers below.
 * Source: what the four vendors document as fields of their payments, checkouts, orders and refunds.
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
  'billing',
  'shipping',
  'payer',
  'payerinfo',
  'subscriber',
  'paymentsource',
  'noteattributes',
  'customernote',
  'notetopayer',
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
  'paymenturl',
  'hostedinvoiceurl',
  'carttoken',
  'checkouttoken',
  'abandonedcheckouturl',
  'clientsecret',
]

const PERSONAL = new Set(PERSONAL_KEYS)

/*
 * What a text is searched for. The search of the database (migration 0012) holds the same patterns, letter by letter: they
 * say which blanks and digits they mean, since `\s` and case are other sets there, and the two must never disagree.
 */

/**
 * A loose test on purpose: a false alarm drops a campaign's name, a miss stores an address. One character before the @ is
 * enough to look at and the host is bounded (RFC 1035: 255 octets), so the time stays linear in the text. The blanks are
 * those of White_Space (Unicode 16). An image such as logo@2x.png is no address: no country and no registry ends like that.
 */
const EMAIL_LIKE =
  /[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>"](?:@|%40)[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>"]{1,255}\.(?!(?:png|jpe?g|gif|webp|svg|avif)(?![0-9A-Za-z]))[^\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000@<>".]{2}/u

export function looksLikeEmail(text: string): boolean {
  return EMAIL_LIKE.test(plainOf(text))
}

/**
 * Telephone numbers that say of themselves that they are: with a plus sign (E.164: 9 to 15 digits, of North America 11, so
 * that `+20261120` is a day of a campaign), in the groups of North America, or in groups of which the first begins with the
 * 0 of a national number. Bare digits are ids as often as numbers.
 */
const PHONE_LIKE = [
  /(?<![0-9A-Za-z])(?:\+|%2[Bb])(?:1[ ()./-]{0,2}[2-9](?:[ ()./-]{0,2}[0-9]){9}|[2-9](?:[ ()./-]{0,2}[0-9]){8,14})(?![0-9])/u,
  /(?<![0-9A-Za-z_./-])(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[0-9]{3}[-. ][0-9]{4}(?![0-9A-Za-z_-])/u,
  /(?<![0-9A-Za-z_./-])(?:\(0[0-9]{1,4}\) ?|0[0-9]{2,4}[ /-])[0-9](?:[ /-]?[0-9]){5,8}(?![0-9A-Za-z_-])/u,
  /(?<![0-9A-Za-z_./-])0[1-9](?:[ .-][0-9]{2}){4}(?![0-9A-Za-z_-])/u,
]
/** IPv4 in dotted decimals; IPv6 with eight groups or with `::`. A bare version of four parts is a false alarm. */
const ADDRESS_LIKE = [
  /(?<![0-9A-Za-z.])(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?![0-9]|\.[0-9])/u,
  /(?<![0-9A-Za-z_:])(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}|(?:[0-9A-Fa-f]{1,4}:){1,7}:(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})?)(?![0-9A-Za-z_:])/u,
]
/** Of a text that `plainOf` gave. */
export const PERSONAL_LIKE: readonly RegExp[] = [EMAIL_LIKE, ...PHONE_LIKE, ...ADDRESS_LIKE]
/** Ids and words, which are most texts, have nothing of what any of these needs. */
const HARMLESS = /^[A-Za-z0-9_]*$/

/**
 * Whether a text looks as if it held an e-mail address, a telephone number or an IP address, also where that stands in the
 * encoding of a URL, up to twice, or in the wide forms of East Asia. Linear in the text.
 */
export function looksPersonal(text: string): boolean {
  if (HARMLESS.test(text)) return false
  const plain = plainOf(text)
  return PERSONAL_LIKE.some((pattern) => pattern.test(plain))
}

/** What is written as something else than the patterns name it: blanks, dashes, and the wide and small forms of signs and digits. */
const FOLDED_FROM =
  '\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u2010\u2011\u2012\u2013\u2014\u2015\u2212０１２３４５６７８９＠﹫＋﹢－．﹒。｡（）／％：'
const FOLDED_TO = `${' '.repeat(15)}${'-'.repeat(7)}0123456789@@++-....()/%:`
const FOLDED: ReadonlyMap<string, string> = new Map([...FOLDED_FROM].map((sign, at) => [sign, FOLDED_TO.charAt(at)]))
const TO_FOLD = /[\u00a0\u2000-\u200a\u202f\u205f\u3000\u2010-\u2015\u2212０-９＠﹫＋﹢－．﹒。｡（）／％：]/gu
/** One character of UTF-8 as a URL writes it (RFC 3629, table 3-7 of the Unicode Standard); NUL is none that a text can have. */
const ENCODED =
  /%(?:0[1-9A-Fa-f]|[1-7][0-9A-Fa-f]|(?:[Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f])%[89ABab][0-9A-Fa-f]|(?:[Ee]0%[ABab]|[Ee][1-9A-CEFa-cef]%[89ABab]|[Ee][Dd]%[89])[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]|(?:[Ff]0%[9ABab]|[Ff][1-3]%[89ABab]|[Ff]4%8)[0-9A-Fa-f]%[89ABab][0-9A-Fa-f]%[89ABab][0-9A-Fa-f])/g

/** A text as the patterns read it. What is no encoding stays as it is. */
export function plainOf(text: string): string {
  let plain = text
  for (let time = 1; time <= 2 && plain.includes('%'); time += 1)
    plain = plain.replace(ENCODED, (encoded) => decodeURIComponent(encoded))
  return plain.replace(TO_FOLD, (sign) => FOLDED.get(sign) as string)
}

/**
 * JSON Pointer (RFC 6901) of the first member with a personal name, or of the first text that looks personal; null when
 * there is none. A name that itself looks like an address is reported as its parent: a pointer is logged. Uses no
 * recursion, so any depth is safe.
 */
export function findPersonalData(value: JsonValue): string | null {
  return holdsPersonalData(value) ? locatePersonalData(value) : null
}

/** The same without the pointer, which nearly no delivery needs: 3 us instead of 12 for a stored payload (measured). */
function holdsPersonalData(document: JsonValue): boolean {
  const pending: JsonValue[] = [document]
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value === 'string') {
      if (looksPersonal(value)) return true
    } else if (Array.isArray(value)) {
      for (const item of value) pending.push(item)
    } else if (typeof value === 'object' && value !== null) {
      for (const name of Object.keys(value)) {
        if (isPersonalName(name)) return true
        pending.push(value[name] as JsonValue)
      }
    }
  }
  return false
}

/** Names of members are the same from delivery to delivery. */
const judgedNames = new Map<string, boolean>()
const MAX_JUDGED = 5_000
const MAX_JUDGED_LENGTH = 64

function isPersonalName(name: string): boolean {
  const judged = judgedNames.get(name)
  if (judged !== undefined) return judged
  const isPersonal = looksPersonal(name) || isPersonalKey(name)
  if (judgedNames.size >= MAX_JUDGED) judgedNames.clear()
  if (name.length <= MAX_JUDGED_LENGTH) judgedNames.set(name, isPersonal)
  return isPersonal
}

function locatePersonalData(value: JsonValue): string | null {
  const pending: { value: JsonValue; pointer: string }[] = [{ value, pointer: '' }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value: current, pointer } = next
    if (typeof current === 'string' && looksPersonal(current)) return pointer
    if (typeof current !== 'object' || current === null) continue
    // Pushed in reverse, so that members are visited in the order of the document.
    for (const [key, member] of Object.entries(current).toReversed()) {
      if (looksPersonal(key)) return pointer
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

/** The value without the texts in it that look personal: null in place of an item, and of a member nothing. */
export function withoutPersonalTexts(value: JsonValue): JsonValue {
  if (typeof value === 'string') return looksPersonal(value) ? null : value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withoutPersonalTexts)
  const members = Object.entries(value).map(([name, member]) => [name, withoutPersonalTexts(member)] as const)
  return Object.fromEntries(members.filter(([name, member]) => member === value[name] || member !== null))
}
