// Mocks of every document of the contract, each on its port, and a gateway that serves them all.
//   npm run mocks [-- --real URL] [-- handover]
//   npm run mocks -- --help
import { parseArgs } from 'node:util'
import { exitWithParent } from '../src/cli/supervised.ts'
import { type MockConfig, readConfig } from './config.ts'
import { renderHelp } from './help.ts'
import type { MockHost } from './host.ts'

const DEFAULT_REAL = 'http://localhost:8000'

/** The command was typed wrongly: ends with 2. */
class UsageError extends Error {
  override name = 'UsageError'
}

function readArguments(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        real: { type: 'string' },
        'real-timeout': { type: 'string', default: '10000' },
        shadow: { type: 'boolean', default: false },
        'shadow-writes': { type: 'boolean', default: false },
        config: { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        registry: { type: 'string' },
        ports: { type: 'string', default: 'registry' },
        'no-watch': { type: 'boolean', default: false },
        format: { type: 'string', default: 'text' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    return { values, command: positionals.join(' ') }
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

type Values = ReturnType<typeof readArguments>['values']

/** Exit code; undefined while the mocks run. */
export async function main(args: string[]): Promise<number | undefined> {
  const { values, command } = readArguments(args)
  if (values.help) {
    process.stdout.write(renderHelp())
    return 0
  }
  if (command === 'handover') return showHandover(values)
  if (command !== '') throw new UsageError(`there is no command ${command}`)
  const { ports, shadow } = values
  if (ports !== 'registry' && ports !== 'free') throw new UsageError('--ports is registry or free')
  if ((shadow || values['shadow-writes']) && values.real === undefined)
    throw new UsageError('--shadow needs --real URL: the server whose answers are compared')
  const realTimeoutMs = readMilliseconds(values['real-timeout'])
  const startedAt = performance.now()
  // Prism alone takes half a second to load, which a question for help should not wait for.
  const { startMocks } = await import('./host.ts')
  const host = await startMocks({
    ports,
    ...(values.registry !== undefined && { registry: values.registry }),
    host: values.host,
    ...(values.real !== undefined && { real: values.real }),
    realTimeoutMs,
    shadow: shadow || values['shadow-writes'],
    shadowWrites: values['shadow-writes'],
    // Checked by startMocks.
    ...(values.config !== undefined && { config: readConfig(values.config) as MockConfig }),
    watch: !values['no-watch'],
    say: (line) => process.stderr.write(`mocks: ${line}\n`),
  })
  report(host, performance.now() - startedAt)
  const hasFailed = host.failed.length > 0
  if (host.gatewayUrl === '' && Object.keys(host.urls).length === 0) {
    await host.stop()
    return 1
  }
  stopOnSignal(host, hasFailed ? 1 : 0)
  return undefined
}

function report(host: MockHost, ms: number): void {
  const rows = Object.entries(host.urls)
  for (const { message } of host.failed) process.stderr.write(`mocks: ${message}\n`)
  if (host.gatewayUrl !== '') process.stdout.write(`gateway              ${host.gatewayUrl}\n`)
  for (const [domain, url] of rows) process.stdout.write(`${domain.padEnd(20)} ${url}\n`)
  const left = host.failed.length === 0 ? '' : `, ${host.failed.length} left out`
  const opened = rows.length + (host.gatewayUrl === '' ? 0 : 1)
  process.stdout.write(`ready: ${opened} ports${left}, in ${(ms / 1_000).toFixed(1)} s\n`)
}

/** A second signal does not wait. */
function stopOnSignal(host: MockHost, code: number): void {
  let isStopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isStopping) process.exit(code)
      isStopping = true
      host.stop().then(
        () => process.exit(code),
        () => process.exit(1),
      )
    })
  }
}

async function showHandover({ real = DEFAULT_REAL, format }: Values): Promise<number> {
  if (format !== 'text' && format !== 'json') throw new UsageError('--format is text or json')
  const { listHandover, printHandover } = await import('./handover.ts')
  const list = await listHandover(real)
  process.stdout.write(format === 'json' ? `${JSON.stringify(list, null, 2)}\n` : printHandover(list))
  if (list.fault === null) return 0
  process.stderr.write(`mocks: ${list.fault}\n`)
  return 1
}

function readMilliseconds(text: string): number {
  const ms = /^\d{1,7}$/.test(text) ? Number(text) : 0
  if (ms < 1 || ms > 600_000) throw new UsageError('--real-timeout takes milliseconds from 1 to 600000')
  return ms
}

if (import.meta.main) {
  exitWithParent()
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    const isUsage = error instanceof UsageError
    process.stderr.write(`mocks: ${error instanceof Error ? error.message : String(error)}\n`)
    if (isUsage) process.stderr.write('mocks: npm run mocks -- --help lists what there is\n')
    process.exit(isUsage ? 2 : 1)
  }
}
