import { CsvError } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { ProblemError } from '../../problem/problem.ts'
import { type Columns, HeaderError, readHeader } from '../columns.ts'
import { CSV, type CsvRow } from '../csv.ts'
import { isChannel } from '../known-channels.ts'
import type { SentSpend, SpendFault } from './service.ts'

export const SPEND_COLUMNS = {
  required: ['date', 'channel', 'source', 'amount_minor', 'currency'],
  optional: ['campaign', 'impressions', 'clicks'],
}

const MAX_ROWS = 1_000
const MAX_LENGTH = 255
const MAX_COUNT = BigInt(Number.MAX_SAFE_INTEGER)

/**
 * The rows of a CSV body, each as it was sent or as its fault. Throws `malformed_request` for text that is not CSV, and
 * `validation_failed` for a header row that cannot be used and for no rows or more than 1,000.
 */
export function readSpendCsv(text: string): (SentSpend | SpendFault)[] {
  const [header, ...rows] = parseCsv(text)
  let columns: Columns
  try {
    columns = readHeader(header?.record ?? [], SPEND_COLUMNS)
  } catch (error) {
    if (error instanceof HeaderError) throw invalid('header', error.message)
    throw error
  }
  if (rows.length === 0) throw invalid('minItems', 'There is no row below the header row.')
  if (rows.length > MAX_ROWS) throw invalid('maxItems', `There are more than ${MAX_ROWS} rows.`)
  const { count, read } = columns
  return rows.map(({ record }) =>
    record.length === count ? readSpendRow((name) => read(record, name)) : 'invalid_row',
  )
}

function parseCsv(text: string): CsvRow[] {
  try {
    return parse(text, CSV) as unknown as CsvRow[]
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    // The parser's own sentence quotes the text.
    const detail = `The body is not CSV: see line ${Number(error.lines)}.`
    throw new ProblemError('malformed_request', detail, {
      errors: [{ pointer: '/body', code: 'csv_syntax', detail }],
    })
  }
}

/** `read` gives the text of a column, null where it is empty. */
export function readSpendRow(read: (name: string) => string | null): SentSpend | SpendFault {
  const [day, channel, source] = [read('date'), read('channel'), read('source')]
  const [campaign, currency, amount] = [read('campaign'), read('currency'), read('amount_minor')]
  if (day === null || channel === null || source === null || amount === null || currency === null) return 'invalid_row'
  if (!isDay(day) || !isChannel(channel) || !isText(source) || (campaign !== null && !isText(campaign)))
    return 'invalid_row'
  if (/^-\d{1,16}$/.test(amount)) return 'amount_invalid'
  const [amountMinor, impressions, clicks] = [amount, read('impressions'), read('clicks')].map(readCount)
  if (amountMinor === undefined || amountMinor === null || impressions === undefined || clicks === undefined)
    return 'invalid_row'
  if (!/^[A-Z]{3}$/.test(currency)) return 'invalid_row'
  return { day, channel, source, campaign, currency, amountMinor, impressions, clicks }
}

/** Undefined: not an integer from 0 to 2^53 − 1. */
function readCount(text: string | null): bigint | null | undefined {
  if (text === null) return null
  if (!/^\d{1,16}$/.test(text)) return undefined
  const count = BigInt(text)
  return count <= MAX_COUNT ? count : undefined
}

/** A day that the calendar has: Date.parse would take 31 April for 1 May. */
function isDay(text: string): boolean {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : null
  return time !== null && !Number.isNaN(time.getTime()) && time.toISOString().startsWith(text)
}

/** 1 to 255 code points that a database can hold. */
function isText(text: string): boolean {
  return !text.includes('\0') && [...text.slice(0, MAX_LENGTH * 2 + 1)].length <= MAX_LENGTH
}

function invalid(code: string, detail: string): ProblemError {
  return new ProblemError('validation_failed', detail, { errors: [{ pointer: '/body', code, detail }] })
}
