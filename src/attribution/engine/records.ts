import type { Part } from './order.ts'

/**
 * Rows as an array of a composite type in the binary form of Postgres: what one statement inserts, whatever the number of rows.
 * Source: record_recv of https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/rowtypes.c and array_recv of
 * arrayfuncs.c beside it.
 */
export interface Records {
  buffer: Buffer
  /** On the same bytes. Numbers are written by it: the methods of a buffer look at each of their bytes. */
  view: DataView
  /** Where the next byte goes. */
  at: number
  length: number
}

const BOOL = 16
export const BYTEA = 17
const INT8 = 20
const INT4 = 23
const TEXT = 25
export const TIMESTAMPTZ = 1184
const INT4_ARRAY = 1007
const TEXT_ARRAY = 1009
const INT8_ARRAY = 1016
const TIMESTAMPTZ_ARRAY = 1185

/** Of an array with one dimension: dimensions, whether there are nulls, type, length, first place. */
export const ARRAY_HEADER_BYTES = 20
/** The length of what is null. */
const NULL = -1
/** Postgres counts from 2000, in UTC. */
export const EPOCH_2000_US = 946_684_800_000_000
/** A text in UTF-8 has at most three bytes for each unit of UTF-16. */
const MAX_BYTES_PER_UNIT = 3

export function createRecords(capacityBytes: number): Records {
  const buffer = Buffer.allocUnsafe(capacityBytes)
  return { buffer, view: toView(buffer), at: ARRAY_HEADER_BYTES, length: 0 }
}

export function toView({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength)
}

/** What is sent; `type` is the composite type's OID in this database. */
export function toRecordArray(records: Records, type: number): Buffer {
  writeArrayHeader(records.view, 0, { type, length: records.length })
  return records.buffer.subarray(0, records.at)
}

/** Begins a row of so many columns, and gives what `endRecord` wants. */
export function beginRecord(records: Records, columns: number): number {
  reserve(records, 8)
  const start = records.at
  records.at = writeInt4(records.view, columns, start + 4)
  return start
}

export function endRecord(records: Records, start: number): void {
  writeInt4(records.view, records.at - start - 4, start)
  records.length += 1
}

export function putNull(records: Records, type: 'text[]' | 'timestamptz[]' | 'bigint[]'): void {
  reserve(records, 8)
  const oid = { 'text[]': TEXT_ARRAY, 'timestamptz[]': TIMESTAMPTZ_ARRAY, 'bigint[]': INT8_ARRAY }[type]
  records.at = writeInt4(records.view, NULL, writeInt4(records.view, oid, records.at))
}

export function putBoolean(records: Records, value: boolean): void {
  reserve(records, 9)
  const at = writeColumn(records, BOOL, 1)
  records.view.setUint8(at, Number(value))
  records.at = at + 1
}

/** -2^31 to 2^31 - 1 */
export function putInteger(records: Records, value: number): void {
  reserve(records, 12)
  records.at = writeInt4(records.view, value, writeColumn(records, INT4, 4))
}

/** Microseconds since 1970, UTC. */
export function putTime(records: Records, timeUs: number): void {
  reserve(records, 16)
  records.at = writeInt8(records.view, timeUs - EPOCH_2000_US, writeColumn(records, TIMESTAMPTZ, 8))
}

export function putText(records: Records, value: string): void {
  reserve(records, 8 + value.length * MAX_BYTES_PER_UNIT)
  records.at = writeText(records, value, writeInt4(records.view, TEXT, records.at))
}

export function putTexts<T>(records: Records, items: readonly T[], read: (item: T) => string | null): void {
  const start = beginArray(records, TEXT_ARRAY, { type: TEXT, length: items.length })
  for (const item of items) {
    const value = read(item)
    reserve(records, 4 + (value?.length ?? 0) * MAX_BYTES_PER_UNIT)
    records.at = value === null ? writeInt4(records.view, NULL, records.at) : writeText(records, value, records.at)
  }
  endArray(records, start)
}

/** Each in microseconds since 1970, UTC. */
export function putTimes<T>(records: Records, items: readonly T[], read: (item: T) => number): void {
  const start = beginArray(records, TIMESTAMPTZ_ARRAY, { type: TIMESTAMPTZ, length: items.length })
  reserve(records, 12 * items.length)
  for (const item of items) {
    const at = writeInt4(records.view, 8, records.at)
    records.at = writeInt8(records.view, read(item) - EPOCH_2000_US, at)
  }
  endArray(records, start)
}

/** What tables hold by model and then by place, as one array place by place: `from` to `until`, which is not included. */
export interface Places {
  table: readonly (readonly Part[])[]
  /** How many rows the table has, or stands for when it is empty: then all of them hold 0. */
  models: number
  from: number
  until: number
}

export function putBigints(records: Records, { table, models, from, until }: Places): void {
  const length = (until - from) * models
  const start = beginArray(records, INT8_ARRAY, { type: INT8, length })
  reserve(records, 12 * length)
  const { view } = records
  let { at } = records
  for (let place = from; place < until; place += 1) {
    for (let model = 0; model < models; model += 1) {
      at = writeInt8(view, table[model]?.[place] ?? 0, writeInt4(view, 8, at))
    }
  }
  records.at = at
  endArray(records, start)
}

/** Each -2^31 to 2^31 - 1. */
export function putIntegers(records: Records, { table, models, from, until }: Places): void {
  const length = (until - from) * models
  const start = beginArray(records, INT4_ARRAY, { type: INT4, length })
  reserve(records, 8 * length)
  const { view } = records
  let { at } = records
  for (let place = from; place < until; place += 1) {
    for (let model = 0; model < models; model += 1) {
      at = writeInt4(view, Number(table[model]?.[place] ?? 0), writeInt4(view, 4, at))
    }
  }
  records.at = at
  endArray(records, start)
}

/** An integer of 64 bits, the highest byte first; returns where the next one goes. Throws RangeError beyond them. */
export function writeInt8(view: DataView, value: Part, at: number): number {
  if (typeof value === 'bigint') {
    if (BigInt.asIntN(64, value) !== value) throw new RangeError('an amount has more than 64 bits')
    view.setBigInt64(at, value)
    return at + 8
  }
  return writeInt4(view, value, writeInt4(view, Math.floor(value / 2 ** 32), at))
}

/** The lowest 32 bits of an integer, the highest byte first; returns where the next one goes. */
export function writeInt4(view: DataView, value: number, at: number): number {
  view.setInt32(at, value)
  return at + 4
}

/** Doubles what there is until the next bytes fit. */
function reserve(records: Records, bytes: number): void {
  const needed = records.at + bytes
  if (needed <= records.buffer.length) return
  let capacity = records.buffer.length * 2
  while (capacity < needed) capacity *= 2
  const grown = Buffer.allocUnsafe(capacity)
  records.buffer.copy(grown, 0, 0, records.at)
  records.buffer = grown
  records.view = toView(grown)
}

/** Returns where its value goes. */
function writeColumn({ view, at }: Records, type: number, bytes: number): number {
  return writeInt4(view, bytes, writeInt4(view, type, at))
}

/** Its length, then its bytes; returns where the next one goes. */
function writeText({ buffer, view }: Records, value: string, at: number): number {
  const bytes = buffer.write(value, at + 4)
  writeInt4(view, bytes, at)
  return at + 4 + bytes
}

interface ArrayHeader {
  type: number
  length: number
}

function beginArray(records: Records, type: number, header: ArrayHeader): number {
  reserve(records, 8 + ARRAY_HEADER_BYTES)
  const start = records.at
  writeInt4(records.view, type, start)
  records.at = writeArrayHeader(records.view, start + 8, header)
  return start
}

function endArray({ view, at }: Records, start: number): void {
  writeInt4(view, at - start - 8, start + 4)
}

/** One dimension from 1 on, in which there may be nulls; returns where the first element goes. */
export function writeArrayHeader(view: DataView, at: number, { type, length }: ArrayHeader): number {
  writeInt4(view, 1, at)
  writeInt4(view, 1, at + 4)
  writeInt4(view, type, at + 8)
  writeInt4(view, length, at + 12)
  return writeInt4(view, 1, at + 16)
}
