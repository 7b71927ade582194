import { createHmac } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { RequestContext } from '../context.ts'
import { ProblemError } from '../problem/problem.ts'
import { type KeyRing, keysFor } from '../secrets/keyring.ts'
import { admitAddress, admitAttempt, forgiveAttempt, withdrawAttempt } from './queries.ts'

/**
 * The fifth failure in a row costs a wait of 1 s, and each further one twice as long, up to 15 minutes. Whoever wants to keep
 * somebody out can do so for 15 minutes at a time, at one request each: the price of 4 guesses an hour instead of
 * thousands a second. A session that is open goes on, and an hour of quiet forgets all.
 */
const ACCOUNT = { allowed: 5, maxSeconds: 900 } as const
/** Failures of one address, whatever accounts it tries: what stops one password from being tried on all of them. */
const ADDRESS = { allowed: 20, windowSeconds: 60 } as const

export interface Attempt {
  /** Whether it is the first in a row that blocks the account unless it is forgiven. */
  isFirstToBlock: boolean
  /**
   * Finds out whether the attempt is good. What throws there has tried nothing, for a reason of ours: this one failure is
   * taken back, so that nobody has to wait for it.
   */
  decide<T>(work: () => Promise<T>): Promise<T>
  /** Nothing was guessed: the account starts afresh, and the address has one failure less. */
  forgive(): Promise<void>
}

/**
 * Counts an attempt as failed before it is made, so that many at once cannot all pass the check. Throws `rate_limited`
 * with `Retry-After`; a refused attempt counts for nothing, so that nobody is kept waiting by being hammered. Accounts
 * that do not exist are counted alike. Stored are HMACs only.
 */
export async function admit(ctx: RequestContext, purpose: 'login' | 'password', account: string): Promise<Attempt> {
  const byAccount = subject(ctx.keys, `${purpose}/account`, account)
  const byAddress = addressSubject(ctx, purpose)
  const at = ctx.clock()
  const wait = await admitAttempt(ctx.db.main.lookup, {
    at,
    address: { subject: byAddress, ...ADDRESS },
    account: { subject: byAccount, ...ACCOUNT },
  })
  if (wait > 0) throw tooMany(wait)
  const blockedUntil = wait < 0 ? new Date(at.getTime() - wait * 1_000) : null
  return {
    isFirstToBlock: wait === -1,
    async decide(work) {
      try {
        return await work()
      } catch (error) {
        const counted = { at, address: byAddress, account: byAccount, blockedUntil }
        await withdrawAttempt(ctx.db.main.lookup, counted).catch((failure: unknown) =>
          ctx.log.error({ err: failure }, 'an attempt that could not be made stays counted as failed'),
        )
        throw error
      }
    },
    forgive: () => forgiveAttempt(ctx.db.main.lookup, byAddress, byAccount),
  }
}

/**
 * Counts the failure of an address with something that cannot be guessed, such as a refresh token or an invitation.
 * Throws `rate_limited` above 20 in a minute: good ones pass all the while, so nobody behind the same address is hurt.
 */
export async function countFailure(ctx: RequestContext, purpose: 'refresh' | 'invitation'): Promise<void> {
  const wait = await admitAddress(ctx.db.main.lookup, {
    at: ctx.clock(),
    subject: addressSubject(ctx, purpose),
    ...ADDRESS,
  })
  if (wait > 0) throw tooMany(wait)
}

function tooMany(seconds: number): ProblemError {
  return new ProblemError('rate_limited', 'Too many attempts have failed. Try again later.', {
    headers: { 'Retry-After': String(seconds) },
  })
}

function addressSubject({ keys, clientAddress }: RequestContext, purpose: string): Buffer {
  return subject(keys, `${purpose}/address`, toNetwork(clientAddress ?? 'unknown'))
}

/** One subscriber has a whole /64 of IPv6 (RFC 6177), so that is what is counted. `address` is canonical. */
export function toNetwork(address: string): string {
  if (!isIPv6(address)) return address
  // A URL writes every group in hexadecimal, whatever form the address had.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const groups = (text = '') => (text === '' ? [] : text.split(':'))
  const [front, back] = [groups(head), groups(tail)]
  const missing = tail === undefined ? 0 : 8 - front.length - back.length
  return `${[...front, ...Array<string>(missing).fill('0'), ...back].slice(0, 4).join(':')}::/64`
}

function subject(keys: KeyRing, purpose: string, value: string): Buffer {
  const [key] = keysFor(keys, 'login-throttle/v1')
  return createHmac('sha256', key).update(`${purpose}/${value}`).digest()
}
