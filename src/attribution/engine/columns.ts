import {
  ARRAY_HEADER_BYTES,
  BYTEA,
  EPOCH_2000_US,
  TIMESTAMPTZ,
  toView,
  writeArrayHeader,
  writeInt4,
  writeInt8,
} from './records.ts'

/** Columns of many rows as arrays of Postgres: what one statement inserts, whatever the number of rows. */

/** That say how long an element is. */
const LENGTH_BYTES = 4
/** Of a time: its length and its eight bytes. */
const ELEMENT_BYTES = LENGTH_BYTES + 8

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

/** A `bytea[]` in its binary form. */
export function toBytesArray(values: readonly Buffer[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + LENGTH_BYTES + value.length, ARRAY_HEADER_BYTES)
  const buffer = Buffer.allocUnsafe(bytes)
  const view = toView(buffer)
  let at = writeArrayHeader(view, 0, { type: BYTEA, length: values.length })
  for (const value of values) {
    at = writeInt4(view, value.length, at)
    at += value.copy(buffer, at)
  }
  return buffer
}

/** A `timestamptz[]` in its binary form, of microseconds since 1970. */
export function toTimeArray(values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(ARRAY_HEADER_BYTES + values.length * ELEMENT_BYTES)
  const view = toView(buffer)
  let at = writeArrayHeader(view, 0, { type: TIMESTAMPTZ, length: values.length })
  for (const value of values) {
    at = writeInt4(view, 8, at)
    at = writeInt8(view, value - EPOCH_2000_US, at)
  }
  return buffer
}

function quote(value: string | null): string {
  if (value === null) return 'NULL'
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`
}
