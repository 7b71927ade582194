// The phase gates: each proves on a real platform, from the database, that a phase keeps what it promises.
//   npm run gates -- <name>… | all [--seed N] [--smoke] [--json]
//   npm run gates -- --help
import { parseArgs } from 'node:util'
import type { Gate } from './gates/gate.ts'
import { r3 } from './gates/r3.ts'
import { r4 } from './gates/r4.ts'
import { r6 } from './gates/r6.ts'
import { chooseByName, runEach } from './load/run-each.ts'

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
export function main(argv: string[]): Promise<number> {
  return runEach('gates', usage, () => {
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
    const chosen = chooseByName('gate', gates, positionals)
    if (!/^\d{1,6}$/.test(values.seed)) throw new Error(`${values.seed} is no seed: a number of at most six digits`)
    const options = { seed: Number(values.seed), isSmoke: values.smoke, isJson: values.json }
    return chosen.map((gate) => (say) => gate.run({ ...options, say }))
  })
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
