/** What stands before the elements of an array without nulls, and before each of them. */
const HEADER_BYTES = 20
const LENGTH_BYTES = 4
const ELEMENT_BYTES = LENGTH_BYTES + 8
/** 2000-01-01, from which Postgres counts. */
const EPOCH_US = 946_684_800_000_000

/**
 * Instants that `array_send` made of a timestamptz[] without nulls, in microseconds since 1970: big-endian numbers as they are
 * stored, which costs Postgres a tenth of their text.
 * Source: array_send and timestamptz_send of Postgres 18, src/backend/utils/adt/{arrayfuncs,timestamp}.c
 */
export function readTimes(sent: Buffer): number[] {
  const times: number[] = []
  for (let at = HEADER_BYTES + LENGTH_BYTES; at < sent.length; at += ELEMENT_BYTES) {
    times.push(sent.readInt32BE(at) * 2 ** 32 + sent.readUInt32BE(at + 4) + EPOCH_US)
  }
  return times
}
