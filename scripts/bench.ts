// Benchmarks, each with a goal of its own.
//   npm run bench -- http [--json]
//   npm run bench -- --help
import { parseArgs } from 'node:util'
import { runAttributionBench } from './bench/attribution.ts'
import { runAuthBench } from './bench/auth.ts'
import { runContractsBench } from './bench/contracts.ts'
import { runHttpBench } from './bench/http.ts'
import { runIngestBench } from './bench/ingest.ts'
import { runMocksBench } from './bench/mocks.ts'
import { runQueueBench } from './bench/queue.ts'
import { runRlsBench } from './bench/rls.ts'
import { runRollupsBench } from './bench/rollups.ts'

/** Each prints to stdout and resolves to the exit code: 0 goal met, 1 goal missed. */
const benches: Record<string, { about: string; run: (options: { isJson: boolean }) => Promise<number> }> = {
  http: {
    about:
      'server CPU per request: bare Express, Skeldir, openapi-backend and express-openapi-validator as shipped (about 2 minutes)',
    run: runHttpBench,
  },
  attribution: {
    about:
      'figures by every model, from stored events to published runs, whole and after 1 % of change, Markov with resamples, reports and an unchanged counter over HTTP, beside an order at a time (some minutes; a tenth with BENCH_SHARE=0.1)',
    run: runAttributionBench,
  },
  auth: {
    about:
      'what a credential costs a request, what answer times tell of foreign ids and of accounts, and the cost of row level security (under 3 minutes)',
    run: runAuthBench,
  },
  contracts: {
    about:
      'contracts:check cold and warm beside the command-line tools run one by one, and the GitHub description (about 2 minutes, fetches one package)',
    run: runContractsBench,
  },
  ingest: {
    about:
      'what it costs to keep what vendors send: stored beside only verified, repeats beside new, acknowledgements (about 1 minute)',
    run: runIngestBench,
  },
  mocks: {
    about:
      'npm run mocks beside a prism mock process for each document: time until ready, memory, requests per second (about 2 minutes)',
    run: runMocksBench,
  },
  queue: {
    about:
      'jobs from enqueueing to end beside commits of a row, how soon one begins, and what an old snapshot costs (about 5 minutes)',
    run: runQueueBench,
  },
  rls: {
    about:
      'what row level security costs the 10 queries that are sent most, beside a role that bypasses it (about 1 minute)',
    run: runRlsBench,
  },
  rollups: {
    about:
      'what is kept ready to read, as materialized views and as tables of what changed: refreshes after 1 % of change (about 1 minute)',
    run: runRollupsBench,
  },
}

function usage(): string {
  const names = Object.entries(benches).map(([name, { about }]) => `  ${name.padEnd(11)}${about}`)
  return `usage: npm run bench -- <name> [--json]\n\n${names.join('\n')}\n\n  --json  print the measurements as one JSON object\n`
}

/** Exit codes: 0 goal met, 1 goal missed, 2 not measured. */
export async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, json: { type: 'boolean' } },
  })
  if (values.help) {
    process.stdout.write(usage())
    return 0
  }
  const [name = ''] = positionals
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
  if (bench === undefined || positionals.length > 1) {
    process.stderr.write(usage())
    return 2
  }
  return bench.run({ isJson: values.json === true })
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  }
}
