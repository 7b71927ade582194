// Invented customers. Every personal field of a vendor's payload is filled, since a platform that keeps none of it
// has to be shown some. All of it carries one word, so a search of a database or of an answer finds what slipped through.

import { FIRST_NAMES, type Person, PLACES } from '../../src/webhooks/simulator/person.ts'
import type { Random } from './random.ts'

export const CANARY = 'canary7f3a'

export function inventPerson(random: Random): Person {
  const firstName = random.pick(FIRST_NAMES)
  const number = random.integer(1000, 9999)
  return {
    firstName: `${firstName} ${CANARY}`,
    lastName: `O'${CANARY} “${number}”`,
    email: `${CANARY}.${number}@example.com`,
    // 555-0100 to 555-0199 are set aside for fiction.
    phone: `+1 212 555 01${String(number % 100).padStart(2, '0')}`,
    street: `${number} ${CANARY} Street`,
    city: random.pick(PLACES).city,
    postalCode: `${CANARY}-${number}`,
    countryCode: 'NO',
    country: 'Norway',
    // From 192.0.2.0/24, which RFC 5737 reserves for documentation.
    ip: `192.0.2.${random.integer(1, 254)}`,
    userAgent: `Mozilla/5.0 (${CANARY}) Gecko/20100101 Firefox/140.0`,
  }
}
