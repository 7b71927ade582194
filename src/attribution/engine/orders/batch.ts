import { type CreditedEntry, type OrderTouch, UNATTRIBUTED } from '../order.ts'
import {
  beginRecord,
  createRecords,
  endRecord,
  putBigints,
  putBoolean,
  putInteger,
  putIntegers,
  putNull,
  putText,
  putTexts,
  putTime,
  putTimes,
  type Records,
  toRecordArray,
} from '../records.ts'

/** Bytes that one statement sends, about. */
const FULL_BYTES = 1_500_000
const CAPACITY_BYTES = 1_600_000
/** Touches that one row holds: with usual names a few kilobytes, which stay in their page. */
const MAX_TOUCHES = 16
/** Of attribution_entry_credit_row. */
const COLUMNS = 17

/** Rows of credits, as one statement sends them. */
export interface CreditBatch {
  models: number
  records: Records
}

export function createBatch(models: number): CreditBatch {
  return { models, records: createRecords(CAPACITY_BYTES) }
}

/** What `insertCredits` sends; `type` is that of its rows. */
export function toSend({ records }: CreditBatch, type: number): Buffer {
  return toRecordArray(records, type)
}

export function isFull({ records }: CreditBatch): boolean {
  return records.at >= FULL_BYTES
}

export function isEmpty({ records }: CreditBatch): boolean {
  return records.length === 0
}

/** What some touches of an order, one after the other, get of an entry. */
export interface CreditRow {
  orderKey: string
  orderedAtUs: number
  credited: CreditedEntry
  /** Of the first of them in the journey. */
  position: number
  /** None where the journey has none. */
  touches: readonly OrderTouch[]
}

/** An entry's credits, in rows. */
export function* toRows(
  { orderKey, orderedAtUs, journey }: { orderKey: string; orderedAtUs: number; journey: readonly OrderTouch[] },
  credited: CreditedEntry,
): Generator<CreditRow> {
  for (let position = 0; position < Math.max(journey.length, 1); position += MAX_TOUCHES) {
    const touches = journey.slice(position, position + MAX_TOUCHES)
    yield { orderKey, orderedAtUs, credited, position, touches }
  }
}

export function addRow({ records, models }: CreditBatch, row: CreditRow): void {
  const { orderKey, orderedAtUs, credited, position, touches } = row
  const { entry, revenueMinor, conversionMicro, reportingMinor } = credited
  const places = { models, from: position, until: position + Math.max(touches.length, 1) }
  const isReporting = reportingMinor === revenueMinor
  const start = beginRecord(records, COLUMNS)
  putText(records, orderKey)
  putText(records, entry.entryKey)
  putInteger(records, position)
  putText(records, entry.kind)
  putText(records, entry.currency)
  putTime(records, orderedAtUs)
  putTime(records, entry.occurredAtUs)
  putTouches(records, touches)
  putBigints(records, { table: revenueMinor, ...places })
  putIntegers(records, { table: conversionMicro, ...places })
  putBoolean(records, isReporting)
  if (isReporting || reportingMinor === null) putNull(records, 'bigint[]')
  else putBigints(records, { table: reportingMinor, ...places })
  endRecord(records, start)
}

function putTouches(records: Records, touches: readonly OrderTouch[]): void {
  if (touches.length === 0) {
    putTexts(records, [UNATTRIBUTED], (channel) => channel)
    for (const type of ['text[]', 'text[]', 'text[]', 'timestamptz[]', 'text[]'] as const) putNull(records, type)
    return
  }
  putTexts(records, touches, ({ channel }) => channel)
  putTexts(records, touches, ({ campaign }) => campaign)
  putTexts(records, touches, ({ origin }) => origin)
  putTexts(records, touches, ({ externalId }) => externalId)
  putTimes(records, touches, ({ occurredAtUs }) => occurredAtUs)
  putTexts(records, touches, ({ tier }) => tier)
}
