// The phase gates: each proves on a real platform, from the database, that a phase keeps what it promises.
//   npm run gates -- <name>… | all [--seed N] [--smoke] [--json]
//   npm run gates -- --help
import { parseArgs } from 'node:util'
import type { Gate, GateOptions } from './gates/gate.ts'
import { r3 } from './gates/r3.ts'
import { r4 } from './gates/r4.ts'
import { r6 } from './gates/r6.ts'

/** In the order in which they build on each other. */
const gates: Record<string, Gate> = { r3, r4, r6 }

function usage(): string {
  const names = Object.entries(gates).map(([name, { about }]) => `  ${name.padEnd(6)}${about}`)
  return `usage: npm run gates -- <name>… | all [options]

${names.join('\n')}

  --seed N  other deliveries (default 1)
  --smoke   a small run of half a minute
  --json    each report as one JSON object
  --help    this text

Each starts a platform of its own. Ends with 0 when all of them are passed, 1 when one is not, 2 when one could not be run.
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
    let worst = 0
    for (const gate of chosen.gates) worst = Math.max(worst, await gate.run({ ...chosen.options, say }))
    return worst
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    if (process.env.DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    return 2
  }
}

function readArguments(argv: string[]): { gates: Gate[]; options: Omit<GateOptions, 'say'> } | null {
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
  const names = positionals.join(' ') === 'all' ? Object.keys(gates) : positionals
  if (names.length === 0) throw new Error('which gate? See --help')
  const chosen = names.map((name) => {
    const gate = Object.hasOwn(gates, name) ? gates[name] : undefined
    if (gate === undefined) throw new Error(`there is no gate ${JSON.stringify(name)}; see --help`)
    return gate
  })
  if (!/^\d{1,6}$/.test(values.seed)) throw new Error(`${values.seed} is no seed: a number of at most six digits`)
  return { gates: chosen, options: { seed: Number(values.seed), isSmoke: values.smoke, isJson: values.json } }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
