// A tenant of the demo's own, with somebody to log in, a key for touchpoints and a door for each vendor.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Client } from './client.ts'
import type { Vendor } from './day.ts'
import type { Doors, Endpoint } from './send.ts'
import { SHOP_DOMAIN } from './shopify-payload.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export interface Tenant {
  id: string
  slug: string
  email: string
  password: string
  accessToken: string
  doors: Doors
}

/** The slug differs from run to run, so that a second demo in the same database has nothing to do with the first. */
export async function provisionTenant(client: Client, seed: number, signal: AbortSignal): Promise<Tenant> {
  const slug = `demo-${seed}-${Date.now().toString(36)}`
  const admin = <T>(command: string, ...options: string[]) => runAdmin<T>([command, ...options], signal)
  const name = `Demo shop, seed ${seed}`
  const { tenant_id: id } = await admin<{ tenant_id: string }>(
    'create-tenant',
    ...['--slug', slug, '--name', name, '--currency', 'USD', '--time-zone', 'UTC'],
  )
  // Every order's credits are read back, one by one.
  await admin('set-rate-limit', ...['--tenant', slug, '--policy', 'default', '--per-minute', '100000'])
  const user = await admin<{ email: string; password: string }>(
    'create-user',
    ...['--tenant', slug, '--email', `admin@${slug}.example.com`, '--role', 'admin'],
  )
  const { api_key: apiKey } = await admin<{ api_key: string }>(
    'create-api-key',
    ...['--tenant', slug, '--scope', 'events:write', '--name', 'demo touchpoints'],
  )
  const { email, password } = user
  const login = await client.post<{ access_token: string }>('/api/auth/login', { email, password, tenant: slug })
  const accessToken = login.access_token
  const doors = {
    apiKey,
    stripe: await openDoor(client, accessToken, 'stripe', `whsec_${randomBytes(24).toString('base64')}`),
    shopify: await openDoor(client, accessToken, 'shopify', randomBytes(16).toString('hex')),
  }
  return { id, slug, email, password, accessToken, doors }
}

async function openDoor(client: Client, token: string, vendor: Vendor, secret: string): Promise<Endpoint> {
  const request = {
    vendor,
    name: `Demo ${vendor}`,
    secret,
    ...(vendor === 'shopify' ? { shop_domain: SHOP_DOMAIN } : {}),
  }
  const { delivery_url: url } = await client.post<{ delivery_url: string }>('/api/webhook-endpoints', request, token)
  // Only the path: the platform may name an address that reaches it from outside.
  return { path: new URL(url).pathname, secret }
}

/** `skeldir admin`, as an operator would type it. Throws with what it printed. */
async function runAdmin<T>(args: readonly string[], signal: AbortSignal): Promise<T> {
  const command = [join(root, 'scripts', 'skeldir.mjs'), 'admin', ...args, '--json']
  try {
    const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: root, signal })
    return JSON.parse(stdout) as T
  } catch (error) {
    signal.throwIfAborted()
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new Error(`skeldir admin ${args[0]} failed: ${stderr.trim() || message}`, { cause: error })
  }
}
