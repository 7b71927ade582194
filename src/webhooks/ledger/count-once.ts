import { compare } from '../../compare.ts'
import type { EntryKind } from './settle.ts'

/** An entry with all that corrects it, of one of the keys of an order. */
export interface GroupEntry {
  entryKey: string
  orderKey: string
  kind: EntryKind
  amountMinor: bigint
  currency: string
  reversesEntryKey: string | null
}

/** Two keys of one order, as a delivery names them. */
export type Link = readonly [orderKey: string, sameAs: string]

/** More keys than any order has: beyond, somebody has given many orders the same name. */
export const MAX_LINKED_ORDERS = 100

/** The most trustworthy last: a shop knows the whole order, a payment service its payment. */
const VENDORS = ['paypal', 'stripe', 'woocommerce', 'shopify']

/** The key that an order with several keys goes by. The same whatever their order. */
export function groupKeyOf(orderKeys: readonly string[]): string {
  const [first] = orderKeys.toSorted((a, b) => rankOf(vendorOf(b)) - rankOf(vendorOf(a)) || compare(a, b))
  if (first === undefined) throw new TypeError('an order has a key')
  return first
}

/**
 * The entries of one order whose money other entries of it report too. Of captures and of disputes each, the vendor counts
 * that reports the most; of two that report as much, or in different currencies, the shop does. Refunds are compared one by
 * one. Where a vendor has two names for a payment, such as a charge and its payment intent, one capture of it counts. What a
 * won dispute gives back counts where the dispute does. The same whatever the order of the entries and the links.
 */
export function findUncounted(entries: readonly GroupEntry[], links: readonly Link[]): string[] {
  const uncounted = new Set(capturesUnderTwoNames(entries, links))
  const leave = (some: readonly GroupEntry[]) => {
    for (const { entryKey } of some) uncounted.add(entryKey)
  }
  const countedOf = (kind: EntryKind) =>
    entries.filter((entry) => entry.kind === kind && !uncounted.has(entry.entryKey))
  leave(ofWeakerVendors(countedOf('capture')))
  leave(ofWeakerVendors(countedOf('dispute')))
  leave(refundsToldAgain(countedOf('refund'), countedOf('capture')))
  leave(entries.filter(({ reversesEntryKey }) => reversesEntryKey !== null && uncounted.has(reversesEntryKey)))
  return [...uncounted].sort(compare)
}

function ofWeakerVendors(entries: readonly GroupEntry[]): GroupEntry[] {
  const winner = strongest(entries)
  return entries.filter(({ orderKey }) => vendorOf(orderKey) !== winner)
}

/**
 * The refunds that a vendor further up in trust reports too: those of its amount, and then those that together have the
 * amount of one, or one of several. The others are refunds of their own, such as one in cash at the shop and one that was
 * made at the payment service alone; unless so much was never paid, or the currencies differ: then one vendor counts, as it
 * does for captures.
 */
function refundsToldAgain(refunds: readonly GroupEntry[], captures: readonly GroupEntry[]): GroupEntry[] {
  const byVendor = [...Map.groupBy(refunds, ({ orderKey }) => vendorOf(orderKey))]
  const [[, first] = ['', []], ...others] = byVendor.toSorted(([a], [b]) => rankOf(b) - rankOf(a))
  if (!isOneCurrency(refunds)) return ofWeakerVendors(refunds)
  const counted = first.toSorted(bySize)
  const again: GroupEntry[] = []
  for (const [, told] of others) {
    const fresh = withoutEquals(told.toSorted(bySize), counted)
    again.push(...told.filter((refund) => !fresh.includes(refund)))
    counted.push(...fresh)
  }
  const captured = sumOf(captures.filter(({ currency }) => currency === refunds[0]?.currency))
  return captured > 0n && sumOf(counted) > captured ? ofWeakerVendors(refunds) : again
}

/** Those of `told` that no part of `known` has the amount of; each amount is used once. */
function withoutEquals(told: readonly GroupEntry[], known: readonly GroupEntry[]): GroupEntry[] {
  const [left, open] = [[...told], [...known]]
  const drop = (from: GroupEntry[], some: readonly GroupEntry[]) => {
    for (const one of some) from.splice(from.indexOf(one), 1)
  }
  for (const size of [1, MAX_PARTS]) {
    if (size > 1 && left.length + open.length > MAX_REFUNDS) break
    for (const [from, to] of [
      [left, open],
      [open, left],
    ] as const) {
      for (const one of [...from]) {
        const parts = partsOf(sizeOf(one), to, size)
        if (parts === undefined) continue
        drop(to, parts)
        drop(from, [one])
      }
    }
  }
  return left
}

/** More parts of one refund are not looked for: their sums would fit by chance. */
const MAX_PARTS = 4
/** Nor are parts among more refunds than this. */
const MAX_REFUNDS = 20

/** Of those at hand, the largest first, at most `size` that have the amount together. */
function partsOf(amount: bigint, atHand: readonly GroupEntry[], size: number): GroupEntry[] | undefined {
  if (amount === 0n) return []
  if (size === 0) return undefined
  for (const [index, one] of atHand.entries()) {
    if (sizeOf(one) > amount) continue
    const others = partsOf(amount - sizeOf(one), atHand.slice(index + 1), size - 1)
    if (others !== undefined) return [one, ...others]
  }
  return undefined
}

/** Of the names that a vendor itself has for one payment, all captures but the largest. */
function capturesUnderTwoNames(entries: readonly GroupEntry[], links: readonly Link[]): string[] {
  const own = links.filter(([a, b]) => vendorOf(a) === vendorOf(b))
  const nameOf = joinNames(own)
  const payments = Map.groupBy(
    entries.filter(({ kind }) => kind === 'capture'),
    ({ orderKey }) => nameOf(orderKey),
  )
  return [...payments.values()].flatMap((captures) => {
    const [, ...others] = captures.toSorted(
      (a, b) => compare(b.amountMinor, a.amountMinor) || compare(a.entryKey, b.entryKey),
    )
    return others.map(({ entryKey }) => entryKey)
  })
}

/** A name for all keys that the links join, directly or over others. */
function joinNames(links: readonly Link[]): (orderKey: string) => string {
  const parents = new Map<string, string>()
  const rootOf = (key: string): string => {
    let root = key
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next
    return root
  }
  for (const [a, b] of links) {
    const [first, second] = [rootOf(a), rootOf(b)]
    if (first !== second) parents.set(first, second)
  }
  return rootOf
}

function strongest(entries: readonly GroupEntry[]): string | undefined {
  const sums = [...Map.groupBy(entries, ({ orderKey }) => vendorOf(orderKey))].map(
    ([vendor, own]) => [vendor, sumOf(own)] as const,
  )
  const isComparable = isOneCurrency(entries)
  const [first] = sums.toSorted(
    ([a, aSum], [b, bSum]) => (isComparable ? compare(bSum, aSum) : 0) || rankOf(b) - rankOf(a),
  )
  return first?.[0]
}

function isOneCurrency(entries: readonly GroupEntry[]): boolean {
  return new Set(entries.map(({ currency }) => currency)).size <= 1
}

function sumOf(entries: readonly GroupEntry[]): bigint {
  return entries.reduce((sum, entry) => sum + sizeOf(entry), 0n)
}

function sizeOf({ amountMinor }: GroupEntry): bigint {
  return amountMinor < 0n ? -amountMinor : amountMinor
}

function bySize(a: GroupEntry, b: GroupEntry): number {
  return compare(sizeOf(b), sizeOf(a)) || compare(a.entryKey, b.entryKey)
}

function vendorOf(orderKey: string): string {
  return orderKey.slice(0, orderKey.indexOf(':'))
}

function rankOf(vendor: string): number {
  return VENDORS.indexOf(vendor)
}
