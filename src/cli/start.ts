import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { banner } from './banner.ts'
import { listenForInterrupt } from './interrupt.ts'
import { formatOwnLine } from './log-lines.ts'
import { startPlatform } from './platform.ts'
import { toPort } from './ports.ts'
import { StartError } from './start-error.ts'

const HELP = `Runs Skeldir: database, API, worker and mocks, each started again when it ends.

  npm start [-- options]        or: npx skeldir start [options]

  --port <number>   the API's port (default 8000, the next free one when that is taken)
  --no-mocks        without the mocks, which answer what the API has not implemented yet
  --verbose         show what the processes log, not only warnings
  --help            this text

Without DATABASE_URL a PostgreSQL from the packages runs, its data in .skeldir/ (or the folder SKELDIR_HOME names).
With DATABASE_URL and MIGRATION_DATABASE_URL your own server is used and migrated.
The mocks have fixed ports (npm run mocks -- --help); where their gateway's is taken, all of them use free ones.
`

/** `skeldir start`. Returns the status to end with. */
export async function runStart(args: readonly string[]): Promise<number> {
  const began = performance.now()
  const interrupt = listenForInterrupt()
  try {
    const { help, mocks, verbose, port } = readArguments(args)
    if (help) {
      process.stdout.write(HELP)
      return 0
    }
    const platform = await startPlatform({
      mocks,
      verbose,
      signal: interrupt.stop,
      ...(port !== undefined && { port }),
    })
    process.stdout.write(banner(platform, performance.now() - began))
    if (!interrupt.stop.aborted) await once(interrupt.stop, 'abort')
    process.stderr.write(`${formatOwnLine('stopping …')}\n`)
    await platform.stop(interrupt.hurry)
    return 0
  } catch (error) {
    if (interrupt.stop.aborted) return 0
    if (!(error instanceof Error) || !SENTENCES.has(error.name)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  } finally {
    interrupt.release()
  }
}

/** Errors whose message is written for the user; of all others the stack is worth more. */
const SENTENCES = new Set(['StartError', 'EmbeddedPostgresError', 'MigrationError', 'ConfigError'])

interface Arguments {
  help: boolean
  mocks: boolean
  verbose: boolean
  port: number | undefined
}

function readArguments(args: readonly string[]): Arguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: 'boolean', short: 'h' },
        'no-mocks': { type: 'boolean', default: false },
        verbose: { type: 'boolean', short: 'v' },
        port: { type: 'string' },
      },
    })
    const port = values.port === undefined ? undefined : toPort(values.port, '--port')
    return { help: values.help ?? false, mocks: !values['no-mocks'], verbose: values.verbose ?? false, port }
  } catch (error) {
    throw error instanceof StartError ? error : new StartError(`${(error as Error).message}\n\n${HELP}`)
  }
}
