import { createHmac } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { RequestContext } from '../../context.ts'
import { ProblemError } from '../../problem/problem.ts'
import { keysFor } from '../../secrets/keyring.ts'
import { admitByAddress } from './queries.ts'

export interface AddressLimit {
  /** What is limited: each purpose counts for itself. */
  purpose: string
  /** 1 to 1,000. */
  perMinute: number
  /** How many of them may come at once; 1 to 1,000. */
  burst: number
}

/**
 * Counts a request of `ctx.clientAddress`, across all processes. An IPv6 address counts as its /64, which is what one
 * customer of a provider has at least. Only a keyed hash is stored, and no longer than it says anything. Throws
 * `rate_limited` with Retry-After, and whatever the database throws: what nobody can count must not go on.
 */
export async function limitByAddress(ctx: RequestContext, { purpose, perMinute, burst }: AddressLimit): Promise<void> {
  const subject = `${purpose} ${networkOf(ctx.clientAddress)}`
  await limit(ctx, subject, { perMinute, burst, who: 'came from this address' })
}

/** The same for a user, wherever they are. */
export async function limitByUser(
  ctx: RequestContext,
  userId: string,
  { purpose, perMinute, burst }: AddressLimit,
): Promise<void> {
  await limit(ctx, `${purpose} user ${userId}`, { perMinute, burst, who: 'came from this user' })
}

async function limit(
  ctx: RequestContext,
  counted: string,
  { perMinute, burst, who }: { perMinute: number; burst: number; who: string },
): Promise<void> {
  const [key] = keysFor(ctx.keys, 'address-limits/v1')
  const subject = createHmac('sha256', key).update(counted).digest()
  const seconds = await admitByAddress(ctx.db.main.lookup, { subject, perMinute, burst })
  if (seconds === 0) return
  throw new ProblemError('rate_limited', `Too many requests ${who}. Try again in ${seconds} s.`, {
    headers: { 'Retry-After': String(Math.min(3_600, seconds)) },
  })
}

/** The address itself, or the first 64 bits of IPv6 in full. A closed socket has none: such requests count together. */
export function networkOf(address: string | null): string {
  if (address === null || !isIPv6(address)) return address ?? 'unknown'
  const [head = '', tail = ''] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const groups = address.includes('::')
    ? [...left, ...new Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
    : left
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
