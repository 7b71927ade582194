import { isIPv4, isIPv6 } from 'node:net'

const NAMED_SECRET =
  /(token|secret|passwd|password|passphrase|authorization|cookie|session|api_?key)(["']?[=:] ?["']?)[^\s"'&,;)}\]]+/gi
const CREDENTIALS = /(bearer|basic) [\w.~+/=-]{8,}/gi
const SECRET_START = /^(?:sk|pk|rk|whsec|shpat|shpss|xoxb|xoxp|ghp|gho|AKIA|skd)[_-]?[A-Za-z0-9_-]{12,}$/
/** Two letters, two digits, then groups of four, with blanks or without (ISO 13616). */
const BANK_ACCOUNT = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b/g
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** Digits as a card, an account or a telephone has them: with at most three of these between two. Of a UUID, all of it. */
const NUMBER = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\d(?:[ ().-]{0,3}\d){8,99}/gi
const DAY = /^\d{4}-\d\d-\d\d(?: \d\d)?$/
const DECIMAL = /^\d{1,8}\.\d+$/
const MAX_URL = 2_048

/**
 * A text of an error without what may name a person or open a door: e-mail addresses, secrets, long numbers, addresses of
 * the network, and the query and fragment of every URL and path. Takes time in proportion to its length.
 */
export function stripText(text: string): string {
  return text
    .replace(CREDENTIALS, '$1 [secret]')
    .replace(NAMED_SECRET, '$1$2[secret]')
    .replace(BANK_ACCOUNT, '[number]')
    .replace(/[\da-f:]{3,45}/gi, (run) => (isIPv6(run) && /\d/.test(run) ? '[address]' : run))
    .replace(NUMBER, stripNumber)
    .split(/([\s"'`<>(){},;|\\]+)/)
    .map((word) => stripWord(word))
    .join('')
}

/**
 * The page: without its query, its fragment and who signed in by it. Null for what is no page of the web; of one that gets too
 * long by what is put in place, the origin.
 */
export function stripUrl(text: string): string | null {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  const path = url.pathname
    .split('/')
    .map((part) => (stripText(decode(part)) === decode(part) ? part : 'removed'))
    .join('/')
  const kept = `${url.origin}${path}`
  return kept.length <= MAX_URL ? kept : `${url.origin}/`
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** Digits enough for a card, an account or a telephone, that are no part of a name, no time and no fraction. */
function stripNumber(run: string, offset: number, text: string): string {
  const digits = run.replace(/\D/g, '').length
  const isPart =
    /\w/.test(text.slice(Math.max(0, offset - 1), offset)) || /^[A-Za-z_]/.test(text.slice(offset + run.length))
  const isKnown = isPart || UUID.test(run) || DAY.test(run) || DECIMAL.test(run) || isIPv4(run)
  return digits < 9 || digits > 19 || isKnown ? run : '[number]'
}

function stripWord(word: string): string {
  const scheme = word.indexOf('://')
  const cut = word.search(/[?#]/)
  if (scheme <= 0) return stripParts(word.startsWith('/') && cut !== -1 ? word.slice(0, cut) : word)
  const address = word.slice(scheme + 3, cut === -1 ? undefined : cut)
  const host = address.split('/', 1)[0] as string
  return `${word.slice(0, scheme + 3)}${stripParts(address.slice(host.lastIndexOf('@') + 1))}`
}

function stripParts(word: string): string {
  return word
    .split(/([=:&?/#]+)/)
    .map((part) => stripPart(part))
    .join('')
}

function stripPart(part: string): string {
  // The end of a sentence is not the end of an address.
  const end = /[.!?]$/.test(part) ? part.slice(-1) : ''
  const bare = part.slice(0, part.length - end.length)
  if (isAddress(bare)) return `[email]${end}`
  if ((bare.startsWith('eyJ') && bare.length >= 20) || SECRET_START.test(bare) || isRandom(bare))
    return `[secret]${end}`
  return isIPv4(bare) ? `[address]${end}` : part
}

function isAddress(part: string): boolean {
  const at = Math.max(part.lastIndexOf('@'), part.lastIndexOf('%40'))
  return at > 0 && part.indexOf('.', at) > at + 1
}

/** Letters and digits in no order that a person would write, as long as 192 random bits; not words with dashes between. */
function isRandom(part: string): boolean {
  if (part.length < 32 || !/^[A-Za-z0-9+_-]+$/.test(part)) return false
  const longest = Math.max(...part.split(/[_-]/).map((piece) => piece.length))
  return longest >= 24 && part.replace(/\D/g, '').length >= 4
}
