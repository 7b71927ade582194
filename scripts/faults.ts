// Crash runs: each breaks a real platform at random moments under load, and compares what was acknowledged with what is there.
//   npm run faults -- ingest [--seed N] [--smoke] [--kills N] [--restarts N] [--json]
//   npm run faults -- --help
import { parseArgs } from 'node:util'
import type { FaultOptions, FaultRun } from './faults/fault.ts'
import { ingest } from './faults/ingest.ts'

const runs: Record<string, FaultRun> = { ingest }

function usage(): string {
  const names = Object.entries(runs).map(([name, { about }]) => `  ${name.padEnd(8)}${about}`)
  return `usage: npm run faults -- <name> [options]

${names.join('\n')}

  --seed N      other deliveries and other moments (default 1)
  --kills N     how often the API is killed (default 50)
  --restarts N  how often Postgres crashes (default 5)
  --smoke       5 kills and 1 crash, in under a minute
  --json        the report as one JSON object
  --help        this text

Starts a platform of its own. Ends with 0 when nothing was lost or doubled, 1 otherwise, 2 when it could not be run.
`
}

/** Exit codes: 0 nothing lost or doubled, 1 something, 2 not run. The report goes to stdout, progress to stderr. */
export async function main(argv: string[]): Promise<number> {
  const say = (line: string) => void process.stderr.write(`faults: ${line}\n`)
  try {
    const chosen = readArguments(argv)
    if (chosen === null) {
      process.stdout.write(usage())
      return 0
    }
    return await chosen.run.run({ ...chosen.options, say })
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (process.env.DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return 2
  }
}

function readArguments(argv: string[]): { run: FaultRun; options: Omit<FaultOptions, 'say'> } | null {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      kills: { type: 'string' },
      restarts: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const [name = '', ...rest] = positionals
  const run = Object.hasOwn(runs, name) ? runs[name] : undefined
  if (run === undefined || rest.length > 0)
    throw new Error(`there is no run ${JSON.stringify(positionals.join(' '))}; see --help`)
  const { smoke, json } = values
  return {
    run,
    options: {
      seed: toNumber('seed', values.seed),
      kills: toNumber('kills', values.kills ?? (smoke ? '5' : '50')),
      restarts: toNumber('restarts', values.restarts ?? (smoke ? '1' : '5')),
      isJson: json,
    },
  }
}

function toNumber(name: string, text: string): number {
  if (!/^\d{1,6}$/.test(text))
    throw new Error(`--${name} is ${JSON.stringify(text)}: a number of at most six digits is meant`)
  return Number(text)
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
