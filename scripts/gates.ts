// The phase gates: each proves on a real platform, from the database, that a phase keeps what it promises.
//   npm run gates -- r3 [--seed N] [--smoke] [--json]
//   npm run gates -- --help
import { parseArgs } from 'node:util'
import type { Gate, GateOptions } from './gates/gate.ts'
import { r3 } from './gates/r3.ts'

/** In the order in which they build on each other. */
const gates: Record<string, Gate> = { r3 }

function usage(): string {
  const names = Object.entries(gates).map(([name, { about }]) => `  ${name.padEnd(6)}${about}`)
  return `usage: npm run gates -- <name> [options]

${names.join('\n')}

  --seed N  other deliveries (default 1)
  --smoke   a small run of half a minute
  --json    the report as one JSON object
  --help    this text

Starts a platform of its own. Ends with 0 when the gate is passed, 1 when it is not, 2 when it could not be run.
`
}

/** Exit codes: 0 passed, 1 failed, 2 not run. The report goes to stdout, progress to stderr. */
export async function main(argv: string[]): Promise<number> {
  const say = (line: string) => void process.stderr.write(`gates: ${line}\n`)
  try {
    const chosen = readArguments(argv)
    if (chosen === null) {
      process.stdout.write(usage())
      return 0
    }
    return await chosen.gate.run({ ...chosen.options, say })
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (process.env.DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return 2
  }
}

function readArguments(argv: string[]): { gate: Gate; options: Omit<GateOptions, 'say'> } | null {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const [name = '', ...rest] = positionals
  const gate = Object.hasOwn(gates, name) ? gates[name] : undefined
  if (gate === undefined || rest.length > 0)
    throw new Error(`there is no gate ${JSON.stringify(positionals.join(' '))}; see --help`)
  if (!/^\d{1,6}$/.test(values.seed)) throw new Error(`${values.seed} is no seed: a number of at most six digits`)
  return { gate, options: { seed: Number(values.seed), isSmoke: values.smoke, isJson: values.json } }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
