// Checks the contract and everything that is made from it.
//   npm run contracts:check [-- --format text,github,sarif,junit,json] [--contracts DIR] [--gate NAME]
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ToolError } from './finding.ts'
import { type Format, formats, isFormat } from './formats.ts'
import type { CheckReport, GateReport, Profile } from './gate.ts'
import { gates } from './gates.ts'
import { type CheckOptions, runChecks } from './run.ts'

export { type CheckOptions, runChecks } from './run.ts'

const HELP = `Usage: npm run contracts:check -- [options]

Checks the documents of api-contracts/ and what belongs to them: bundles, lint, examples, errors, types, validators, generated
files, routes, breaking changes, changelog. What did not change since the last run is not checked again.

  --format LIST     text (default), github, sarif, junit, json; several with commas or by repeating, each to stdout or,
                    as --format sarif=out.sarif, to a file
  --gate NAME       only this gate; may be repeated: ${gates.map(({ name }) => name).join(', ')}
  --contracts DIR   the OpenAPI 3.0 or 3.1 documents of this folder instead of ours
  --profile NAME    skeldir: our rules; none: only what the OpenAPI specification asks (default for --contracts)
  --root DIR        check this copy of the repository
  --no-cache        check everything again
  --help            this text

Ends with 0 when nothing was found, 1 when there are findings, 2 when the tool itself failed.
`

interface Output {
  format: Format
  /** Null: stdout. */
  file: string | null
}

interface Arguments {
  outputs: Output[]
  options: CheckOptions
}

/** Exit codes: 0 no findings, 1 findings, 2 the tool failed. Writes to stdout, stderr and the files that are named. */
export async function main(argv: string[]): Promise<number> {
  try {
    const parsed = readArguments(argv)
    if (parsed === null) {
      process.stdout.write(HELP)
      return 0
    }
    const progress = showProgress()
    let report: CheckReport
    try {
      report = await runChecks({ ...parsed.options, onGate: progress.onGate })
    } finally {
      progress.end()
    }
    for (const { format, file } of parsed.outputs) write(formats[format](report), file)
    return report.gates.some(({ status }) => status === 'fail') ? 1 : 0
  } catch (error) {
    const isExpected = error instanceof ToolError
    const message = error instanceof Error ? error.message : String(error)
    const sentence = isExpected ? message : `an internal error: ${message.split('\n')[0]}`
    process.stderr.write(`contracts:check: ${sentence}\n`)
    if (!isExpected && process.env.DEBUG !== undefined && error instanceof Error)
      process.stderr.write(`${error.stack}\n`)
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
  const { profile } = values
  if (profile !== undefined && profile !== 'skeldir' && profile !== 'none') {
    throw new ToolError(`there is no profile ${profile}; it is skeldir or none`)
  }
  return {
    outputs: readOutputs(values.format ?? ['text']),
    options: {
      cache: !values['no-cache'],
      ...(values.gate === undefined ? {} : { gates: values.gate }),
      ...(values.contracts === undefined ? {} : { contracts: resolve(values.contracts) }),
      ...(profile === undefined ? {} : { profile: profile as Profile }),
      ...(values.root === undefined ? {} : { root: values.root }),
    },
  }
}

function parse(argv: string[]) {
  return parseArgs({
    args: argv,
    options: {
      format: { type: 'string', multiple: true },
      gate: { type: 'string', multiple: true },
      contracts: { type: 'string' },
      profile: { type: 'string' },
      root: { type: 'string' },
      'no-cache': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}

function readOutputs(lists: string[]): Output[] {
  const outputs = lists
    .flatMap((list) => list.split(','))
    .map((item): Output => {
      const [format = '', file] = item.split('=', 2)
      if (!isFormat(format)) {
        throw new ToolError(`there is no format ${format}; the formats are ${Object.keys(formats).join(', ')}`)
      }
      return { format, file: file === undefined || file === '' ? null : file }
    })
  const documents = outputs.filter(({ format, file }) => file === null && format !== 'text' && format !== 'github')
  if (documents.length > 0 && outputs.filter(({ file }) => file === null).length > 1) {
    throw new ToolError(
      `${documents[0]?.format} fills stdout; name files for the others, as in --format text=report.txt`,
    )
  }
  return outputs
}

function write(text: string, file: string | null): void {
  if (file === null) {
    process.stdout.write(text)
    return
  }
  try {
    mkdirSync(dirname(resolve(file)), { recursive: true })
    writeFileSync(file, text)
  } catch (error) {
    throw new ToolError(`${file} cannot be written: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** One line that changes on a terminal; elsewhere a line for each gate that takes long enough to wonder. */
function showProgress(): { onGate: NonNullable<CheckOptions['onGate']>; end: () => void } {
  const running = new Set<string>()
  let finished = 0
  const isTerminal = process.stderr.isTTY === true
  const draw = () => {
    if (isTerminal) process.stderr.write(`\r\x1b[Kcontracts:check: ${finished} done, ${[...running].join(', ')} …`)
  }
  if (!isTerminal) process.stderr.write('contracts:check: running …\n')
  return {
    onGate(name: string, event: 'start' | 'end', report?: GateReport) {
      if (event === 'start') running.add(name)
      else {
        running.delete(name)
        finished += 1
        if (!isTerminal && report !== undefined && report.duration_ms > 1_000) {
          process.stderr.write(`contracts:check: ${name} took ${(report.duration_ms / 1_000).toFixed(1)} s\n`)
        }
      }
      draw()
    },
    end() {
      if (isTerminal) process.stderr.write('\r\x1b[K')
    },
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
