import { randomBytes, randomInt } from 'node:crypto'
import type { TestPlatform } from '../../support/platform.ts'
import { listTables } from './row-counts.ts'
import { formsOf } from './secrets.ts'

/** By kind; each is found nowhere else, so that a hit is a leak of this run. */
export type PersonalData = Readonly<Record<string, string>>

const word = (letters: number) =>
  Array.from({ length: letters }, () => String.fromCharCode(97 + randomInt(26))).join('')
const digits = (count: number) => Array.from({ length: count }, () => randomInt(10)).join('')
const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`

/** Somebody whom nobody else is: one of each kind of personal data. */
export function inventCanary(): PersonalData {
  return {
    email: `${word(12)}@${word(10)}.example`,
    'first name': capital(word(13)),
    'last name': capital(word(13)),
    phone: `+49 1512 ${digits(9)}`,
    'phone of North America': `(${randomInt(2, 10)}${digits(2)}) 555-01${digits(2)}`,
    street: `${capital(word(12))}gasse ${randomInt(100, 999)}`,
    city: capital(word(14)),
    'postal code': `CN${digits(2)} ${word(5).toUpperCase()}`,
    IPv4: `198.18.${randomInt(1, 255)}.${randomInt(1, 255)}`,
    IPv6: `2001:db8:${randomBytes(2).toString('hex')}:${randomBytes(2).toString('hex')}::${randomInt(1000, 9999)}`,
    'user agent': `${capital(word(12))}Browser/${randomInt(10, 99)}.0 (X11; Linux)`,
    'card number': `4000${digits(12)}`,
    'token in a URL': `tok_${word(24)}`,
  }
}

/** Names of members whose texts are somebody's in a vendor's body. */
const NAMES = /"(first_name|given_name|customer_first_name)"\s*:\s*"(?:[^"\\]|\\.)*"/g
const SURNAMES =
  /"(last_name|surname|customer_last_name|name|full_name|customer_name|shipping_name|company)"\s*:\s*"(?:[^"\\]|\\.)*"/g
const CITIES = /"(city|admin_area_2|province|state)"\s*:\s*"(?:[^"\\]|\\.)*"/g
const CODES = /"(zip|postcode|postal_code)"\s*:\s*"(?:[^"\\]|\\.)*"/g
const TEXT_OR_BRACE = /"(?:[^"\\]|\\.)*"|\{\s*\}|\{/g

/**
 * A vendor's body in which the made-up buyer is the canary, and each object has members of their own for all of it. The
 * numbers and ids stay as they were, so the delivery is as good as before.
 */
export function plantIn(body: string, canary: PersonalData): string {
  const of = (kind: string) => JSON.stringify(canary[kind]).slice(1, -1)
  const replaced = body
    .replaceAll(/buyer\.\d+@example\.com/g, of('email'))
    .replaceAll(/\+1 212 555 01\d\d/g, of('phone'))
    .replaceAll(/\d+ Example Street/g, of('street'))
    .replaceAll(/192\.0\.2\.\d+/g, of('IPv4'))
    .replaceAll(/Mozilla\\?\/5\.0 [^"]*Firefox\\?\/140\.0/g, of('user agent'))
    .replaceAll(NAMES, (_, name) => `"${name}":"${of('first name')}"`)
    .replaceAll(SURNAMES, (whole, name) => (/"(skeldir|_wc)/.test(whole) ? whole : `"${name}":"${of('last name')}"`))
    .replaceAll(CITIES, (_, name) => `"${name}":"${of('city')}"`)
    .replaceAll(CODES, (_, name) => `"${name}":"${of('postal code')}"`)
    // Query strings of pages, which are read for how the buyer came.
    .replaceAll(
      /(utm_source=[a-z]+)/g,
      `$1&token=${of('token in a URL')}&mail=${encodeURIComponent(canary.email ?? '')}`,
    )
  const members = Object.entries(canary).map(([kind, value], index) => {
    const name = index % 2 === 0 ? `canary_${index}` : kind.replace(/[^A-Za-z]/g, '_')
    return `${JSON.stringify(name)}:${JSON.stringify(value)}`
  })
  const planted = members.join(',')
  return replaced.replaceAll(TEXT_OR_BRACE, (token) => {
    if (token.startsWith('"')) return token
    return token === '{' ? `{${planted},` : `{${planted}}`
  })
}

/** Headers that a request may carry about whoever sent it. */
export function personalHeaders(canary: PersonalData): Record<string, string> {
  return {
    'user-agent': canary['user agent'] ?? '',
    'x-forwarded-for': canary.IPv4 ?? '',
    forwarded: `for="[${canary.IPv6}]"`,
    cookie: `who=${encodeURIComponent(canary.email ?? '')}`,
    referer: `https://shop.example/?token=${canary['token in a URL']}`,
  }
}

/** The kinds that a text holds, as they are or in another alphabet, in any case. */
export function kindsIn(canary: PersonalData, text: string): string[] {
  const low = text.toLowerCase()
  return Object.entries(canary).flatMap(([kind, value]) => {
    const forms = [...formsOf(value), value.replace(/[ ()-]/g, '')]
    return forms.some((form) => low.includes(form.toLowerCase())) ? [kind] : []
  })
}

/** `<table>.<column>: <kind>` of every column of every table of every schema that is not Postgres's own. */
export async function scanColumns(platform: TestPlatform, canary: PersonalData): Promise<string[]> {
  const found = new Set<string>()
  for (const table of await listTables(platform)) {
    const rows = await platform.query<{ row: Record<string, unknown> }>(`select to_jsonb(t) as row from ${table} as t`)
    for (const { row } of rows) {
      for (const [column, value] of Object.entries(row)) {
        const text = typeof value === 'string' ? value : JSON.stringify(value)
        for (const kind of kindsIn(canary, text)) found.add(`${table}.${column}: ${kind}`)
      }
    }
  }
  return [...found].sort()
}

/** Follows the write-ahead log of the whole server from now on; a slot keeps its segments until `close`. */
export async function followWal(platform: TestPlatform) {
  const slot = `canary_${word(10)}`
  const [start] = await platform.query<{ name: string }>(
    `select pg_walfile_name(restart) as name
     from (select (pg_create_physical_replication_slot('${slot}', true)).lsn as restart) as made`,
  )
  const from = start?.name ?? ''
  return {
    /** Every byte that was written since, values over 2 kB excepted, which the server may have compressed. */
    async read(): Promise<Buffer> {
      const segments = await platform.query<{ name: string }>(
        `select name from pg_ls_waldir()
         where name ~ '^[0-9A-F]{24}$' and name >= $1 and name <= pg_walfile_name(pg_current_wal_insert_lsn())
         order by name`,
        [from],
      )
      if (segments[0]?.name !== from) throw new Error('the log does not begin where it should')
      await platform.query('checkpoint')
      const parts: Buffer[] = []
      for (const { name } of segments) {
        const [part] = await platform.query<{ bytes: Buffer }>("select pg_read_binary_file('pg_wal/' || $1) as bytes", [
          name,
        ])
        if (part !== undefined) parts.push(part.bytes)
      }
      return Buffer.concat(parts)
    },
    close: () => platform.query(`select pg_drop_replication_slot('${slot}')`).then(() => {}),
  }
}

/** As `kindsIn`, of bytes. */
export function kindsInBytes(canary: PersonalData, bytes: Buffer): string[] {
  return Object.entries(canary).flatMap(([kind, value]) =>
    [value, encodeURIComponent(value)].some((form) => bytes.includes(form)) ? [kind] : [],
  )
}
