import type { Random } from './random.ts'

/** A made-up buyer. Vendors send all of this; nothing of it may be kept. */
export interface Person {
  firstName: string
  lastName: string
  email: string
  phone: string
  street: string
  city: string
  postalCode: string
  /** ISO 3166-1, two letters. */
  countryCode: string
  country: string
  /** From 192.0.2.0/24, which RFC 5737 reserves for documentation. */
  ip: string
  userAgent: string
}

export const FIRST_NAMES = ['Ada', 'Bjørn', 'Chloé', 'Dmitri', 'Esra', 'Femi', 'Gréta', 'Hiroshi', 'Inês', 'Jürgen']
const LAST_NAMES = ['Example', "O'Sample", 'Muster', 'Prøve', '“Quote” Test', 'Doe', '例']
export const PLACES = [
  { city: 'Springfield', countryCode: 'US', country: 'United States' },
  { city: 'Ørsted', countryCode: 'DK', country: 'Denmark' },
  { city: 'Łódź', countryCode: 'PL', country: 'Poland' },
  { city: 'São Tomé', countryCode: 'ST', country: 'São Tomé and Príncipe' },
  { city: '東京', countryCode: 'JP', country: 'Japan' },
]

/** Plainly synthetic: example.com (RFC 2606), telephone numbers and addresses that are set aside for fiction. */
export function inventPerson(random: Random): Person {
  const number = random.integer(1000, 9999)
  return {
    firstName: random.pick(FIRST_NAMES),
    lastName: random.pick(LAST_NAMES),
    email: `buyer.${number}@example.com`,
    phone: `+1 212 555 01${String(number % 100).padStart(2, '0')}`,
    street: `${number} Example Street`,
    postalCode: String(random.integer(10_000, 99_999)),
    ...random.pick(PLACES),
    ip: `192.0.2.${random.integer(1, 254)}`,
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  }
}

export function fullName({ firstName, lastName }: Person): string {
  return `${firstName} ${lastName}`
}
