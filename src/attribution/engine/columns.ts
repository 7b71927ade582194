import type { Part } from './order.ts'

/**
 * Columns of many rows as arrays of Postgres: what one statement inserts, whatever the number of rows. Integers and times go
 * in its binary form, which costs either side a third of a text.
 * Source: array_recv of https://github.com/postgres/postgres/blob/master/src/backend/utils/adt/arrayfuncs.c
 */

const INT8 = 20
const TIMESTAMPTZ = 1184
/** Postgres counts from 2000, in UTC. */
const EPOCH_2000_US = 946_684_800_000_000

/** `{"a","b\"c",NULL}` */
export function toTextArray(values: readonly (string | null)[]): string {
  return `{${values.map(quote).join(',')}}`
}

/** Of numbers, flags and what else needs no quotes. */
export function toPlainArray(values: readonly (number | boolean | string)[]): string {
  return `{${values.join(',')}}`
}

/** Each element is the text of an array, since an array of arrays would have to be a rectangle; codes need no quotes. */
export function toArrayArray(values: readonly (readonly (bigint | string)[] | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"{${value.join(',')}}"`)).join(',')}}`
}

export function toBytesArray(values: readonly Buffer[]): string {
  return `{${values.map((value) => `"\\\\x${value.toString('hex')}"`).join(',')}}`
}

/** A `timestamptz[]` in binary, of microseconds since 1970; null for no time. */
export function toTimeArray(values: readonly (number | null)[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * ELEMENT_BYTES)
  writeHeader(buffer, TIMESTAMPTZ, values.length)
  let at = HEADER_BYTES
  for (const value of values) {
    at = value === null ? buffer.writeInt32BE(-1, at) : writeElement(buffer, value - EPOCH_2000_US, at)
  }
  return buffer.subarray(0, at)
}

/** A `bigint[]` in binary that is written as it grows, to no more than its capacity. */
export interface IntegerColumn {
  buffer: Buffer
  length: number
}

export function createIntegerColumn(capacity: number): IntegerColumn {
  return { buffer: Buffer.allocUnsafe(HEADER_BYTES + capacity * ELEMENT_BYTES), length: 0 }
}

export function pushInteger(column: IntegerColumn, value: Part): void {
  writeElement(column.buffer, value, HEADER_BYTES + column.length * ELEMENT_BYTES)
  column.length += 1
}

export function toIntegerArray({ buffer, length }: IntegerColumn): Buffer {
  writeHeader(buffer, INT8, length)
  return buffer.subarray(0, HEADER_BYTES + length * ELEMENT_BYTES)
}

const HEADER_BYTES = 20
/** Of an integer: its length and its eight bytes, the highest first. */
export const ELEMENT_BYTES = 12

/** One dimension from 1 on, in which there may be nulls. */
function writeHeader(buffer: Buffer, type: number, length: number): void {
  buffer.writeInt32BE(1, 0)
  buffer.writeInt32BE(1, 4)
  buffer.writeInt32BE(type, 8)
  buffer.writeInt32BE(length, 12)
  buffer.writeInt32BE(1, 16)
}

/** Returns where the next one goes. */
export function writeElement(buffer: Buffer, value: Part, at: number): number {
  buffer.writeInt32BE(8, at)
  if (typeof value === 'bigint') return buffer.writeBigInt64BE(value, at + 4)
  const high = Math.floor(value / 2 ** 32)
  buffer.writeInt32BE(high, at + 4)
  return buffer.writeUInt32BE(value - high * 2 ** 32, at + 8)
}

function quote(value: string | null): string {
  if (value === null) return 'NULL'
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`
}
