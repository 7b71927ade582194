import { createReadStream } from 'node:fs'
import { CsvError, parse } from 'csv-parse'
import { JsonError, type JsonObject, type JsonValue, parseJson } from '../../webhooks/lossless-json.ts'
import { type Columns, HeaderError, readHeader } from '../columns.ts'
import { CSV, type CsvRow } from '../csv.ts'
import { FileError } from './file.ts'

export type Format = 'csv' | 'ndjson'

export interface ColumnNames {
  required: readonly string[]
  optional: readonly string[]
}

/** One row of a file. */
export interface Row {
  /** The number of the line that it ends in, from 1 on; a header is a line too. */
  line: number
  /** Bytes of the file until here, or somewhat more. */
  bytes: number
  /** Why it cannot be read; then there are no cells. */
  fault: string | null
  /** The text of a column without the spaces around it; null where it is empty or absent. */
  read: (name: string) => string | null
  /** Every cell with its column, for whoever looks for what should not be there. */
  cells: () => [name: string, text: string][]
}

const LF = 0x0a
const CR = 0x0d

/**
 * The rows of a file one after the other, in bounded memory. Throws FileError for a header that cannot be used, before the
 * first row, and at the line from which on a CSV cannot be read.
 */
export function readRows(path: string, format: Format, names: ColumnNames): AsyncGenerator<Row> {
  return format === 'csv' ? readCsvRows(path, names) : readJsonRows(path, names)
}

async function* readCsvRows(path: string, names: ColumnNames): AsyncGenerator<Row> {
  const file = createReadStream(path)
  const parser = parse(CSV)
  file.on('error', (error) => parser.destroy(error))
  let columns: Columns | undefined
  try {
    for await (const { record, info } of file.pipe(parser) as AsyncIterable<CsvRow>) {
      if (columns === undefined) columns = requireHeader(path, record, names)
      else yield toRow(columns, record, { line: info.lines, bytes: file.bytesRead }, names)
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new FileError(`${path}: what begins before line ${Number(error.lines)} is not CSV (look for a quote)`)
  } finally {
    file.destroy()
    parser.destroy()
  }
  if (columns === undefined) throw new FileError(`${path} has no header row`)
}

function requireHeader(path: string, cells: readonly string[], names: ColumnNames): Columns {
  try {
    return readHeader(cells, names)
  } catch (error) {
    if (error instanceof HeaderError) throw new FileError(`${path}: ${error.message}`)
    throw error
  }
}

function toRow(
  columns: Columns,
  record: readonly string[],
  place: { line: number; bytes: number },
  { required, optional }: ColumnNames,
): Row {
  const read = (name: string) => columns.read(record, name)
  return {
    ...place,
    fault: findFault(columns, record),
    read,
    cells: () => [...required, ...optional].flatMap((name) => toCell(name, read(name))),
  }
}

function findFault({ count }: Columns, record: readonly string[]): string | null {
  if (record.length !== count) return `it has ${record.length} cells instead of ${count}`
  return record.some((cell) => cell.includes('\0')) ? 'it has a NUL character' : null
}

function toCell(name: string, text: string | null): [string, string][] {
  return text === null ? [] : [[name, text]]
}

async function* readJsonRows(path: string, names: ColumnNames): AsyncGenerator<Row> {
  const known = [...names.required, ...names.optional]
  let line = 0
  for await (const { bytes, text } of readLines(path)) {
    line += 1
    if (text.every((byte) => byte <= 0x20)) continue
    yield toJsonRow(text, { line, bytes }, known)
  }
}

function toJsonRow(text: Buffer, place: { line: number; bytes: number }, known: readonly string[]): Row {
  const cells = readObject(text, known)
  const values: ReadonlyMap<string, string> = typeof cells === 'string' ? new Map() : cells
  return {
    ...place,
    fault: typeof cells === 'string' ? cells : null,
    read: (name) => values.get(name) ?? null,
    cells: () => [...values],
  }
}

/** The members as texts, the empty ones left out; or what is wrong. */
function readObject(text: Buffer, known: readonly string[]): Map<string, string> | string {
  let value: JsonValue
  try {
    value = parseJson(text)
  } catch (error) {
    if (error instanceof JsonError) return 'it is not JSON'
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object'
  const cells = new Map<string, string>()
  for (const [name, member] of Object.entries(value as JsonObject)) {
    if (!known.includes(name)) return 'it has a member that is not known'
    if (member === null) continue
    if (typeof member !== 'string' && typeof member !== 'number') return `${name} is neither a text nor a number`
    const cell = String(member).trim()
    if (cell !== '') cells.set(name, cell)
  }
  return cells
}

/** Lines as bytes, without their ends and without a byte order mark; U+2028, which JSON may hold, ends none. */
async function* readLines(path: string): AsyncGenerator<{ text: Buffer; bytes: number }> {
  const file = createReadStream(path)
  let rest: Buffer = Buffer.alloc(0)
  let bytes = 0
  let isFirst = true
  const strip = (line: Buffer) => {
    const from = isFirst && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? 3 : 0
    isFirst = false
    return line.subarray(from, line.at(-1) === CR ? -1 : undefined)
  }
  for await (const chunk of file as AsyncIterable<Buffer>) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let at = all.indexOf(LF); at !== -1; at = all.indexOf(LF, from)) {
      bytes += at + 1 - from
      yield { text: strip(all.subarray(from, at)), bytes }
      from = at + 1
    }
    rest = all.subarray(from)
  }
  if (rest.length > 0) yield { text: strip(rest), bytes: bytes + rest.length }
}
