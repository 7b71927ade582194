import { allocate } from '../../money.ts'
import { inventPerson, type Person } from './person.ts'
import { type Random, randomOf, ulid } from './random.ts'

/** What one buyer bought, and what became of it. All vendors tell the same story of one seed, each in its own way. */
export interface Purchase {
  seed: number
  /** The number that the shop shows. */
  number: number
  /** ISO 4217 */
  currency: string
  /** Σ net of the lines + shipping + tax. All amounts are ISO minor units, and multiples of the vendor's step. */
  totalMinor: bigint
  lines: Line[]
  /** On the lines, not on shipping. */
  discount: { code: string; amountMinor: bigint } | null
  shippingMinor: bigint
  taxMinor: bigint
  /** Percent; prices do not include it. Of the lines only. */
  taxRate: number
  person: Person
  /** `av1.<visitor>.<session>`, as the shop's page writes it. */
  token: string
  visit: Visit
  refund: Refund
  dispute: Dispute
  times: Times
}

export interface Line {
  /** From 0. */
  index: number
  title: string
  sku: string
  quantity: number
  unitMinor: bigint
  /** `unitMinor` × `quantity`. */
  grossMinor: bigint
  discountMinor: bigint
  /** Gross less discount, without tax. */
  netMinor: bigint
  taxMinor: bigint
}

export interface Refund {
  /** 1 step up to the total. */
  amountMinor: bigint
  isFull: boolean
  reason: string
}

export interface Dispute {
  /** What was not refunded; of an order that was refunded in full, the total. */
  amountMinor: bigint
  isWon: boolean
}

/** Milliseconds since 1970, whole seconds, in this order; all within LIFE_MS. */
export interface Times {
  checkout: number
  placed: number
  paid: number
  refunded: number
  refundSettled: number
  disputed: number
  disputeAnswered: number
  disputeClosed: number
}

/** Where the buyer came from. */
export interface Visit {
  source: string
  medium: string
  campaign: string
  /** Path with query. */
  landingPath: string
  referrer: string
}

export interface PurchaseOptions {
  currency: string
  /** The smallest amount that the vendor can state, in ISO minor units; every amount is a multiple. */
  stepMinor: bigint
  /** The order's total: a positive multiple of the step. Default: 500 to 25,000 steps, by the seed. */
  amountMinor?: bigint
  /** When the checkout began; all else follows within LIFE_MS. Default: a time in the first half of 2026, by the seed. */
  startedAt?: number
  /** ULID of the visitor. Default: by the seed. */
  visitorId?: string
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
/** From the first to the last time of a purchase. Far shorter than in life, so that all of it can be past already. */
export const LIFE_MS = 30 * MINUTE
const FIRST_START = Date.UTC(2026, 0, 5)
const START_SPAN_MINUTES = 180 * 24 * 60

const GOODS = [
  { title: 'Hiking boots', sku: 'BOOT-42' },
  { title: 'Tent “Fjell” 2p', sku: 'TENT-2' },
  { title: 'Wool socks / grå', sku: 'SOCK-M' },
  { title: 'Thermos 1 l', sku: 'THERM-1' },
  { title: 'Gift card', sku: 'GIFT-1' },
]
const TAX_RATES = [0, 5, 8, 20, 25]
const REASONS = ['Too small', 'Arrived damaged', 'Changed my mind']
const VISITS: Visit[] = [
  visit('google', 'cpc', 'spring-boots', 'https://www.google.com/', '&gclid=EAIaIQobChMI-example'),
  visit('newsletter', 'email', 'may-letter', 'https://mail.example.com/'),
  visit('facebook', 'paid_social', 'retargeting', 'https://l.facebook.com/', '&fbclid=IwAR0-example'),
  visit('partner-blog', 'referral', 'review', 'https://blog.example.com/boots'),
]

function visit(source: string, medium: string, campaign: string, referrer: string, click = ''): Visit {
  const query = `utm_source=${source}&utm_medium=${medium}&utm_campaign=${campaign}${click}`
  return { source, medium, campaign, referrer, landingPath: `/products/boots?${query}` }
}

/** The purchase of a seed: the same for the same options. Throws RangeError when the amount is no multiple of the step. */
export function inventPurchase(seed: number, options: PurchaseOptions): Purchase {
  const { currency, stepMinor } = options
  // Streams of their own: an amount or a time that is given leaves everything else as it was.
  const random = (part: string) => randomOf(`skeldir webhooks ${seed} ${part}`)
  const amounts = inventAmounts(random('amounts'), options)
  const facts = random('facts')
  // Drawn whether needed or not, for the same reason.
  const wantsFull = facts.chance(0.4)
  const percent = BigInt(facts.integer(1, 99))
  const isFull = wantsFull || amounts.total === 1n
  const refundedSteps = isFull ? amounts.total : (amounts.total * percent) / 100n || 1n
  const disputedSteps = isFull ? amounts.total : amounts.total - refundedSteps
  const visitorId = ulid(facts)
  const sessionId = ulid(facts)
  return {
    seed,
    number: facts.integer(1001, 999_999),
    currency,
    ...inUnits(amounts, stepMinor),
    person: inventPerson(random('person')),
    token: `av1.${options.visitorId ?? visitorId}.${sessionId}`,
    visit: facts.pick(VISITS),
    refund: { amountMinor: refundedSteps * stepMinor, isFull, reason: facts.pick(REASONS) },
    dispute: { amountMinor: disputedSteps * stepMinor, isWon: facts.chance(0.5) },
    times: inventTimes(random('times'), options.startedAt),
  }
}

function inventTimes(random: Random, startedAt: number | undefined): Times {
  const drawn = FIRST_START + random.integer(0, START_SPAN_MINUTES) * MINUTE + random.integer(0, 59) * SECOND
  const checkout = startedAt === undefined ? drawn : Math.floor(startedAt / SECOND) * SECOND
  const after = (time: number, low: number, high: number) => time + random.integer(low, high) * SECOND
  const placed = after(checkout, 60, 180)
  const paid = after(placed, 2, 9)
  const refunded = after(paid, 240, 840)
  const refundSettled = after(refunded, 1, 20)
  const disputed = after(refundSettled, 30, 180)
  const disputeAnswered = after(disputed, 30, 180)
  const disputeClosed = after(disputeAnswered, 30, 300)
  return { checkout, placed, paid, refunded, refundSettled, disputed, disputeAnswered, disputeClosed }
}

/** Amounts in steps. */
interface Amounts {
  total: bigint
  shipping: bigint
  tax: bigint
  taxRate: number
  discount: bigint
  code: string
  lines: { goods: (typeof GOODS)[number]; quantity: number; unit: bigint }[]
}

/** Breaks the total down so that all parts add up to it, whatever it is. */
function inventAmounts(random: Random, { amountMinor, stepMinor }: PurchaseOptions): Amounts {
  const drawn = BigInt(random.integer(500, 25_000))
  const total = amountMinor === undefined ? drawn : amountMinor / stepMinor
  if (total < 1n || (amountMinor !== undefined && amountMinor % stepMinor !== 0n)) {
    throw new RangeError(`the amount is not a positive multiple of ${stepMinor} minor units`)
  }
  const taxRate = random.pick(TAX_RATES)
  const shipping = random.chance(0.6) ? total / BigInt(random.integer(8, 30)) : 0n
  const tax = ((total - shipping) * BigInt(taxRate)) / BigInt(100 + taxRate)
  const subtotal = total - shipping - tax
  // A tenth off the gross price is a ninth of what is left.
  const discount = random.chance(0.3) ? subtotal / 9n : 0n
  const lines = inventLines(random, subtotal + discount)
  return { total, shipping, tax, taxRate, discount, code: random.pick(['SPRING10', 'WELCOME10']), lines }
}

function inventLines(random: Random, gross: bigint): Amounts['lines'] {
  const goods = random.shuffle(GOODS)
  const count = gross < 100n ? 1 : random.integer(1, 3)
  let left = gross
  return Array.from({ length: count }, (_, index) => {
    const isLast = index === count - 1
    const quantity = isLast ? 1 : random.integer(1, 3)
    // At most half of what is left, so that the last line is never empty.
    const unit = isLast ? left : left / BigInt(quantity * random.integer(2, 4))
    left -= unit * BigInt(quantity)
    return { goods: goods[index] as (typeof GOODS)[number], quantity, unit }
  })
}

function inUnits(amounts: Amounts, stepMinor: bigint) {
  const { total, shipping, tax, taxRate, discount, code } = amounts
  const gross = amounts.lines.map(({ unit, quantity }) => unit * BigInt(quantity))
  const discounts = allocate(discount, gross)
  const net = gross.map((amount, index) => amount - (discounts[index] as bigint))
  const taxes = allocate(tax, net)
  const lines = amounts.lines.map(
    ({ goods, quantity, unit }, index): Line => ({
      index,
      ...goods,
      quantity,
      unitMinor: unit * stepMinor,
      grossMinor: (gross[index] as bigint) * stepMinor,
      discountMinor: (discounts[index] as bigint) * stepMinor,
      netMinor: (net[index] as bigint) * stepMinor,
      taxMinor: (taxes[index] as bigint) * stepMinor,
    }),
  )
  return {
    totalMinor: total * stepMinor,
    shippingMinor: shipping * stepMinor,
    taxMinor: tax * stepMinor,
    taxRate,
    discount: discount === 0n ? null : { code, amountMinor: discount * stepMinor },
    lines,
  }
}
