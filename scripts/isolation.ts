// Proves from the catalogue, by every statement and by planted faults, that no tenant reaches another one's rows.
//   npm run isolation [-- --format text|json] [--table T] [--seed N]
import { parseArgs } from 'node:util'
import { startEnvironment } from './isolation/environment.ts'
import { type IsolationReport, summarize, toJson, toText } from './isolation/report.ts'
import { proveIsolation } from './isolation/run.ts'

const HELP = `Usage: npm run isolation -- [options]

Starts a Postgres of its own with the real roles and migrations, and proves isolation on it: the catalogue against the
rules, every statement on every table in every role and context, every function, what statistics tell, a shared pool in
trouble; and plants every fault that a policy can have, each of which has to be noticed.

  --format FORMAT  text (default) or json, on stdout
  --table NAME     only the statements and planted faults of this table
  --seed N         another choice of rows and arguments (default 1)
  --help           this text

Ends with 0 when there is no leak and every planted fault was noticed, 1 otherwise, 2 when the tool itself failed.
`

interface Arguments {
  format: 'text' | 'json'
  table?: string
  seed: number
}

/** Exit codes: 0 proven, 1 not proven, 2 the tool failed. The report goes to stdout, progress to stderr. */
export async function main(argv: string[]): Promise<number> {
  const say = (line: string) => process.stderr.write(`isolation: ${line}\n`)
  try {
    const options = readArguments(argv)
    if (options === null) {
      process.stdout.write(HELP)
      return 0
    }
    const { format, ...rest } = options
    const environment = await startEnvironment(say)
    let report: IsolationReport
    try {
      report = await proveIsolation({ environment, progress: say, ...rest })
    } finally {
      await environment.stop()
    }
    process.stdout.write(format === 'json' ? toJson(report) : toText(report))
    return summarize(report).isProven ? 0 : 1
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (process.env.DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return 2
  }
}

function readArguments(argv: string[]): Arguments | null {
  const { values } = parseArgs({
    args: argv,
    options: {
      format: { type: 'string', default: 'text' },
      table: { type: 'string' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const { format, table } = values
  if (format !== 'text' && format !== 'json')
    throw new Error(`there is no format ${format}; the formats are text and json`)
  if (!/^\d{1,9}$/.test(values.seed)) throw new Error(`${values.seed} is no seed: a number of at most nine digits`)
  return { format, seed: Number(values.seed), ...(table !== undefined && { table }) }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
