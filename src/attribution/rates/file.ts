import { CsvError } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { CSV, type CsvRow } from '../../events/csv.ts'
import { isCurrency } from '../../money.ts'

/** A rate as a file states it. */
export interface StatedRate {
  /** The line that it ends in, from 1 on. */
  line: number
  /** UTC day, `2026-03-31`. */
  asOf: string
  base: string
  quote: string
  /** A decimal above 0 with at most 15 digits on either side of the point. */
  rate: string
  source: string
}

export interface RateFile {
  rates: StatedRate[]
  /** Rates of currencies that are no more, or that we do not know; only lists of the European Central Bank may have some. */
  skipped: number
}

export interface RateFault {
  line: number
  detail: string
}

const SHOWN_FAULTS = 20

/** Thrown for a file of rates that cannot be read whole; each fault has its line, and nothing of what stands there. */
export class RateFileError extends Error {
  override name = 'RateFileError'
  readonly faults: readonly RateFault[]
  constructor(faults: readonly RateFault[]) {
    const shown = faults.slice(0, SHOWN_FAULTS).map(({ line, detail }) => `line ${line}: ${detail}`)
    const more = faults.length > SHOWN_FAULTS ? [`and ${faults.length - SHOWN_FAULTS} more`] : []
    super(['the file cannot be read; nothing was stored', ...shown, ...more].join('\n'))
    this.faults = faults
  }
}

/**
 * The rates of a file: `date,base,quote,rate,source` as CSV in any order of columns, or a list of the European Central Bank as CSV
 * or XML, whose base is the euro. A rate that stands there twice counts once. `today` is the last UTC day that may be named.
 * Throws RateFileError with all that is wrong.
 * Source: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
 */
export function readRateFile(text: string, today: string): RateFile {
  const faults: RateFault[] = []
  const read = /^\s*</.test(text.replace(/^\ufeff/, '')) ? readXml(text, faults) : readCsv(text, faults)
  const known = read.filter(({ base, quote }) => isCurrency(base) && isCurrency(quote))
  const rates: StatedRate[] = []
  const byKey = new Map<string, StatedRate>()
  for (const rate of known) {
    const fault = findFault(rate, today)
    const key = `${rate.asOf} ${rate.base} ${rate.quote} ${rate.source}`
    const same = byKey.get(key)
    if (fault !== null) faults.push({ line: rate.line, detail: fault })
    else if (same === undefined) {
      byKey.set(key, rate)
      rates.push(rate)
    } else if (normal(same.rate) !== normal(rate.rate))
      faults.push({
        line: rate.line,
        detail: `another rate than in line ${same.line} for the same pair, day and source`,
      })
  }
  if (faults.length === 0 && rates.length === 0) faults.push({ line: 1, detail: 'there are no rates in it' })
  if (faults.length > 0) throw new RateFileError(faults.toSorted((a, b) => a.line - b.line))
  return { rates, skipped: read.length - known.length }
}

const COLUMNS = ['date', 'base', 'quote', 'rate', 'source'] as const
const ECB = { base: 'EUR', source: 'ecb' }

function readCsv(text: string, faults: RateFault[]): StatedRate[] {
  const [header, ...rows] = readRows(text, faults)
  if (header === undefined) return []
  const names = header.record.map((name) => name.trim().toLowerCase())
  const unknown = COLUMNS.filter((name) => !names.includes(name))
  if (unknown.length === 0) return rows.flatMap((row) => readPlain(row, names, faults))
  if (names[0] === 'date' && names.slice(1).every((name) => /^([a-z]{3})?$/.test(name)))
    return rows.flatMap((row) => readEcbRow(row, names, faults))
  faults.push({ line: header.info.lines, detail: `the header has no ${unknown.join(', ')}` })
  return []
}

function readRows(text: string, faults: RateFault[]): CsvRow[] {
  try {
    return parse(text, CSV) as unknown as CsvRow[]
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    faults.push({ line: Number(error.lines), detail: 'what ends here is not CSV (look for a quote)' })
    return []
  }
}

function readPlain(
  { record, info: { lines: line } }: CsvRow,
  names: readonly string[],
  faults: RateFault[],
): StatedRate[] {
  const [asOf = '', base = '', quote = '', rate = '', source = ''] = COLUMNS.map(
    (name) => record[names.indexOf(name)]?.trim() ?? '',
  )
  const wrong = [base, quote].find((code) => !isCurrency(code))
  if (wrong === undefined) return [{ line, asOf, base, quote, rate, source }]
  faults.push({ line, detail: `the ${wrong === base ? 'base' : 'quote'} is no currency of ISO 4217 in capitals` })
  return []
}

/** A day in a line, currencies in columns; an empty column ends some of these files. */
function readEcbRow(
  { record, info: { lines: line } }: CsvRow,
  names: readonly string[],
  faults: RateFault[],
): StatedRate[] {
  if (record.length > names.length) {
    faults.push({ line, detail: 'more columns than the header has' })
    return []
  }
  const asOf = toIsoDay(record[0]?.trim() ?? '')
  return names.slice(1).flatMap((name, index): StatedRate[] => {
    const rate = record[index + 1]?.trim() ?? ''
    if (name === '' || rate === '' || rate === 'N/A') return []
    return [{ ...ECB, line, asOf, quote: name.toUpperCase(), rate }]
  })
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ')

/** `20 November 2026`, as the daily file has it, too; anything else stays as it is. */
function toIsoDay(text: string): string {
  const [, day = '', name = '', year = ''] = /^(\d{1,2}) ([A-Z][a-z]+) (\d{4})$/.exec(text) ?? []
  const month = MONTHS.indexOf(name) + 1
  return month === 0 ? text : `${year}-${String(month).padStart(2, '0')}-${day.padStart(2, '0')}`
}

const ATTRIBUTE = /\s([a-z]{1,20})=(?:"([^"]*)"|'([^']*)')/g

/** Elements of the ECB's form: `<Cube time="…">` and in it `<Cube currency="…" rate="…"/>`. Nothing else is read, no entity either. */
function readXml(text: string, faults: RateFault[]): StatedRate[] {
  const rates: StatedRate[] = []
  let asOf = ''
  let line = 1
  let from = 0
  for (const { 1: attributes = '', index } of text.matchAll(/<Cube\b([^<>]*)>/g)) {
    line += text.slice(from, index).split('\n').length - 1
    from = index
    const read = new Map(
      [...attributes.matchAll(ATTRIBUTE)].map(([, name, quoted = '', single = '']) => [name, quoted + single]),
    )
    const [time, currency, rate] = [read.get('time'), read.get('currency'), read.get('rate')]
    if (time !== undefined) asOf = time
    if (currency === undefined && rate === undefined) continue
    if (currency === undefined || rate === undefined)
      faults.push({ line, detail: 'a rate without its currency, or the other way round' })
    else rates.push({ ...ECB, line, asOf, quote: currency, rate })
  }
  return rates
}

const DECIMAL = /^\d{1,15}(?:\.\d{1,15})?$/
const SOURCE = /^[a-z0-9][a-z0-9._-]{0,39}$/

function findFault({ asOf, base, quote, rate, source }: StatedRate, today: string): string | null {
  if (!isDay(asOf)) return 'the date is not a day such as 2026-03-31'
  if (asOf > today) return 'the date is in the future'
  if (base === quote) return 'base and quote are the same'
  if (!DECIMAL.test(rate) || !/[1-9]/.test(rate)) return 'the rate is not a decimal above 0 such as 1.0921'
  if (!SOURCE.test(source)) return 'the source is not a name of small letters, digits, ".", "_" and "-"'
  return null
}

function isDay(text: string): boolean {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? []
  if (Number(year) < 1970 || month === undefined) return false
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  return date.toISOString().slice(0, 10) === text
}

/** In units of the last digit that is kept: the same for the same number. DECIMAL has been asked before. */
function normal(decimal: string): bigint {
  const [whole = '', fraction = ''] = decimal.split('.')
  return BigInt(whole + fraction.padEnd(15, '0'))
}
