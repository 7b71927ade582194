import { hash } from 'node:crypto'
import type { CreditedOrder, OrderInput } from './order.ts'
import { toView, writeInt8 } from './records.ts'

const SHA256_BYTES = 32
const AMOUNT_BYTES = 8

/**
 * SHA-256 over what an order is computed from. Says nothing of tenants or of ids of ours, so the same traffic gives the same
 * hash anywhere; `money` says how its amounts count: shares of revenue and rates of exchange.
 */
export function hashOrderInput(order: OrderInput, money: readonly string[]): Buffer {
  const { orderKey, orderedAtUs, hasIdentity, entries, touches } = order
  const text = JSON.stringify([
    orderKey,
    orderedAtUs,
    hasIdentity,
    money,
    entries.map((entry) => [
      entry.entryKey,
      entry.kind,
      String(entry.amountMinor),
      entry.currency,
      entry.reverses,
      entry.occurredAtUs,
    ]),
    touches.map((touch) => [
      touch.occurredAtUs,
      touch.origin,
      touch.externalId,
      touch.channel,
      touch.campaign,
      touch.tier,
    ]),
  ])
  return Buffer.from(sha256(text), 'binary')
}

/**
 * One SHA-256 for each model, one after the other, over the credits of an order. Holds no times: the same day of traffic,
 * moved, gives the same hashes.
 */
export function hashOrderOutput({ orderKey, touches }: OrderInput, { entries, totals, wayOf }: CreditedOrder): Buffer {
  const places = Math.max(touches.length, 1)
  const shared = JSON.stringify([
    orderKey,
    totals.map((total) => [total.currency, String(total.overRefundedMinor)]),
    entries.map(({ entry, reportingMinor }) => [entry.entryKey, entry.currency, reportingMinor === null]),
    touches.map(({ origin, externalId, channel, campaign }) => [origin, externalId, channel, campaign]),
  ])
  // In the reporting currency itself revenue and reporting are the same, and once is enough.
  const tables = entries.flatMap(({ revenueMinor, conversionMicro, reportingMinor }) =>
    reportingMinor === revenueMinor ? [revenueMinor, conversionMicro] : [revenueMinor, conversionMicro, reportingMinor],
  )
  const content = Buffer.allocUnsafe(SHA256_BYTES + tables.length * places * AMOUNT_BYTES)
  content.write(sha256(shared), 'binary')
  const view = toView(content)
  const hashModel = (model: number) => {
    let at = SHA256_BYTES
    for (const table of tables) {
      const parts = table?.[model]
      for (let place = 0; place < places; place += 1) at = writeInt8(view, parts?.[place] ?? 0, at)
    }
    return sha256(content)
  }
  const hashes: string[] = []
  for (const [model, way] of wayOf.entries()) hashes[way] ??= hashModel(model)
  return Buffer.from(wayOf.map((way) => hashes[way]).join(''), 'binary')
}

/** Each byte is a character: a string costs a quarter of a buffer here (0.6 µs instead of 2.4 for 192 bytes, Node 24.21). */
function sha256(content: string | Buffer): string {
  return hash('sha256', content, 'binary')
}
