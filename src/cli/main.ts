// The `skeldir` command.
//   npx skeldir --help
import { parseArgs } from 'node:util'
import packageJson from '../../package.json' with { type: 'json' }
import { settings } from '../config.ts'
import { readConfig, UsageError } from './environment.ts'
import { readConnections } from './local-state.ts'

/** Errors that a person can mend. By name: to load their modules would take longer than most commands (measured). */
const EXPECTED = new Set(['ConfigError', 'MigrationError', 'ProvisioningError'])

interface Command {
  usage: string
  summary: string
  run: (args: string[]) => Promise<void>
}

const commands: Record<string, Command> = {
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
    run: async () => {
      const { startApi } = await import('../main/api.ts')
      const api = await startApi(readConfig())
      await untilTold(`listening on ${api.url}`, api.stop)
    },
  },
  worker: {
    usage: 'worker',
    summary: 'one worker process for all queues; run as many as you like',
    run: async () => {
      const { startWorkerProcess } = await import('../main/worker.ts')
      const worker = await startWorkerProcess(readConfig())
      await untilTold(`worker ${worker.workerId} takes jobs`, worker.stop)
    },
  },
  migrate: {
    usage: 'migrate',
    summary: 'applies the migrations that the database does not have (MIGRATION_DATABASE_URL)',
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
    usage: 'bootstrap-db --admin-url URL [--database skeldir] [--separate-passwords]',
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
    summary: 'tenants, members, accounts, API keys, audit log and rotation of keys (skeldir admin --help)',
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

/** Resolves after SIGTERM or SIGINT, when `stop` is done. A supervised process also stops with its supervisor. */
async function untilTold(line: string, stop: () => Promise<void>): Promise<void> {
  const { exitWithParent } = await import('./supervised.ts')
  const told = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve())
    process.once('SIGINT', () => resolve())
  })
  exitWithParent()
  console.error(line)
  await told
  await stop()
  process.exit(0)
}

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || name === 'help' || name === '--help' || name === '-h')
    return void process.stdout.write(help())
  if (name === '--version' || name === '-v') return console.log(packageJson.version)
  const command = commands[name]
  if (command === undefined) throw new UsageError(`there is no command "${name}"`)
  if (['serve', 'worker', 'migrate'].includes(name)) {
    const { values } = parseArgs({ args, options: { help: { type: 'boolean' } } })
    if (values.help === true) return console.log(`skeldir ${command.usage}\n    ${command.summary}`)
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
