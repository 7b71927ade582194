import type { Cell } from './contract.ts'
import { type Disagreement, nameOfSide, type Side } from './disagreement.ts'

interface Undocumented {
  /** Lower case; `*` at the end stands for any rest. */
  name: string
  side: Side | 'both'
  status?: number
  reason: string
}

/** What may stand beside the documented headers: nothing else may. */
export const UNDOCUMENTED: readonly Undocumented[] = [
  { name: 'content-type', side: 'both', reason: 'compared as the media type' },
  { name: 'content-length', side: 'both', reason: 'of the connection (RFC 9110 section 8.6)' },
  { name: 'transfer-encoding', side: 'both', reason: 'of the connection (RFC 9112 section 6.1)' },
  { name: 'connection', side: 'both', reason: 'of the connection (RFC 9110 section 7.6.1)' },
  { name: 'keep-alive', side: 'both', reason: 'of the connection, as Node sends it' },
  { name: 'date', side: 'both', reason: 'of every answer (RFC 9110 section 6.6.1)' },
  { name: 'vary', side: 'both', reason: 'for caches, with CORS and with media types (RFC 9110 section 12.5.5)' },
  { name: 'cache-control', side: 'both', reason: 'no-store on every answer that documents no other' },
  { name: 'x-content-type-options', side: 'both', reason: 'nosniff on every answer, for browsers' },
  { name: 'access-control-*', side: 'both', reason: 'for browsers of another origin' },
  { name: 'accept', side: 'both', status: 415, reason: 'the media types that are taken (RFC 9110 section 15.5.16)' },
  {
    name: 'accept-encoding',
    side: 'both',
    status: 415,
    reason: 'the codings that are taken (RFC 9110 section 12.5.3)',
  },
  { name: 'ratelimit', side: 'real', reason: 'on every authenticated answer; documented on successes and 429' },
  { name: 'ratelimit-policy', side: 'real', reason: 'on every authenticated answer; documented on successes and 429' },
  { name: 'x-served-by', side: 'mock', reason: 'says which of the two has answered' },
  { name: 'preference-applied', side: 'mock', reason: 'says what Prefer has done (RFC 7240 section 3)' },
]

/** Documented headers whose value follows from the operation and not from its data. */
const FIXED = new Set(['www-authenticate', 'cache-control', 'deprecation', 'sunset'])

type Headers = Readonly<Record<string, string | null>>

/** Of one answer: what it lacks, and what it has that the contract does not know. */
export function checkHeaders(cell: Cell, side: Side, headers: Headers): Disagreement[] {
  const documented = new Set(cell.headers.map(({ name }) => name))
  const missing = cell.headers.filter(({ name, required }) => required && headers[name] === undefined)
  const surplus = Object.keys(headers).filter((name) => !documented.has(name) && !isExplained(name, side, cell.status))
  return [
    ...missing.map(({ name }) => report(name, `${nameOfSide(side)} lacks this header, which is required`)),
    ...surplus.map((name) => report(name, `${nameOfSide(side)} sends this header, which is not documented`)),
  ]
}

/** Between the two: values that cannot depend on the data must be the same. */
export function compareHeaders(cell: Cell, real: Headers, mock: Headers): Disagreement[] {
  return cell.headers.flatMap(({ name }) => {
    const [left, right] = [real[name], mock[name]]
    if (!FIXED.has(name) || left === undefined || right === undefined || left === right) return []
    return [report(name, `the real server says ${JSON.stringify(left)}, the mock ${JSON.stringify(right)}`)]
  })
}

function isExplained(name: string, side: Side, status: number): boolean {
  return UNDOCUMENTED.some((one) => {
    const isSame = one.name.endsWith('*') ? name.startsWith(one.name.slice(0, -1)) : name === one.name
    return isSame && (one.side === 'both' || one.side === side) && (one.status ?? status) === status
  })
}

function report(at: string, message: string): Disagreement {
  return { matter: 'header', at, message }
}
