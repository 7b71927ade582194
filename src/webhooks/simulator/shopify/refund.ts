import { formatMinor } from '../../../money.ts'
import { fullName, type Person } from '../person.ts'
import { rawNumber } from '../vendor-json.ts'
import { moneySet, type ShopMoney, shopTime } from './money.ts'

export interface ShopifyRefund extends ShopMoney {
  id: bigint
  orderId: bigint
  /** Milliseconds since 1970. */
  at: number
  note: string
  /** One entry per attempted transaction; only those of kind `refund` and status `success` moved money back. */
  transactions: readonly { amountMinor: bigint; kind: 'refund' | 'void'; status: 'success' | 'failure' | 'pending' }[]
  /** Goods that came back; they only explain the refund. */
  lines: readonly RefundLine[]
  /** What is given back beyond the goods, such as shipping. */
  adjustments: readonly { kind: 'shipping_refund' | 'refund_discrepancy'; amountMinor: bigint }[]
  /** The transaction that took the money. */
  parentId: bigint
  person: Person
}

export interface RefundLine {
  id: bigint
  lineItemId: bigint
  quantity: number
  subtotalMinor: bigint
  taxMinor: bigint
}

/** Field names: https://shopify.dev/docs/api/admin-rest/latest/resources/refund */
export function shopifyRefund(refund: ShopifyRefund) {
  const { currency } = refund
  const time = shopTime(refund.at)
  return {
    id: rawNumber(refund.id),
    admin_graphql_api_id: `gid://shopify/Refund/${refund.id}`,
    order_id: rawNumber(refund.orderId),
    created_at: time,
    duties: [],
    processed_at: time,
    note: refund.note,
    restock: refund.lines.length > 0,
    user_id: null,
    order_adjustments: refund.adjustments.map(({ kind, amountMinor }, index) => ({
      id: rawNumber(refund.id + 900_000n + BigInt(index)),
      amount: formatMinor(-amountMinor, currency),
      amount_set: moneySet(refund, -amountMinor),
      kind,
      order_id: rawNumber(refund.orderId),
      reason: kind === 'shipping_refund' ? 'Shipping refund' : 'Refund discrepancy',
      refund_id: rawNumber(refund.id),
      tax_amount: formatMinor(0n, currency),
      tax_amount_set: moneySet(refund, 0n),
    })),
    refund_line_items: refund.lines.map((line) => refundLine(refund, line)),
    refund_shipping_lines: [],
    total_duties_set: moneySet(refund, 0n),
    transactions: refund.transactions.map((_, index) => refundTransaction(refund, index)),
  }
}

/** Refund ids of one day lie within a million of each other. */
export function refundTransactionId(refundId: bigint, index: number): bigint {
  return refundId + 1_000_000n * BigInt(index + 1)
}

function refundLine(refund: ShopifyRefund, line: RefundLine) {
  return {
    id: rawNumber(line.id),
    line_item_id: rawNumber(line.lineItemId),
    location_id: null,
    quantity: line.quantity,
    restock_type: 'return',
    // Shopify really sends these as JSON numbers: a platform that reads them holds a float in its hands.
    subtotal: Number(formatMinor(line.subtotalMinor, refund.currency)),
    subtotal_set: moneySet(refund, line.subtotalMinor),
    total_tax: Number(formatMinor(line.taxMinor, refund.currency)),
    total_tax_set: moneySet(refund, line.taxMinor),
  }
}

function refundTransaction(refund: ShopifyRefund, index: number) {
  const transaction = refund.transactions[index] as ShopifyRefund['transactions'][number]
  return shopifyTransaction({
    ...transaction,
    id: refundTransactionId(refund.id, index),
    orderId: refund.orderId,
    currency: refund.currency,
    at: refund.at,
    parentId: refund.parentId,
    person: refund.person,
  })
}

export interface ShopifyTransaction {
  id: bigint
  orderId: bigint
  amountMinor: bigint
  currency: string
  at: number
  kind: 'sale' | 'refund' | 'void'
  status: 'success' | 'failure' | 'pending'
  parentId: bigint | null
  person: Person
}

/** Field names: https://shopify.dev/docs/api/admin-rest/latest/resources/transaction */
export function shopifyTransaction(transaction: ShopifyTransaction) {
  const time = shopTime(transaction.at)
  return {
    id: rawNumber(transaction.id),
    admin_graphql_api_id: `gid://shopify/OrderTransaction/${transaction.id}`,
    amount: formatMinor(transaction.amountMinor, transaction.currency),
    authorization: `auth-${transaction.id}`,
    created_at: time,
    currency: transaction.currency,
    device_id: null,
    error_code: transaction.status === 'failure' ? 'card_declined' : null,
    gateway: 'shopify_payments',
    kind: transaction.kind,
    location_id: null,
    message: null,
    order_id: rawNumber(transaction.orderId),
    parent_id: transaction.parentId === null ? null : rawNumber(transaction.parentId),
    payment_details: {
      credit_card_bin: '424242',
      credit_card_company: 'Visa',
      credit_card_name: fullName(transaction.person),
      credit_card_number: '•••• •••• •••• 4242',
    },
    processed_at: time,
    receipt: { cardholder: fullName(transaction.person) },
    source_name: 'web',
    status: transaction.status,
    test: false,
    user_id: null,
  }
}
