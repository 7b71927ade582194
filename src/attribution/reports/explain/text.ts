import { formatMinor } from '../../../money.ts'

/** A number of the text: an amount in minor units or a plain number, and where it is stored. */
export interface Citation {
  metric: string
  amountMinor: bigint | null
  number: number | null
  source: `${string}.${string}`
}

export interface ExplainedOrder {
  title: string
  currency: string
  capturedMinor: bigint
  refundedMinor: bigint
  netMinor: bigint
  lookbackDays: number
  eligible: number
  /** Touches that were left out, by reason. */
  excluded: Readonly<Record<string, number>>
}

const REMOVED_BY_TRANSFORM = 'removed_by_transform'
const EXCLUDED_BECAUSE: Readonly<Record<string, (lookbackDays: number) => string>> = {
  outside_lookback: (days) => `before the ${days} days of look-back`,
  after_order: () => 'after the order',
  before_previous_order: () => "before the visitor's previous order",
  superseded: () => "in the order's own record, which touchpoints of the visitor stand for",
}

/** An order's credits in fixed sentences, and a citation for each number in them. */
export function describeOrder(order: ExplainedOrder): { text: string; citations: Citation[] } {
  const { title, currency, capturedMinor, refundedMinor, netMinor, lookbackDays, eligible, excluded } = order
  const money = (minor: bigint) => `${formatMinor(minor, currency)} ${currency}`
  const taken = refundedMinor === 0n ? '' : `, ${money(refundedMinor)} taken back`
  const divided =
    eligible === 0
      ? 'goes to (unattributed): no touchpoint is eligible.'
      : `is divided by the model ${title} over ${count(eligible, 'eligible touchpoint')}.`
  const reasons = Object.entries(excluded).map(([reason, number]) =>
    reason === REMOVED_BY_TRANSFORM
      ? `${count(number, 'touchpoint')} ${number === 1 ? 'is' : 'are'} left out by the path transform.`
      : `${count(number, 'touchpoint')} ${number === 1 ? 'lies' : 'lie'} ${EXCLUDED_BECAUSE[reason]?.(lookbackDays) ?? 'outside'} and ${number === 1 ? 'counts' : 'count'} for nothing.`,
  )
  const citations: Citation[] = [
    amount('net_revenue', netMinor, 'attribution_order_credits.revenue_minor'),
    amount('captured', capturedMinor, 'attribution_orders.captured_minor'),
    ...(refundedMinor === 0n ? [] : [amount('refunded', refundedMinor, 'attribution_orders.refunded_minor')]),
    ...(eligible === 0 ? [] : [plain('eligible_touchpoints', eligible, 'attribution_order_credits.position')]),
    ...Object.entries(excluded).map(([reason, number]) =>
      plain(`touchpoints_${reason}`, number, 'touchpoints.occurred_at'),
    ),
    ...('outside_lookback' in excluded ? [plain('lookback_days', lookbackDays, 'attribution_editions.config')] : []),
  ]
  const text = [
    `Net revenue of ${money(netMinor)} (${money(capturedMinor)} captured${taken}) ${divided}`,
    ...reasons,
  ].join(' ')
  return { text, citations }
}

export interface ExplainedChannel {
  title: string
  channel: string
  currency: string
  creditedMinor: bigint
  netMinor: bigint
  /** Null: the model says nothing of single orders. */
  creditedOrders: number | null
  orders: number
}

/** A channel's credit in a fixed sentence, and a citation for each number in it. */
export function describeChannel(figure: ExplainedChannel): { text: string; citations: Citation[] } {
  const { title, channel, currency, creditedMinor, netMinor, creditedOrders, orders } = figure
  const money = (minor: bigint) => `${formatMinor(minor, currency)} ${currency}`
  const from =
    creditedOrders === null
      ? `over all journeys of ${count(orders, 'order')}`
      : `from ${creditedOrders} of ${count(orders, 'order')}`
  return {
    text: `The model ${title} credits ${channel} with ${money(creditedMinor)} of ${money(netMinor)}, ${from}.`,
    citations: [
      amount('credited_revenue', creditedMinor, 'attribution_order_credits.revenue_minor'),
      amount('net_revenue', netMinor, 'attribution_order_credits.revenue_minor'),
      ...(creditedOrders === null
        ? []
        : [plain('credited_orders', creditedOrders, 'attribution_order_credits.order_key')]),
      plain('orders', orders, 'attribution_orders.order_key'),
    ],
  }
}

function amount(metric: string, amountMinor: bigint, source: Citation['source']): Citation {
  return { metric, amountMinor, number: null, source }
}

function plain(metric: string, number: number, source: Citation['source']): Citation {
  return { metric, amountMinor: null, number, source }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
