import type { Position } from '../finding.ts'
import type { Disagreement } from './disagreement.ts'
import { EXCUSES_FILE } from './excuses.ts'
import { sumCounts } from './natural-run.ts'
import type { CellParity, ConformanceRow, OperationParity, ParityReport } from './run.ts'

/** Where an operation or one of its answers is written. */
export type Locate = (operationId: string, status: number | null) => Position

/** A report as text, with a line end. */
export const formats = {
  text: toText,
  json: (report: ParityReport) => `${JSON.stringify(report, null, 2)}\n`,
  github: toGithub,
} satisfies Record<string, (report: ParityReport, locate: Locate) => string>

export type Format = keyof typeof formats

/** Of one answer; more are counted. */
const MAX_SHOWN = 5

interface Counts {
  cells: number
  agreed: number
  excused: number
  failed: number
}

export function countCells(cells: readonly CellParity[]): Counts {
  const count = (result: CellParity['result']) => cells.filter((cell) => cell.result === result).length
  return { cells: cells.length, agreed: count('agreed'), excused: count('excused'), failed: count('failed') }
}

function toText(report: ParityReport): string {
  const { conformance, server, operations, excuses } = report
  const sections = [
    'Self-conformance: what the mocks answer, against the contract.',
    toTable([
      ['probes', 'sent', 'valid'],
      ...conformance.map(({ kind, probes, valid }) => [CONFORMANCE[kind], String(probes), String(valid)]),
    ]),
    ...conformance.flatMap(describeConformance),
    ...describeDifferential(operations),
    ...(server.length === 0
      ? []
      : [
          'Answers that belong to no operation.',
          toTable([
            ['answer', 'requests', 'agreed'],
            ...server.map(({ what, requests, agreed }) => [SERVER[what], String(requests), String(agreed)]),
          ]),
        ]),
    ...operations.flatMap(describeOperation),
    ...server.flatMap(({ failures }) => shorten(failures).map((line) => `✗ ${line}\n`)),
    ...excuses.faults.map((fault) => `✗ ${EXCUSES_FILE}: ${fault}\n`),
    `${summary(report)}\n`,
  ]
  return sections.join('\n')
}

function describeDifferential(operations: readonly OperationParity[]): string[] {
  if (operations.length === 0) return []
  return [
    'Differential: real server and mock, per operation that is implemented.',
    toTable([
      ['operation', 'cells', 'agreed', 'excused', 'failed', 'requests', 'same', 'state'],
      ...operations.map(toRow),
      toRow(totalOf(operations)),
    ]),
    'requests: all different ones of the API tests, sent to the mock as they are; same: answered alike; state: what the server',
    `knows decides (${reasonsOf(operations)}).\n`,
  ]
}

const CONFORMANCE: Record<ConformanceRow['kind'], string> = {
  example: 'every status, media type and named example',
  dynamic: 'every JSON answer made from its schema',
  natural: "every success, by the contract's own requests",
  refusal: 'every status that is not documented, refused',
}
const SERVER = { 404: '404 unknown path', 405: '405 other method', OPTIONS: '204 OPTIONS' } as const

function toRow({ operationId, cells, natural }: OperationParity): string[] {
  const counts = countCells(cells)
  const sent = natural.agreed + natural.state + natural.disagreed
  return [
    operationId,
    ...[counts.cells, counts.agreed, counts.excused, counts.failed].map(String),
    ...[sent, natural.agreed, natural.state].map(String),
  ]
}

function totalOf(operations: readonly OperationParity[]): OperationParity {
  return {
    operationId: 'total',
    cells: operations.flatMap(({ cells }) => cells),
    natural: sumCounts(operations.map(({ natural }) => natural)),
  }
}

function reasonsOf(operations: readonly OperationParity[]): string {
  const { reasons } = totalOf(operations).natural
  return Object.entries(reasons)
    .sort(([, a], [, b]) => b - a)
    .map(([why, times]) => `${times} × ${why}`)
    .join('; ')
}

export function summary({
  conformance,
  operations,
  notImplemented,
  witnesses,
  isReused,
  tookMs,
  excuses,
}: ParityReport): string {
  const { cells, agreed, excused, failed } = countCells(operations.flatMap((operation) => operation.cells))
  const { natural } = totalOf(operations)
  const valid = conformance.reduce((sum, row) => sum + row.valid, 0)
  const probes = conformance.reduce((sum, row) => sum + row.probes, 0)
  const ledger = `${witnesses} answers of the real server${isReused ? ', recorded earlier' : ''}`
  return [
    `${cells} cells, ${agreed} agreed, ${excused} excused, ${failed} failed`,
    `${natural.agreed} requests answered alike, ${natural.state} by state, ${natural.disagreed} apart`,
    `mocks valid ${valid} of ${probes}`,
    ...(excuses.faults.length > 0 ? [`${excuses.faults.length} faulty excuses`] : []),
    `${notImplemented} operations not implemented yet`,
    ledger,
    `${(tookMs / 1_000).toFixed(1)} s`,
  ].join('; ')
}

function describeConformance({ failures }: ConformanceRow): string[] {
  const shown = failures
    .slice(0, 4 * MAX_SHOWN)
    .map(({ name, disagreements }) => `✗ ${name}\n${shorten(disagreements.map(describe)).join('')}`)
  return failures.length > shown.length ? [...shown, `✗ and ${failures.length - shown.length} more\n`] : shown
}

function describeOperation({ operationId, cells }: OperationParity): string[] {
  return cells
    .filter(({ result }) => result !== 'agreed')
    .map(({ status, mediaType, result, test, disagreements }) => {
      const mark = result === 'excused' ? '~' : '✗'
      const where = test === null ? '' : `  seen in ${test}\n`
      const name = [operationId, status, mediaType].filter((part) => part !== null).join(' ')
      return `${mark} ${name}\n${shorten(disagreements.map(describe)).join('')}${where}`
    })
}

function describe({ matter, at, message }: Disagreement): string {
  return `  ${matter}${at === '' || matter === 'natural' ? '' : ` ${at}`}: ${message}\n`
}

function shorten(lines: readonly string[]): string[] {
  if (lines.length <= MAX_SHOWN) return [...lines]
  return [...lines.slice(0, MAX_SHOWN), `  and ${lines.length - MAX_SHOWN} more\n`]
}

function toTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      return `${cells.join('  ').trimEnd()}\n`
    })
    .join('')
}

/** GitHub shows ten annotations of a kind per step and drops the rest: the summary says how many there are. */
const MAX_ANNOTATIONS = 10

function toGithub(report: ParityReport, locate: Locate): string {
  const failures = listFailures(report).map(({ operationId, status, message }) => {
    const { file, line, column } =
      operationId === null ? { file: EXCUSES_FILE, line: 1, column: 1 } : locate(operationId, status)
    return `::error file=${escapeProperty(file)},line=${line},col=${column},title=contracts%3Adiff::${escapeData(message)}`
  })
  const hidden = failures.length - MAX_ANNOTATIONS
  const rest = hidden > 0 ? ` (not shown: ${hidden} more errors)` : ''
  const total = `::notice title=contracts%3Adiff::${escapeData(summary(report) + rest)}`
  return `${[...failures.slice(0, MAX_ANNOTATIONS), total].join('\n')}\n`
}

interface Failure {
  operationId: string | null
  status: number | null
  message: string
}

export function listFailures({ conformance, operations, server, excuses }: ParityReport): Failure[] {
  const toMessage = (name: string, disagreements: readonly Disagreement[]) =>
    [name, ...disagreements.map((one) => describe(one).trim())].join('\n')
  return [
    ...operations.flatMap(({ operationId, cells }) =>
      cells
        .filter(({ result }) => result === 'failed')
        .map(({ status, isDocumented, disagreements }) => ({
          operationId,
          status: isDocumented ? status : null,
          message: toMessage(`${operationId} ${status}`, disagreements),
        })),
    ),
    ...conformance.flatMap(({ failures }) =>
      failures.map(({ name, operationId, status, disagreements }) => ({
        operationId,
        status,
        message: toMessage(name, disagreements),
      })),
    ),
    ...[...server.flatMap(({ failures }) => failures), ...excuses.faults].map((message) => ({
      operationId: null,
      status: null,
      message,
    })),
  ]
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
