import { extname } from 'node:path'
import { parseArgs } from 'node:util'
import { FileError } from '../events/import/file.ts'
import type { ImportKindName } from '../events/import/kind.ts'
import type { Format } from '../events/import/rows.ts'
import {
  IMPORT_KINDS,
  ImportError,
  type ImportOptions,
  type ImportReport,
  importFile,
} from '../events/import/service.ts'
import { createContext } from '../main/context.ts'
import { formatMinor } from '../money.ts'
import { asOperator } from '../tenants/operator.ts'
import { isTimeZone } from '../tenants/time-zone.ts'
import { readConfig, UsageError } from './environment.ts'
import { startProgress } from './import-progress.ts'
import { openRejections } from './import-rejections.ts'
import { listenForInterrupt } from './interrupt.ts'

const HELP = `Imports a file of history into one tenant: what was sold, how visitors came, what advertising cost.

  skeldir import orders FILE --tenant SLUG [options]
  skeldir import touchpoints FILE --tenant SLUG [options]
  skeldir import spend FILE --tenant SLUG [options]

  --tenant SLUG       whose data it is
  --format csv|ndjson by default as the name ends: .csv, .ndjson or .jsonl
  --time-zone ZONE    spend: of the days in the file, such as Europe/Berlin (default: the tenant's)
  --dry-run           judges every row and tells what would change; stores nothing
  --resume            goes on where an import of this file was interrupted
  --again             starts over with a file that was begun or imported before
  --json              prints the result as one JSON object

The columns stand in the guide /docs/guides/import. Rows are stored some hundred at a time, each with its progress, so an
import that was killed loses nothing and doubles nothing. A row that cannot be stored holds up no other: it is told with
the number of its line and the reason in FILE.rejected.csv, and nothing of it is kept. Personal data is never stored.
Only for orders that no connected vendor reports: those come by its webhooks.

Ends with 0 when every row was taken, with 1 when some were rejected or it failed, with 2 for wrong options or a file that
cannot be read, and with 130 when it was interrupted.
`

/** `skeldir import`: the exit status. */
export async function runImport(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tenant: { type: 'string' },
      format: { type: 'string' },
      'time-zone': { type: 'string' },
      'dry-run': { type: 'boolean' },
      resume: { type: 'boolean' },
      again: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true || positionals.length === 0) {
    process.stdout.write(HELP)
    return 0
  }
  const { tenant } = values
  if (tenant === undefined || tenant === '') throw new UsageError('import needs --tenant')
  const options = readOptions(positionals, values)
  try {
    const report = await importInto(tenant, options)
    process.stdout.write(values.json === true ? `${JSON.stringify(toJson(report))}\n` : toText(report, options))
    if (report.status === 'stopped') return 130
    return (report.tally.results.rejected ?? 0) > 0 ? 1 : 0
  } catch (error) {
    if (error instanceof FileError) throw new UsageError(error.message, { cause: error })
    if (!(error instanceof ImportError)) throw error
    process.stderr.write(`skeldir: ${error.message}\n`)
    return 2
  }
}

interface Values {
  format?: string | undefined
  'time-zone'?: string | undefined
  'dry-run'?: boolean | undefined
  resume?: boolean | undefined
  again?: boolean | undefined
}

function readOptions([kind, path, ...surplus]: readonly string[], values: Values): ImportOptions {
  if (!IMPORT_KINDS.includes(kind as ImportKindName))
    throw new UsageError(`there is no "import ${kind}"; there are ${IMPORT_KINDS.join(', ')}`)
  if (path === undefined) throw new UsageError(`import ${kind} needs a file`)
  if (surplus.length > 0) throw new UsageError(`import ${kind} takes one file`)
  const timeZone = values['time-zone'] ?? null
  if (timeZone !== null && kind !== 'spend') throw new UsageError(`import ${kind} takes no --time-zone`)
  if (timeZone !== null && !isTimeZone(timeZone)) throw new UsageError(`"${timeZone}" is not a time zone`)
  if (values.resume === true && values.again === true) throw new UsageError('it is --resume or --again')
  return {
    kind: kind as ImportKindName,
    path,
    format: readFormat(path, values.format),
    timeZone,
    isDryRun: values['dry-run'] === true,
    again: values.resume === true ? 'resume' : values.again === true ? 'restart' : null,
  }
}

const FORMATS: Record<string, Format> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson' }

function readFormat(path: string, named: string | undefined): Format {
  if (named === 'csv' || named === 'ndjson') return named
  if (named !== undefined) throw new UsageError(`--format is csv or ndjson, not ${named}`)
  const format = FORMATS[extname(path).toLowerCase()]
  if (format === undefined) throw new UsageError(`what is ${path}? Say --format csv or --format ndjson`)
  return format
}

async function importInto(slug: string, options: ImportOptions): Promise<ImportReport> {
  const opened = createContext({ ...readConfig(), logLevel: 'warn' }, 'app_rw', 'import')
  const interrupt = listenForInterrupt()
  const progress = startProgress(options.kind)
  const rejections = openRejections(options.path, { isFile: !options.isDryRun })
  try {
    return await importFile(await asOperator(opened, slug), options, {
      onStart: rejections.start,
      onRejected: rejections.add,
      onProgress: progress.show,
      stop: interrupt.stop,
    })
  } finally {
    progress.end()
    rejections.end()
    interrupt.release()
    await opened.close()
  }
}

function toJson({ kind, status, sha256, rows, tally, finishedAt }: ImportReport): object {
  const { results, sums } = tally
  return { kind, status, sha256, rows, results, sums, finished_at: finishedAt?.toISOString() ?? null }
}

const HEADLINES: Record<ImportReport['status'], string> = {
  finished: 'imported',
  stopped: 'interrupted; --resume goes on here',
  was_finished: 'was imported before; nothing was done (--again starts over)',
  dry_run: 'dry run: nothing was stored, this is what would be',
}

function toText({ kind, status, rows, tally, finishedAt }: ImportReport, { path }: ImportOptions): string {
  const lines: [string, string][] = [
    [kind, `${path}: ${HEADLINES[status]}`],
    ...(finishedAt === null ? [] : [['finished', finishedAt.toISOString()] as [string, string]]),
    ['rows', String(rows)],
    ...Object.entries(tally.results).map(([result, count]): [string, string] => [result, String(count)]),
    ...Object.entries(tally.sums)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([of, amount]): [string, string] => [of, toAmount(of, amount)]),
  ]
  const width = Math.max(...lines.map(([name]) => name.length)) + 2
  return lines.map(([name, value]) => `${name.padEnd(width)}${value}\n`).join('')
}

/** `captured EUR` is money, `email` a number of touches. */
function toAmount(of: string, amount: string): string {
  const currency = / ([A-Z]{3})$/.exec(of)?.[1]
  return currency === undefined ? amount : formatMinor(BigInt(amount), currency)
}
