// Crash runs: each breaks a real platform at random moments under load, and compares what was acknowledged with what is there.
//   npm run faults -- ingest [--seed N] [--smoke] [--kills N] [--restarts N] [--json]
//   npm run faults -- health [--seed N] [--smoke] [--json]
//   npm run faults -- worker [--seed N] [--smoke] [--kills N] [--json]
//   npm run faults -- postgres [--seed N] [--smoke] [--json]
//   npm run faults -- all --smoke
//   npm run faults -- --help
import { parseArgs } from 'node:util'
import type { FaultRun } from './faults/fault.ts'
import { health } from './faults/health.ts'
import { ingest } from './faults/ingest.ts'
import { postgres } from './faults/postgres.ts'
import { worker } from './faults/worker.ts'
import { chooseByName, runEach } from './load/run-each.ts'

const runs: Record<string, FaultRun> = { health, ingest, postgres, worker }

function usage(): string {
  const names = Object.entries(runs).map(([name, { about }]) => `  ${name.padEnd(10)}${about}`)
  return `usage: npm run faults -- <name>… | all [options]

${names.join('\n')}

  --seed N      other deliveries and other moments (default 1)
  --kills N     ingest: how often the API is killed (default 50); worker: how often a worker (default 12)
  --restarts N  ingest: how often Postgres crashes (default 5)
  --smoke       ingest: 5 kills and 1 crash; health: each fault once, and 10 s of peace; worker: 2 kills;
                postgres: 5 s away; in about a minute
  --json        each report as one JSON object
  --help        this text

Each starts a platform of its own. Ends with 0 when nothing was lost or doubled and no probe was wrong or late, 1
otherwise, 2 when one could not be run.
`
}

/** Exit codes: 0 nothing lost or doubled, 1 something, 2 not run. The report goes to stdout, progress to stderr. */
export function main(argv: string[]): Promise<number> {
  return runEach('faults', usage, () => {
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
    const { smoke: isSmoke, json: isJson } = values
    return chooseByName('run', runs, positionals).map((one) => {
      const { usual, smoke } = one.kills ?? { usual: 50, smoke: 5 }
      const options = {
        seed: toNumber('seed', values.seed),
        kills: toNumber('kills', values.kills ?? String(isSmoke ? smoke : usual)),
        restarts: toNumber('restarts', values.restarts ?? (isSmoke ? '1' : '5')),
        isSmoke,
        isJson,
      }
      return (say) => one.run({ ...options, say })
    })
  })
}

function toNumber(name: string, text: string): number {
  if (!/^\d{1,6}$/.test(text))
    throw new Error(`--${name} is ${JSON.stringify(text)}: a number of at most six digits is meant`)
  return Number(text)
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
