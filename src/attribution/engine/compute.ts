import { compare } from '../../compare.ts'
import { exchange, findRate, type RateTable } from '../exchange.ts'
import { partsOfOrder, revenueShareOf } from '../revenue-definition.ts'
import { transformJourney } from '../transforms/registry.ts'
import { type Counting, creditOrder, type SetModel } from './credit.ts'
import type { EditionConfig } from './editions/config.ts'
import { hashOrderInput, hashOrderOutput } from './hash.ts'
import type { CreditedEntry, OrderInput, OrderTouch, Tier } from './order.ts'
import type { ReadOrder } from './orders/queries.ts'
import type { OrderRevision } from './pointers/queries.ts'

/** From the strongest to the weakest. */
const TIERS: readonly Tier[] = ['visitor_id', 'click_id', 'vendor_journey', 'landing_page']
const US_PER_MS = 1_000

export interface ComputedOrder {
  revision: OrderRevision
  journey: readonly OrderTouch[]
  entries: readonly CreditedEntry[]
}

/** What an edition computes by. */
export interface Computation {
  config: EditionConfig
  models: readonly SetModel[]
  rates: RateTable
}

/** What is known of an order from the credits that it had. */
export interface FormerOrder {
  identityTier: Tier | 'none'
  /** Null where those are of another edition. */
  inputSha256: Buffer | null
}

/**
 * What an order's credits are to be, or null where they are computed from the same as those that it has, by the hash of what
 * they are computed from. `lost` are touches that it was credited by and that are stored no longer.
 */
export function computeOrder(
  { config, models, rates }: Computation,
  read: ReadOrder,
  { lost, former }: { lost: readonly OrderTouch[]; former: FormerOrder | undefined },
): ComputedOrder | null {
  // What a transform leaves out is in no credit, so its end of time is no change: `PathTransform` promises the same without it.
  const touches = transformJourney(config.pathTransform, withLost(read, lost, config.lookbackDays))
  // Who had ordered is forgotten at the end of its time; that it was known is not.
  const hasIdentity = read.order.hasIdentity || former?.identityTier === 'visitor_id'
  const order = { ...read.order, hasIdentity, touches }
  const { counting, text } = countingOf(read, order, { config, rates })
  const inputSha256 = hashOrderInput(order, text)
  if (former?.inputSha256?.equals(inputSha256) === true) return null
  const credited = creditOrder(order, models, counting)
  return {
    revision: {
      orderKey: order.orderKey,
      orderedAtUs: order.orderedAtUs,
      identityTier: tierOf(order),
      touches: order.touches.length,
      totals: credited.totals,
      inputSha256,
      outputSha256: hashOrderOutput(order, credited),
    },
    journey: order.touches,
    entries: credited.entries,
  }
}

/**
 * The eligible touches, those among them that only the former credits know: the past stays as it was told when touches are
 * removed at the end of their time, and a refund is shared by the touches that had the money. What a path transform of the former
 * edition had left out is in no credit: once removed, it comes back in no edition.
 */
function withLost(read: ReadOrder, lost: readonly OrderTouch[], lookbackDays: number): readonly OrderTouch[] {
  const { order, previousUs, isBrought } = read
  const from = order.orderedAtUs - lookbackDays * 86_400_000_000
  const kept = lost.filter(
    ({ occurredAtUs }) =>
      occurredAtUs >= from && occurredAtUs <= order.orderedAtUs && (previousUs === null || occurredAtUs > previousUs),
  )
  if (kept.length === 0) return order.touches
  const visitors = kept.filter(({ origin }) => origin !== 'order')
  // Those of the visitor take the place of what the order itself brought.
  const isBroughtOnly = isBrought && visitors.length === 0
  const touches = isBroughtOnly ? [...order.touches, ...kept] : [...(isBrought ? [] : order.touches), ...visitors]
  return touches.toSorted(
    (a, b) => a.occurredAtUs - b.occurredAtUs || compare(a.externalId, b.externalId) || compare(a.origin, b.origin),
  )
}

function tierOf({ touches, hasIdentity }: OrderInput): Tier | 'none' {
  const found = TIERS.find((tier) => touches.some((touch) => touch.tier === tier))
  return found ?? (hasIdentity ? 'visitor_id' : 'none')
}

/** How the money of an order counts, and what of that stands in its hash: by currency, in order. */
function countingOf(
  { parts }: ReadOrder,
  { orderKey, orderedAtUs, entries }: OrderInput,
  { config, rates }: Pick<Computation, 'config' | 'rates'>,
): { counting: Counting; text: string[] } {
  const at = new Date(Math.floor(orderedAtUs / US_PER_MS))
  const to = config.reportingCurrency
  const currencies = [...new Set(entries.map(({ currency }) => currency))].sort()
  const known = new Map(
    currencies.map((currency) => {
      const share = revenueShareOf(partsOfOrder(parts, { groupKey: orderKey, currency }), config.revenueDefinition)
      return [currency, { share, rate: findRate(rates, currency, to, at) }] as const
    }),
  )
  const of = (currency: string) => {
    const found = known.get(currency)
    if (found === undefined) throw new Error('an entry has a currency that its order has not')
    return found
  }
  return {
    counting: {
      shareOf: (currency) => of(currency).share,
      reportingCurrency: to,
      toReporting: (amountMinor, currency) => {
        const { rate } = of(currency)
        return rate === null ? null : exchange(amountMinor, { from: currency, to, rate })
      },
    },
    text: currencies.map((currency) => {
      const { share, rate } = of(currency)
      const exchanged = rate === null ? 'no rate' : `${rate.numerator}/${rate.denominator}`
      return `${currency} ${share.countedMinor}/${share.totalMinor} ${exchanged}`
    }),
  }
}
