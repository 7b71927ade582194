import { compare } from '../../compare.ts'
import type { Effect } from './lists.ts'
import { byStanding, type Statement } from './statement.ts'

/** What settles a claim may bear a time a little after its end; a reversal, by which a bank makes it, a little before it too. */
const SLACK_MS = 86_400_000

/** Of a claim, or of an item that may settle one. */
interface Part {
  effect: Effect
  currency: string | null
  /** Milliseconds since 1970. */
  from: number
  until: number
  /** Minor units that no other part accounts for. */
  left: bigint
}

/**
 * A claim to money of a list (a case at PayPal), and the refunds or reversals that settle it, tell of one loss. What was
 * refunded while it was open is that much less of the claim, since a refund stays whoever wins. Of a reversal what goes beyond
 * the claim counts, since what a claim took comes back where it is won.
 */
export function settleClaims(effects: ReadonlyMap<string, Effect>, ends: readonly Statement[]): void {
  const ofLists = [...effects.values()].filter(({ said: [one] }) => one?.list === 'claim' || one?.list === 'item')
  for (const members of Map.groupBy(ofLists, ({ said: [one] }) => one?.listKey).values()) {
    const claims = members.filter(({ said: [one] }) => one?.list === 'claim').map((effect) => toClaim(effect, ends))
    if (claims.length === 0) continue
    const items = members.filter(({ said: [one] }) => one?.list === 'item').map(toItem)
    const ofType = (type: Statement['type']) => items.filter(({ effect: { said } }) => said[0]?.type === type)
    share(claims, ofType('payment_refunded'), { slackMs: 0, pick: (claim) => claim })
    share(claims, ofType('payment_disputed'), { slackMs: SLACK_MS, pick: (_claim, reversal) => reversal })
  }
}

/** What claims and items have in common, the oldest with the oldest, is taken off the one that `pick` names. */
function share(
  claims: readonly Part[],
  items: readonly Part[],
  { slackMs, pick }: { slackMs: number; pick: (claim: Part, item: Part) => Part },
): void {
  for (const claim of claims.toSorted(byAge)) {
    for (const item of items.toSorted(byAge)) {
      if (item.currency !== claim.currency || item.from < claim.from - slackMs || item.from > claim.until) continue
      const common = item.left < claim.left ? item.left : claim.left
      item.left -= common
      claim.left -= common
      pick(claim, item).effect.amountMinor -= common
    }
  }
}

function toClaim(effect: Effect, ends: readonly Statement[]): Part {
  const item = toItem(effect)
  const own = ends.filter(({ disputeKey }) => disputeKey === effect.said[0]?.entryKey)
  const until = own.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...own.map(timeIn)) + SLACK_MS
  return { ...item, until }
}

function toItem(effect: Effect): Part {
  const [first] = effect.said.toSorted(byStanding)
  const from = Math.min(...effect.said.map(timeIn))
  return { effect, currency: first?.currency ?? null, from, until: from, left: effect.amountMinor }
}

function timeIn({ occurredAt }: Statement): number {
  return occurredAt.getTime()
}

function byAge(a: Part, b: Part): number {
  return compare(a.from, b.from) || compare(a.effect.said[0]?.entryKey ?? '', b.effect.said[0]?.entryKey ?? '')
}
