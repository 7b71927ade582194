// The `skeldir` command.
//   npx skeldir --help
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { settings } from '../config.ts'
import { UsageError } from './environment.ts'
import { readConnections } from './local-state.ts'

/** Errors that a person can mend. By name: to load their modules would take longer than most commands (measured). */
const EXPECTED = new Set(['ConfigError', 'MigrationError', 'ProvisioningError'])

/** Of every command that runs until it is told to stop. */
const SHUTDOWN = `
On SIGTERM or SIGINT it takes nothing new and lets what has begun finish, at most SKELDIR_SHUTDOWN_MS. It ends with 0 when
that went well, with 1 when it was not over in time or a second signal came. \`skeldir --help\` lists the environment.
`

/** Another line of what a process says when it has begun. */
const probesOn = (url: string | null) => (url === null ? '' : `\nprobes on ${url}`)

interface Command {
  usage: string
  summary: string
  /** What \`skeldir <command> --help\` says, for those that take no other option and do not say it themselves. */
  help?: string
  run: (args: string[]) => Promise<void>
}

export const commands: Record<string, Command> = {
  start: {
    usage: 'start [options]',
    summary: 'database, API, worker and mocks together, each started again when it ends (npm start)',
    run: async (args) => {
      const { runStart } = await import('./start.ts')
      process.exitCode = await runStart(args)
    },
  },
  serve: {
    usage: 'serve',
    summary: 'one API process; run as many as you like on one database',
    help: `Answers the contract's operations on HOST:PORT, and its probes on SKELDIR_PROBE_PORT besides.\n${SHUTDOWN}`,
    run: async () => {
      const [{ startApi }, { runProcess }] = await Promise.all([import('../main/api.ts'), import('./run-process.ts')])
      await runProcess(async (config) => {
        const { url, probeUrl, stop } = await startApi(config)
        return { line: `listening on ${url}${probesOn(probeUrl)}`, stop }
      })
    },
  },
  worker: {
    usage: 'worker',
    summary: 'one worker process for all queues; run as many as you like',
    help: `Takes jobs and runs them. Those of a worker that is killed are run by another one. On SKELDIR_PROBE_PORT it answers
/health/live, and /health/ready: whether the database answers, has the schema, and gets its signs of life.\n${SHUTDOWN}`,
    run: async () => {
      const [worker, { runProcess }] = await Promise.all([import('../main/worker.ts'), import('./run-process.ts')])
      await runProcess(async (config) => {
        const { workerId, probeUrl, stop } = await worker.startWorkerProcess(config)
        const place = `process ${process.pid} of ${hostname()}`
        return { line: `worker ${workerId}, ${place}, takes jobs${probesOn(probeUrl)}`, stop }
      })
    },
  },
  scheduler: {
    usage: 'scheduler',
    summary: 'keeps the schedules and takes no jobs; workers keep them too, and of all processes one does at a time',
    help: `Adds the jobs that are due by the clock, and finds those whose worker is gone. When the process that leads ends,
another one leads within seconds, and what was missed meanwhile is caught up with once. On SKELDIR_PROBE_PORT it answers
/health/live, and /health/ready: whether the database answers and has the schema.\n${SHUTDOWN}`,
    run: async () => {
      const [main, { runProcess }] = await Promise.all([import('../main/scheduler.ts'), import('./run-process.ts')])
      await runProcess(async (config) => {
        const { probeUrl, stop } = await main.startScheduler(config)
        return { line: `scheduler is ready to lead${probesOn(probeUrl)}`, stop }
      })
    },
  },
  exporter: {
    usage: 'exporter',
    summary: 'serves what the workers of this host have counted to Prometheus, on 127.0.0.1:9108',
    help: `Answers GET /metrics with the sums of the files that workers write to SKELDIR_METRICS_FOLDER; it needs no database.
What a worker counted stays in the sums when it ends, however it ended.\n${SHUTDOWN}`,
    run: async () => {
      const { runExporter } = await import('./exporter.ts')
      await runExporter()
    },
  },
  migrate: {
    usage: 'migrate',
    summary: 'applies the migrations that the database does not have (MIGRATION_DATABASE_URL)',
    help: 'Several at once wait for each other. A migration that fails leaves nothing half done, and can be tried again.\n',
    run: async () => {
      const { migrate } = await import('../db/migrate.ts')
      const databaseUrl = process.env.MIGRATION_DATABASE_URL || readConnections()?.migrationDatabaseUrl
      if (databaseUrl === undefined)
        throw new UsageError('MIGRATION_DATABASE_URL is not set, and no platform runs here')
      const applied = await migrate({ databaseUrl, log: (line) => console.error(line) })
      console.log(applied.length === 0 ? 'nothing to apply' : `${applied.length} applied`)
    },
  },
  'bootstrap-db': {
    usage: 'bootstrap-db [--admin-url URL] [--database skeldir] [--separate-passwords] [--from-environment]',
    summary: 'once per cluster, as a superuser: roles, passwords and the database; prints the URLs to use',
    run: async (args) => void (await import('./bootstrap-db.ts').then(({ runBootstrap }) => runBootstrap(args))),
  },
  config: {
    usage: 'config [--json]',
    summary: 'the configuration in effect: each value, where it came from, secrets masked',
    run: async (args) => {
      const { runConfig } = await import('./config.ts')
      process.exitCode = runConfig(args)
    },
  },
  admin: {
    usage: 'admin <command> [options]',
    summary:
      'tenants, members, accounts, API keys, exchange rates, audit log and rotation of keys (skeldir admin --help)',
    run: async (args) => void (await import('./admin.ts').then(({ runAdmin }) => runAdmin(args))),
  },
  import: {
    usage: 'import orders|touchpoints|spend FILE --tenant SLUG [options]',
    summary: 'imports a file of history, with progress, a dry run and a way to go on (skeldir import --help)',
    run: async (args) => {
      const { runImport } = await import('./import.ts')
      process.exitCode = await runImport(args)
    },
  },
  poll: {
    usage: 'poll [silence|set-credential] --tenant SLUG [options]',
    summary: 'asks vendors for what no delivery brought, and looks for silent endpoints (skeldir poll --help)',
    run: async (args) => {
      const { runPoll } = await import('./poll.ts')
      process.exitCode = await runPoll(args)
    },
  },
  jobs: {
    usage: 'jobs [failed|show|redrive|resolve] [options]',
    summary: 'queues, schedules and their last runs, and jobs that failed for good (skeldir jobs --help)',
    run: async (args) => void (await import('./jobs.ts').then(({ runJobs }) => runJobs(args))),
  },
  views: {
    usage: 'views [refresh [VIEW]] [--tenant SLUG] [--json]',
    summary: 'what is kept ready to read and how far it is behind its data (skeldir views --help)',
    run: async (args) => {
      const { runViews } = await import('./views.ts')
      process.exitCode = await runViews(args)
    },
  },
  webhooks: {
    usage: 'webhooks send|list [options]',
    summary: 'sends signed, made-up webhooks of Stripe, Shopify, PayPal and WooCommerce (skeldir webhooks --help)',
    run: async (args) => {
      const { runWebhooks } = await import('./webhooks.ts')
      process.exitCode = await runWebhooks(args)
    },
  },
}

function help(): string {
  const rows = Object.values(commands).map(({ usage, summary }) => `  skeldir ${usage}\n      ${summary}`)
  const names = Object.entries(settings).map(([name, { meaning }]) => `  ${name.padEnd(34)}${meaning}`)
  return `Skeldir ${packageJson.version}: contract-first revenue attribution\n\n${rows.join('\n')}\n\nEnvironment:\n${names.join('\n')}\n`
}

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h')
    return void process.stdout.write(help())
  if (name === '--version' || name === '-v') return console.log(packageJson.version)
  const command = commands[name]
  if (command === undefined) throw new UsageError(`there is no command "${name}"`)
  if (command.help !== undefined) {
    const { values } = parseArgs({ args, options: { help: { type: 'boolean', short: 'h' } } })
    if (values.help === true)
      return void process.stdout.write(`skeldir ${command.usage}\n    ${command.summary}\n\n${command.help}`)
  }
  await command.run(args)
}

/** Runs a command. The exit status of the process is then what it ends with, as far as it did not go well. */
export async function runCommand(args: string[]): Promise<void> {
  try {
    await main(args)
  } catch (error) {
    process.exitCode = explain(error)
  }
}

if (import.meta.main) await runCommand(process.argv.slice(2))

/** One sentence for what a person can mend, a stack trace for what is our fault. */
function explain(error: unknown): number {
  if (error instanceof UsageError || (error as NodeJS.ErrnoException)?.code?.startsWith('ERR_PARSE_ARGS')) {
    console.error(`skeldir: ${(error as Error).message}\nTry: npx skeldir --help`)
    return 2
  }
  const isExpected = error instanceof Error && EXPECTED.has(error.name)
  const code = (error as NodeJS.ErrnoException)?.code
  if (isExpected || typeof code === 'string') console.error(`skeldir: ${(error as Error).message || code}`)
  else console.error(error)
  return 1
}
