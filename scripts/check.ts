// Checks everything that needs no database: types, lint and format, folder directions, secrets.
//   npm run check
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const node = process.execPath

/** Each is one command that anybody can run alone. */
const checks: { name: string; command: [string, ...string[]] }[] = [
  { name: 'types', command: [node, 'node_modules/typescript7/bin/tsc', '--noEmit', '-p', '.'] },
  {
    name: 'types of the console',
    command: [node, 'node_modules/typescript7/bin/tsc', '--noEmit', '-p', 'src/console'],
  },
  {
    name: 'types of the snippet',
    command: [node, 'node_modules/typescript7/bin/tsc', '--noEmit', '-p', 'src/events/snippet'],
  },
  {
    name: 'lint and format',
    command: [node, 'node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  },
  { name: 'folder directions', command: [node, 'scripts/check-architecture.ts'] },
  { name: 'secrets and paths', command: [node, 'scripts/check-secrets.ts'] },
]

interface Outcome {
  name: string
  ok: boolean
  seconds: number
  output: string
}

function run({ name, command: [file, ...args] }: (typeof checks)[number]): Promise<Outcome> {
  const started = performance.now()
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0' },
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk
    })
    const done = (ok: boolean) => resolve({ name, ok, seconds: (performance.now() - started) / 1000, output })
    child.on('error', (error) => {
      output += error.message
      done(false)
    })
    child.on('close', (code) => done(code === 0))
  })
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } })
  if (values.help) {
    console.log(
      `npm run check\n\n${checks.map(({ name, command }) => `  ${name.padEnd(20)}${command.slice(1).join(' ')}`).join('\n')}`,
    )
    process.exit(0)
  }
  console.error(`checking ${checks.map(({ name }) => name).join(', ')} …`)
  const outcomes = await Promise.all(checks.map(run))
  for (const { name, ok, output } of outcomes) if (!ok) console.error(`\n${name} failed:\n${output}`)
  for (const { name, ok, seconds } of outcomes)
    console.log(`${ok ? '✓' : '✗'} ${name.padEnd(20)}${seconds.toFixed(1)} s`)
  const failed = outcomes.filter(({ ok }) => !ok).length
  console.log(failed === 0 ? 'all checks passed' : `${failed} of ${outcomes.length} checks failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
