import type { Options } from 'csv-parse'

/** Bytes of one row: far more than any of ours has, and it ends the search for a quote that nobody closes. */
const MAX_ROW_BYTES = 65_536

/**
 * RFC 4180: commas, CRLF or LF, quotes doubled inside of quotes; a byte order mark and empty lines are passed over. Rows are
 * lists of texts, whatever they begin with: nothing is evaluated, and none becomes an object.
 */
export const CSV: Options = {
  bom: true,
  columns: false,
  delimiter: ',',
  record_delimiter: ['\r\n', '\n'],
  relax_column_count: true,
  skip_empty_lines: true,
  max_record_size: MAX_ROW_BYTES,
  info: true,
}

/** A row, and the number of the line that it ends in, the header's being 1. */
export interface CsvRow {
  record: string[]
  info: { lines: number }
}
