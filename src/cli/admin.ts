import { parseArgs } from 'node:util'
import { createContext } from '../main/context.ts'
import { ProblemError } from '../problem/problem.ts'
import { ProvisioningError } from '../tenants/operator.ts'
import { apiKeyCommands } from './admin/api-keys.ts'
import { auditLogCommands } from './admin/audit-log.ts'
import { type AdminCommand, type AdminInput, OPTIONS, type OptionName } from './admin/command.ts'
import { deadEventCommands } from './admin/dead-events.ts'
import { exchangeCommands } from './admin/exchange.ts'
import { memberCommands } from './admin/members.ts'
import { print } from './admin/print.ts'
import { privacyCommands } from './admin/privacy.ts'
import { retentionCommands } from './admin/retention.ts'
import { rotationCommands } from './admin/rotation.ts'
import { tenantCommands } from './admin/tenants.ts'
import { userCommands } from './admin/users.ts'
import { readConfig, UsageError } from './environment.ts'

const commands: Record<string, AdminCommand> = {
  ...tenantCommands,
  ...memberCommands,
  ...userCommands,
  ...apiKeyCommands,
  ...auditLogCommands,
  ...rotationCommands,
  ...retentionCommands,
  ...privacyCommands,
  ...deadEventCommands,
  ...exchangeCommands,
}

function help(): string {
  const rows = Object.entries(commands).map(([verb, { usage, summary }]) => {
    const line = `  skeldir admin ${verb} ${usage}`.trimEnd()
    return summary === undefined ? line : `${line}\n      ${summary}`
  })
  return `Tenants, people and keys, by hand. Passwords, tokens and keys are printed once and kept only as hashes; what is done to a
tenant stands in its audit log.

${rows.join('\n')}

Allowed origins are those of web pages that may read the tenant's answers, such as https://console.example or
http://localhost:5173. set-allowed-origins replaces the whole list and prints it; without a URL the list is empty.

set-rate-limit says how many requests a minute a tenant has: by default 600, 60000 deliveries and events, and 12000 from web pages.
Running processes follow within 10 seconds.

load-fx stores what was paid on a day for 1 unit of the base: all of a file or, where a line is wrong, nothing. Of one pair, day and source
the rate that was loaded last holds. Figures are told in another currency by the newest rate up to seven days old, and by none otherwise.

  --json    print the result as one JSON object; a list as { "items": [...] }
`
}

export async function runAdmin(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ...OPTIONS, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  })
  const { json = false, help: isHelp, ...options } = values
  const [verb, ...operands] = positionals
  if (isHelp === true || verb === undefined) return void process.stdout.write(help())
  const command = Object.hasOwn(commands, verb) ? commands[verb] : undefined
  if (command === undefined) throw new UsageError(`there is no "admin ${verb}"`)
  if (operands.length > 0 && command.takesOperands !== true)
    throw new UsageError(`admin ${verb} takes no ${JSON.stringify(operands[0])}`)
  const surplus = Object.keys(options).find((name) => !command.options.includes(name as OptionName))
  if (surplus !== undefined) throw new UsageError(`admin ${verb} takes no --${surplus}`)

  let opened: ReturnType<typeof createContext> | undefined
  let openedApi: ReturnType<typeof createContext> | undefined
  const input: AdminInput = {
    ctx() {
      opened ??= createContext({ ...readConfig(), logLevel: 'warn' }, 'app_rw', 'admin')
      return opened
    },
    api() {
      openedApi ??= createContext({ ...readConfig(), logLevel: 'warn' }, 'app_user', 'admin')
      return openedApi
    },
    operands,
    need(name) {
      const value = options[name]
      if (value === undefined || value === '') throw new UsageError(`admin ${verb} needs --${name}`)
      return value
    },
    get: (name) => options[name],
    all: (name) => options[name] ?? [],
    is: (name) => options[name] === true,
  }
  try {
    print(await command.run(input), json)
  } catch (error) {
    throw toProvisioningError(error)
  } finally {
    await Promise.all([opened?.close(), openedApi?.close()])
  }
}

/** What the API would answer as a problem, in sentences for a person. */
function toProvisioningError(error: unknown): unknown {
  if (!(error instanceof ProblemError)) return error
  const faults = (error.errors ?? []).map(({ pointer, detail }) => `${pointer.replace('/body/', '')}: ${detail}`)
  return new ProvisioningError(faults.length > 0 ? faults.join('\n') : error.detail, { cause: error })
}
