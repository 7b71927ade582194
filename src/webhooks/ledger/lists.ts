import { compare } from '../../compare.ts'
import { amountOf, byStanding, type Statement, timeOf } from './statement.ts'

/** An entry by all that is said of it. */
export interface Effect {
  said: Statement[]
  /** Minor units without the sign; where a sum of its list says otherwise than the entry itself, what is left of it. */
  amountMinor: bigint
}

/**
 * What some statements say of each entry, those about whole lists and about sums of lists included; by entry key. `whole`:
 * an item that it does not name is none since then. `sum`: so much all items were worth then, whether told of or not.
 */
export function effectsOfLists(statements: readonly Statement[]): Map<string, Effect> {
  const said = Map.groupBy(
    [...statements.filter(({ list }) => list !== 'whole'), ...impliedByWholes(statements)],
    ({ entryKey }) => entryKey,
  )
  const effects = new Map([...said].map(([entryKey, own]) => [entryKey, { said: own, amountMinor: holding(own) }]))
  for (const [listKey, members] of Map.groupBy(effects.values(), listKeyOf)) {
    if (listKey === null) continue
    for (const [effect, amountMinor] of shareSum(members)) effect.amountMinor = amountMinor
  }
  return effects
}

function holding(said: readonly Statement[]): bigint {
  const [first] = said.toSorted(byStanding)
  return first === undefined ? 0n : amountOf(first)
}

/** That an item is none, from each statement about its whole list that does not name it. */
export function impliedByWholes(statements: readonly Statement[]): Statement[] {
  const wholes = statements.filter(({ list }) => list === 'whole')
  return wholes.flatMap((whole) => {
    const items = statements.filter(({ list, listKey }) => list === 'item' && listKey === whole.listKey)
    const named = new Set(items.filter(({ eventId }) => eventId === whole.eventId).map(({ entryKey }) => entryKey))
    const others = new Set(items.map(({ entryKey }) => entryKey).filter((entryKey) => !named.has(entryKey)))
    return [...others].map((entryKey): Statement => ({ ...whole, entryKey, list: 'item' }))
  })
}

function listKeyOf({ said }: Effect): string | null {
  return said.map(({ listKey }) => listKey).find((listKey) => listKey !== null) ?? null
}

function isSum({ said }: Effect): boolean {
  return said.some(({ list }) => list === 'sum')
}

/** When an item began to be worth something in a sum, and ceased to; milliseconds since 1970. */
interface Item {
  effect: Effect
  /** Also of one that moves nothing any more: it was worth this as long as it did. */
  amountMinor: bigint
  isLive: boolean
  bornAt: number
  diedAt: number
}

/**
 * The newest sum of a list says what the items until then are worth together, and each younger item counts besides. Of the
 * sum, those items that are known take their part, the oldest first; the rest are items that nobody told of, and count
 * where a sum first had them: a step from one sum to the next that all later ones still have.
 */
function shareSum(members: readonly Effect[]): [Effect, bigint][] {
  const levels = members
    .filter(isSum)
    .map((effect) => ({ effect, amountMinor: effect.amountMinor, at: Math.max(...effect.said.map(timeOf)) }))
    .toSorted((a, b) => compare(a.at, b.at) || compare(a.amountMinor, b.amountMinor))
  const newest = levels.at(-1)
  if (newest === undefined) return []
  const items = members.filter((effect) => !isSum(effect)).map(toItem)
  const within = (at: number) => items.filter(({ bornAt, diedAt }) => bornAt <= at && at <= diedAt)

  const [live, dead] = [true, false].map((isLive) => within(newest.at).filter((item) => item.isLive === isLive))
  let left = lessAll(newest.amountMinor, dead ?? [])
  const shares = (live ?? []).toSorted(byAge).map(({ effect, amountMinor }): [Effect, bigint] => {
    const share = amountMinor < left ? amountMinor : left
    left -= share
    return [effect, share]
  })
  const rests = levels.map((level) => (level === newest ? left : lessAll(level.amountMinor, within(level.at))))
  const lasting = rests.map((_, index) => rests.slice(index).reduce((least, rest) => (rest < least ? rest : least)))
  return [
    ...shares,
    ...levels.map(({ effect }, index): [Effect, bigint] => [
      effect,
      (lasting[index] ?? 0n) - (lasting[index - 1] ?? 0n),
    ]),
  ]
}

function toItem(effect: Effect): Item {
  const { said } = effect
  const [lives, ends] = [said.filter((one) => amountOf(one) > 0n), said.filter((one) => amountOf(one) === 0n)]
  const isLive = effect.amountMinor > 0n
  const madeAt = Math.min(...said.map(({ occurredAt }) => occurredAt.getTime()))
  // What claims to be younger than the first news of it has a wrong clock: then the first news that it lives is its birth.
  const livedAt = lives.length > 0 ? firstTold(lives) : Number.NEGATIVE_INFINITY
  return {
    effect,
    amountMinor: isLive ? effect.amountMinor : most(said),
    isLive,
    bornAt: madeAt <= firstTold(said) ? madeAt : livedAt,
    diedAt: isLive ? Number.POSITIVE_INFINITY : firstTold(ends),
  }
}

function firstTold(statements: readonly Statement[]): number {
  return Math.min(...statements.map(timeOf))
}

function most(statements: readonly Statement[]): bigint {
  return statements.map(({ amountMinor }) => amountMinor ?? 0n).reduce((a, b) => (a > b ? a : b), 0n)
}

function lessAll(amountMinor: bigint, items: readonly Item[]): bigint {
  const rest = items.reduce((left, item) => left - item.amountMinor, amountMinor)
  return rest > 0n ? rest : 0n
}

function byAge(a: Item, b: Item): number {
  return compare(a.bornAt, b.bornAt) || compare(keyOf(a), keyOf(b))
}

function keyOf({ effect }: Item): string {
  return effect.said[0]?.entryKey ?? ''
}
