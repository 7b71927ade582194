import { parseArgs } from 'node:util'
import type { Role } from '../context.ts'
import { createContext } from '../main/context.ts'
import { rotateMasterKey, rotateTenantKey } from '../tenants/rotate-keys.ts'
import { createApiKey, createTenant, createUser, ProvisioningError, replaceTenantOrigins } from '../tenants/service.ts'
import { readConfig, UsageError } from './environment.ts'

const HELP = `Provisioning. Passwords and keys are printed once and kept only as hashes.

  skeldir admin create-tenant --slug S --name N [--currency USD] [--time-zone UTC] [--allowed-origin URL]…
  skeldir admin create-user --tenant S --email E [--role viewer|manager|admin]
  skeldir admin create-api-key --tenant S --name N --scope events:write
  skeldir admin set-allowed-origins --tenant S [URL]…
  skeldir admin rotate-master-key               wraps every tenant's keys by the first key of SKELDIR_MASTER_KEY
  skeldir admin rotate-tenant-key --tenant S    a new data key for one tenant; its webhook secrets are sealed by it

Allowed origins are those of web pages that may read the tenant's answers, such as https://console.example or
http://localhost:5173. set-allowed-origins replaces the whole list and prints it; without a URL the list is empty.

  --json    print the result as one JSON object
`

const ROLES: readonly string[] = ['viewer', 'manager', 'admin']

export async function runAdmin(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      slug: { type: 'string' },
      name: { type: 'string' },
      currency: { type: 'string', default: 'USD' },
      'time-zone': { type: 'string', default: 'UTC' },
      tenant: { type: 'string' },
      email: { type: 'string' },
      role: { type: 'string', default: 'viewer' },
      'allowed-origin': { type: 'string', multiple: true, default: [] },
      scope: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const [verb, ...operands] = positionals
  if (values.help || verb === undefined) return void process.stdout.write(HELP)
  if (operands.length > 0 && verb !== 'set-allowed-origins')
    throw new UsageError(`admin ${verb} takes no ${JSON.stringify(operands[0])}`)
  const need = (name: 'slug' | 'name' | 'tenant' | 'email'): string => {
    const value = values[name]
    if (value === undefined || value === '') throw new UsageError(`admin ${verb} needs --${name}`)
    return value
  }
  const work = {
    'create-tenant': async () => {
      const request = {
        slug: need('slug'),
        name: need('name'),
        reportingCurrency: values.currency,
        timeZone: values['time-zone'],
        allowedOrigins: values['allowed-origin'],
      }
      const { tenantId, slug } = await createTenant(ctx(), request)
      return { tenant_id: tenantId, slug }
    },
    'create-user': async () => {
      const { role } = values
      if (!ROLES.includes(role)) throw new UsageError(`--role is one of ${ROLES.join(', ')}`)
      const user = await createUser(ctx(), { tenantSlug: need('tenant'), email: need('email'), role: role as Role })
      return { user_id: user.userId, email: user.email, password: user.password }
    },
    'create-api-key': async () => {
      const { keyId, apiKey } = await createApiKey(ctx(), {
        tenantSlug: need('tenant'),
        name: need('name'),
        scopes: values.scope,
      })
      return { key_id: keyId, api_key: apiKey }
    },
    'set-allowed-origins': async () => {
      const tenantSlug = need('tenant')
      return {
        tenant: tenantSlug,
        allowed_origins: await replaceTenantOrigins(ctx(), { tenantSlug, origins: operands }),
      }
    },
    'rotate-master-key': async () => {
      const { kid, tenants, rewrapped, unchanged, failed } = await rotateMasterKey(ctx(), showProgress('tenants'))
      for (const { slug, message } of failed) console.error(`${slug}: ${message}`)
      if (failed.length > 0)
        throw new ProvisioningError(`${failed.length} tenants keep an older master key: do not drop any`)
      return { kid, tenants, rewrapped, unchanged }
    },
    'rotate-tenant-key': async () => {
      const { tenantId, version, secretsSealed } = await rotateTenantKey(ctx(), need('tenant'))
      return { tenant_id: tenantId, version, secrets_sealed: secretsSealed }
    },
  }[verb]
  if (work === undefined) throw new UsageError(`there is no "admin ${verb}"`)
  let opened: ReturnType<typeof createContext> | undefined
  function ctx() {
    opened ??= createContext({ ...readConfig(), logLevel: 'warn' }, 'app_rw', 'admin')
    return opened
  }
  try {
    print(await work(), values.json)
  } finally {
    await opened?.close()
  }
}

const PROGRESS_MS = 2_000

/** A line on stderr every two seconds. */
function showProgress(what: string): (done: number) => void {
  let saidAt = performance.now()
  return (done) => {
    if (performance.now() - saidAt < PROGRESS_MS) return
    saidAt = performance.now()
    console.error(`${done} ${what} …`)
  }
}

function print(result: Record<string, string | number | readonly string[] | null>, asJson: boolean): void {
  if (asJson) {
    console.log(JSON.stringify(result))
    return
  }
  const width = Math.max(...Object.keys(result).map((name) => name.length)) + 2
  for (const [name, value] of Object.entries(result)) {
    const lines = Array.isArray(value) ? (value.length > 0 ? value : ['(none)']) : [value ?? '(unchanged)']
    for (const line of lines) console.log(`${name.padEnd(width)}${line}`)
  }
}
