// Compares what the real server answers with what its mock does, answer by answer, and the mocks with the contract.
//   npm run contracts:diff [-- --format text|json|github] [-- --operation ID] [-- --fresh] [-- --help]

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createContext } from './context.ts'
import { type Position, ToolError } from './finding.ts'
import { type Format, formats, type Locate } from './parity/report.ts'

const HELP = `Compares the real server with its mock: for every implemented operation, documented status and media type, what the
API tests have seen against what the mock answers (status, media type, headers, shape of the body, problem code);
then every request of the tests sent to the mock as it is. Before that, every answer of every mock against the contract.

  npm run contracts:diff [-- options]

  --format <name>   text (default), json, or github: annotations at the lines of the contract
  --operation <id>  only this operation
  --fresh           run the API tests again, even if nothing has changed since their answers were recorded
  --help            this text

The answers of the last complete \`npm test\` are used while the sources are the same; else the API tests are run.
What may differ for now stands in api-contracts/governance/parity-excuses.yaml.
Ends with 0 when all agree, 1 when something differs, 2 when it could not do its work.
`

interface Arguments {
  format: Format
  operationId?: string
  isFresh: boolean
}

const root = join(import.meta.dirname, '../..')

/** Exit codes: 0 all agree, 1 something differs, 2 the tool failed, 130 interrupted. */
export async function main(argv: string[]): Promise<number> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, stop)
  try {
    const parsed = readArguments(argv)
    if (parsed === null) {
      process.stdout.write(HELP)
      return 0
    }
    const { format, ...options } = parsed
    const today = new Date().toISOString().slice(0, 10)
    // Prism takes a second to load, which is no use to those who ask for help.
    const { runParity } = await import('./parity/run.ts')
    const report = await runParity({ root, ...options, today, say, signal: interrupt.signal })
    process.stdout.write(formats[format](report, createLocate()))
    return report.ok ? 0 : 1
  } catch (error) {
    if (interrupt.signal.aborted) return 130
    if (error instanceof ToolError) say(`contracts:diff: ${error.message}`)
    else console.error(error)
    return 2
  }
}

function readArguments(argv: string[]): Arguments | null {
  let values: ReturnType<typeof parse>['values']
  try {
    values = parse(argv).values
  } catch (error) {
    throw new ToolError(error instanceof Error ? error.message : String(error))
  }
  if (values.help) return null
  const { format = 'text', operation } = values
  if (!Object.hasOwn(formats, format))
    throw new ToolError(`there is no format ${format}; the formats are ${Object.keys(formats).join(', ')}`)
  return {
    format: format as Format,
    isFresh: values.fresh,
    ...(operation === undefined ? {} : { operationId: operation }),
  }
}

function parse(argv: string[]) {
  return parseArgs({
    args: argv,
    options: {
      format: { type: 'string' },
      operation: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

/** The documents are read when the first line is asked for. */
function createLocate(): Locate {
  const folder = join(root, 'api-contracts/openapi/v1')
  const ctx = createContext({ root, folder, profile: 'skeldir', isOwn: true, today: '' })
  return (operationId, status): Position => {
    const operation = ctx.source().operations.find(({ id }) => id === operationId)
    if (operation === undefined) return { file: folder, line: 1, column: 1 }
    const reply = operation.replies.find((one) => one.status === String(status))
    return ctx.files.position(reply?.at ?? operation)
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
