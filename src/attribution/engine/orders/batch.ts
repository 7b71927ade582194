import { createIntegerColumn, type IntegerColumn, pushInteger } from '../columns.ts'
import { type CreditedEntry, type EntryKind, type OrderTouch, type Tier, UNATTRIBUTED } from '../order.ts'

/** Rows that one statement inserts. */
const MAX_ROWS = 5_000

/** Rows of credits, column by column. */
export interface CreditBatch {
  models: number
  orderKey: string[]
  entryKey: string[]
  position: number[]
  kind: EntryKind[]
  currency: string[]
  orderedAtUs: number[]
  occurredAtUs: number[]
  channel: string[]
  campaign: (string | null)[]
  touchOrigin: (string | null)[]
  touchExternalId: (string | null)[]
  touchedAtUs: (number | null)[]
  tier: (Tier | null)[]
  hasReporting: boolean[]
  /** Row by row, of each row as many as there are models. */
  revenueMinor: IntegerColumn
  conversionMicro: IntegerColumn
  reportingMinor: IntegerColumn
}

export function createBatch(models: number): CreditBatch {
  return {
    models,
    orderKey: [],
    entryKey: [],
    position: [],
    kind: [],
    currency: [],
    orderedAtUs: [],
    occurredAtUs: [],
    channel: [],
    campaign: [],
    touchOrigin: [],
    touchExternalId: [],
    touchedAtUs: [],
    tier: [],
    hasReporting: [],
    revenueMinor: createIntegerColumn(MAX_ROWS * models),
    conversionMicro: createIntegerColumn(MAX_ROWS * models),
    reportingMinor: createIntegerColumn(MAX_ROWS * models),
  }
}

export function isFull({ orderKey }: CreditBatch): boolean {
  return orderKey.length === MAX_ROWS
}

export function isEmpty({ orderKey }: CreditBatch): boolean {
  return orderKey.length === 0
}

/** What one touch gets of one entry of an order. */
export interface CreditRow {
  orderKey: string
  orderedAtUs: number
  credited: CreditedEntry
  /** Of the touch in the journey; 0 where there is none. */
  position: number
  touch: OrderTouch | undefined
}

export function addRow(batch: CreditBatch, { orderKey, orderedAtUs, credited, position, touch }: CreditRow): void {
  const { entry, revenueMinor, conversionMicro, reportingMinor } = credited
  batch.orderKey.push(orderKey)
  batch.entryKey.push(entry.entryKey)
  batch.position.push(position)
  batch.kind.push(entry.kind)
  batch.currency.push(entry.currency)
  batch.orderedAtUs.push(orderedAtUs)
  batch.occurredAtUs.push(entry.occurredAtUs)
  batch.channel.push(touch?.channel ?? UNATTRIBUTED)
  batch.campaign.push(touch?.campaign ?? null)
  batch.touchOrigin.push(touch?.origin ?? null)
  batch.touchExternalId.push(touch?.externalId ?? null)
  batch.touchedAtUs.push(touch?.occurredAtUs ?? null)
  batch.tier.push(touch?.tier ?? null)
  batch.hasReporting.push(reportingMinor !== null)
  for (let model = 0; model < batch.models; model += 1) {
    pushInteger(batch.revenueMinor, revenueMinor[model]?.[position] ?? 0)
    pushInteger(batch.conversionMicro, conversionMicro[model]?.[position] ?? 0)
    pushInteger(batch.reportingMinor, reportingMinor?.[model]?.[position] ?? 0)
  }
}
