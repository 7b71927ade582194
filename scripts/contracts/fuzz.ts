// Tries every implemented operation of the contract with Schemathesis, against a real server on a real Postgres.
//   npm run contracts:fuzz [-- --smoke] [-- --operation ID] [-- --role R] [-- --help]

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { ToolError } from './finding.ts'
import { countFailures, toJson, toJunit, toText } from './fuzz/report.ts'
import { type FuzzRole, ROLES } from './fuzz/roles.ts'

const HELP = `Tries every implemented operation of the contract with Schemathesis: examples, boundaries, random cases, and
sequences of calls, as each role, valid and invalid. A platform is started for it and removed afterwards.

  npm run contracts:fuzz [-- options]

  --smoke            fewer cases: at most 3 minutes instead of 15
  --operation <id>   only this operation (may be repeated)
  --role <role>      only this role (may be repeated): ${ROLES.join(', ')}
  --seed <n>         other random cases (default 1)
  --max-examples <n> random cases for each operation
  --url <url>        a platform that runs already, of this checkout or of DATABASE_URL; tenants are made in it
  --junit <file>     also write the result as JUnit
  --json             print the result as one JSON object
  --prove            show that faults are found: an undocumented status and a broken body are planted
  --help             this text

The report names the operations of which no call succeeded. With --url, PayPal's are only refused where nobody here has the
key of the certificate that the platform takes for its endpoints in test mode.

Ends with 0 without failures, 1 with failures, 2 when it could not do its work. Needs Docker or Python 3.10.
`

/** Errors whose message is written for the user; of all others the stack is worth more. */
const SENTENCES = new Set([
  'ToolError',
  'EmbeddedPostgresError',
  'MigrationError',
  'ConfigError',
  'UsageError',
  'ProvisioningError',
])

async function main(args: string[]): Promise<number> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop)
  const { signal } = interrupt
  try {
    const options = readOptions(args)
    if (options === null) return print(HELP, 0)
    const { json, junit, isProof, ...session } = options
    if (isProof) {
      const { prove } = await import('./fuzz/prove.ts')
      const { planted, others } = await prove({ say, signal, seed: session.seed })
      const isProven = planted.every(({ found }) => found) && others.length === 0
      if (json) return print(`${JSON.stringify({ ok: isProven, planted, others }, null, 2)}\n`, isProven ? 0 : 1)
      const lines = planted.map(
        ({ found, what, operationId, check }) =>
          `${found ? '✓ found' : '✗ missed'}: ${what} (${operationId}, ${check})`,
      )
      const strays = others.map((other) => `✗ not planted: ${other}`)
      return print(`${[...lines, ...strays].join('\n')}\n`, isProven ? 0 : 1)
    }
    const { runSession } = await import('./fuzz/session.ts')
    const outcome = await runSession({ ...session, say, signal })
    if (junit !== undefined) writeFileSync(junit, toJunit(outcome))
    const failures = countFailures(outcome)
    print(json ? `${JSON.stringify(toJson(outcome), null, 2)}\n` : `\n${toText(outcome)}`, 0)
    if (failures > 0 && session.url === undefined) {
      say(
        'The platform of this run is gone. To replay a command: npm start, then --url <its URL> with the same seed and role.',
      )
    }
    return failures === 0 ? 0 : 1
  } catch (error) {
    if (signal.aborted) return 130
    if (error instanceof Error && SENTENCES.has(error.name)) say(error.message)
    else console.error(error)
    return 2
  }
}

function readOptions(args: string[]) {
  const { values } = parse(args)
  if (values.help) return null
  const url = values.url?.replace(/\/+$/, '')
  if (url !== undefined && !URL.canParse(url)) throw new ToolError(`--url is not a URL: ${values.url}`)
  const unknown = values.role.filter((role) => !ROLES.includes(role as FuzzRole))
  if (unknown.length > 0)
    throw new ToolError(`There is no role ${unknown.join(', ')}: one of ${ROLES.join(', ')} is meant.`)
  return {
    mode: values.smoke ? ('smoke' as const) : ('full' as const),
    seed: toInteger('--seed', values.seed, 0),
    roles: values.role.length > 0 ? ROLES.filter((role) => values.role.includes(role)) : ROLES,
    ...(values.operation.length > 0 && { operationIds: values.operation }),
    ...(values['max-examples'] !== undefined && {
      maxExamples: toInteger('--max-examples', values['max-examples'], 1),
    }),
    ...(url !== undefined && { url }),
    junit: values.junit,
    json: values.json,
    isProof: values.prove,
  }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        smoke: { type: 'boolean', default: false },
        operation: { type: 'string', multiple: true, default: [] },
        role: { type: 'string', multiple: true, default: [] },
        seed: { type: 'string', default: '1' },
        'max-examples': { type: 'string' },
        url: { type: 'string' },
        junit: { type: 'string' },
        json: { type: 'boolean', default: false },
        prove: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new ToolError(`${(error as Error).message}\n\n${HELP}`)
  }
}

function toInteger(name: string, text: string, min: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min) return value
  throw new ToolError(`${name} is ${JSON.stringify(text)}: a whole number from ${min} on is meant.`)
}

function print(text: string, code: number): number {
  process.stdout.write(text)
  return code
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2))
