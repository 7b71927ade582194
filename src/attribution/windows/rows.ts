import { createHash } from 'node:crypto'
import { compare } from '../../compare.ts'
import { allocate } from '../../money.ts'
import { UNATTRIBUTED } from '../engine/order.ts'
import type { MeasuredChannel, Measurement } from './measure.ts'

/** What a model gives a channel, as it is stored. */
export interface ChannelRow {
  model: string
  channel: string
  conversionMicro: bigint
  revenueMinor: bigint
  share: number | null
  lower: number | null
  upper: number | null
  sampleSize: number
  grade: 'A' | 'B' | 'C' | 'D' | null
}

/** What the credits of the window's orders say of a channel; the arrays are by model. */
export interface LedgerChannel {
  channel: string
  conversionMicro: bigint[]
  revenueMinor: bigint[]
}

/** The orders of the window; minor units. */
export interface WindowTotals {
  orders: number
  attributedOrders: number
  netMinor: bigint
  /** Of the orders with a touch. */
  attributedMinor: bigint
}

const ORDER_MICRO = 1_000_000n
/** Parts of one that a share is rounded to before it divides money: 2^52, below which a number is exact. */
const SHARE_PARTS = 2 ** 52

/**
 * Figures of models that share out each order are those of its credits, so that no two answers differ; those of Markov are
 * shares of the orders with a touch and of their net revenue, by largest remainder. By either, conversions and revenue of all
 * channels sum to those of the window. By model in the order of the ledger's arrays, then Markov; by channel.
 */
export function toRows(
  { models }: Pick<Measurement, 'models'>,
  {
    orderModels,
    ledger,
    totals,
  }: { orderModels: readonly string[]; ledger: readonly LedgerChannel[]; totals: WindowTotals },
): ChannelRow[] {
  const rows = orderModels.flatMap((model, index) => {
    const measured = new Map(channelsOf(models, model).map((one) => [one.channel, one]))
    return ledger.map(({ channel, conversionMicro, revenueMinor }) =>
      toRow(model, measured.get(channel) ?? toUnmeasured(channel), {
        conversionMicro: conversionMicro[index] as bigint,
        revenueMinor: revenueMinor[index] as bigint,
      }),
    )
  })
  return [...rows, ...toMarkovRows(channelsOf(models, 'markov'), totals)]
}

/** SHA-256 of what a reader is told, in canonical order. */
export function hashRows(rows: readonly ChannelRow[]): Buffer {
  const hash = createHash('sha256')
  for (const { model, channel, conversionMicro, revenueMinor, share, lower, upper, sampleSize, grade } of rows) {
    const amounts = [String(conversionMicro), String(revenueMinor)]
    hash.update(`${JSON.stringify([model, channel, ...amounts, share, lower, upper, sampleSize, grade])}\n`)
  }
  return hash.digest()
}

function toMarkovRows(channels: readonly MeasuredChannel[], totals: WindowTotals): ChannelRow[] {
  if (channels.length === 0) return []
  const { orders, attributedOrders, netMinor, attributedMinor } = totals
  const conversions = divide(
    BigInt(attributedOrders) * ORDER_MICRO,
    channels.map((channel) => channel.conversions),
  )
  // Where the orders brought in nothing, nothing is shared.
  const values = channels.map(({ value }) => value)
  const revenue = attributedMinor === 0n ? values.map(() => 0n) : divide(attributedMinor, values)
  const rows = channels.map((channel, index) =>
    toRow('markov', channel, { conversionMicro: conversions[index] as bigint, revenueMinor: revenue[index] as bigint }),
  )
  if (orders > attributedOrders) {
    const conversionMicro = BigInt(orders - attributedOrders) * ORDER_MICRO
    const revenueMinor = netMinor - attributedMinor
    rows.push(toRow('markov', toUnmeasured(UNATTRIBUTED), { conversionMicro, revenueMinor }))
  }
  return rows.sort((a, b) => compare(a.channel, b.channel))
}

function divide(total: bigint, amounts: readonly number[]): bigint[] {
  const sum = amounts.reduce((all, amount) => all + amount, 0)
  return allocate(
    total,
    amounts.map((amount) => BigInt(Math.round((amount / sum) * SHARE_PARTS))),
  )
}

function channelsOf(models: Measurement['models'], model: string): readonly MeasuredChannel[] {
  return models.find((one) => one.model === model)?.channels ?? []
}

/** Of a channel without a share of its own: that of orders without a touch. */
function toUnmeasured(channel: string): Omit<MeasuredChannel, 'share'> & { share: null } {
  return { channel, conversions: 0, value: 0, share: null, interval: null, sampleSize: 0, grade: null }
}

function toRow(
  model: string,
  { channel, share, interval, sampleSize, grade }: Omit<MeasuredChannel, 'share'> & { share: number | null },
  figures: { conversionMicro: bigint; revenueMinor: bigint },
): ChannelRow {
  const ends = { lower: interval?.lower ?? null, upper: interval?.upper ?? null }
  return { model, channel, ...figures, share, ...ends, sampleSize, grade }
}
