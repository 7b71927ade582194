// Proves what the product computes: against published tables, and by properties over random cases.
//   npm run verify -- attribution [--json]
//   npm run verify -- determinism [--cases N] [--seed N] [--json]
//   npm run verify -- properties [--cases N] [--seed N] [--json]
//   npm run verify -- --help
import { parseArgs } from 'node:util'
import { chooseByName, runEach } from './load/run-each.ts'
import { verifyAttribution } from './verify/attribution.ts'
import { verifyDeterminism } from './verify/determinism.ts'
import { verifyProperties } from './verify/properties.ts'

interface Verification {
  about: string
  run(options: { isJson: boolean; cases: number; seed: number; say: (line: string) => void }): Promise<number> | number
}

const verifications: Record<string, Verification> = {
  attribution: {
    about:
      'every table of the reference data that SKELDIR_REFERENCE_DATA names, or else our own look-alike data (seconds)',
    run: verifyAttribution,
  },
  determinism: {
    about:
      'one hash for the same books, whatever the order of arrival, the number of workers and the time zone of their host (some minutes)',
    run: verifyDeterminism,
  },
  properties: {
    about: 'what holds for all journeys, over random ones, each beside a slow exact method (some minutes)',
    run: verifyProperties,
  },
}

function usage(): string {
  const names = Object.entries(verifications).map(([name, { about }]) => `  ${name.padEnd(13)}${about}`)
  return `usage: npm run verify -- <name>… | all [options]

${names.join('\n')}

  --cases N  properties: random cases of each (default 100000); determinism: orders of arrival (100 at most)
  --seed N   properties: other cases (default: a new one, which is printed)
  --json     each report as one JSON object
  --help     this text

Ends with 0 when all is equal within its limit, 1 when something is not, 2 when it could not be compared.
`
}

/** Exit codes: 0 all equal, 1 something is not, 2 not compared. The report goes to stdout, progress to stderr. */
export function main(argv: string[]): Promise<number> {
  return runEach('verify', usage, () => {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        cases: { type: 'string', default: '100000' },
        seed: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return null
    const options = {
      isJson: values.json,
      cases: toNumber('cases', values.cases),
      seed: values.seed === undefined ? Date.now() % 2 ** 31 : toNumber('seed', values.seed),
    }
    return chooseByName('verification', verifications, positionals).map(
      (one) => async (say) => one.run({ ...options, say }),
    )
  })
}

function toNumber(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} is ${JSON.stringify(text)}: a whole number is meant`)
  return Number(text)
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
