import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { ProblemItem } from '../problem/problem.ts'
import { isSigned } from '../webhooks/simulator/attempt.ts'
import { contractTopics } from '../webhooks/simulator/contract-topics.ts'
import type { Delivery, SimulatedVendor } from '../webhooks/simulator/delivery.ts'
import { isCalled, SimulatorError } from '../webhooks/simulator/simulators.ts'
import { SHOP_URL } from '../webhooks/simulator/woocommerce/order.ts'
import { UsageError } from './environment.ts'
import { readRunState } from './local-state.ts'
import type { SendCommand } from './webhooks-options.ts'

export interface Target {
  url: URL
  /** Empty where nothing is signed. */
  secret: string
}

const TIMEOUT_MS = 30_000

/** A sentence for the user: the platform could not be reached, or refused. */
export class TargetError extends Error {
  override name = 'TargetError'
}

/** Where a delivery goes and what signs it; makes an endpoint when that was asked for. Throws UsageError. */
export async function findTarget(command: SendCommand, delivery: Delivery): Promise<Target> {
  const { url, tenantKey, createEndpoint, vendor, topic } = command
  const platform = url ?? runningPlatform()
  if (platform !== null) requireLoopback(platform, command.isRemoteMeant)
  if (createEndpoint !== null) {
    if (platform === null) throw new UsageError('no platform runs here: start one (npm start), or name it with --to')
    return makeEndpoint(command, platform, createEndpoint)
  }
  const secret = command.secret ?? (isSigned(delivery) ? null : '')
  if (url === null && tenantKey === null) throw new UsageError(whatToType(command, platform))
  if (platform === null) throw new UsageError('--to is missing, and no platform runs here (npm start)')
  if (secret === null) {
    const what = vendor === 'paypal' ? 'the id of the webhook' : "the endpoint's signing secret"
    throw new UsageError(`--secret is missing: ${what}, or --endpoint-secret-env with the variable that holds it`)
  }
  const isBare = url === null || url.pathname === '/'
  return { url: tenantKey !== null && isBare ? new URL(routeOf(vendor, topic), platform) : platform, secret }
}

/** Where the topic has an operation of its own. */
function routeOf(vendor: SimulatedVendor, topic: string): string {
  const known = contractTopics(vendor).find((each) => isCalled(each.topic, topic))
  const own = known?.paths.find((path) => !path.includes('{'))
  if (own === undefined) {
    throw new SimulatorError(`the contract has no path for ${topic} alone: give the endpoint's whole address with --to`)
  }
  return own
}

function runningPlatform(): URL | null {
  const run = readRunState()
  return run === null ? null : new URL(run.api.url)
}

function whatToType({ vendor, topic }: SendCommand, platform: URL | null): string {
  const example = `skeldir webhooks send ${vendor} ${topic}`
  const own = `${example} --to http://127.0.0.1:3000/hooks --secret S`
  if (platform === null) return `--to is missing, and no platform runs here (npm start). For example: ${own}`
  return [
    `--to is missing. A platform runs at ${platform.origin}; make an endpoint there:`,
    `  SKELDIR_PASSWORD=… ${example} --create-endpoint --tenant SLUG --email E`,
    `or name one that exists: ${example} --to ${platform.origin}/api/webhooks/${vendor}/in/KEY --secret S`,
  ].join('\n')
}

/** Orders that nobody placed must not end up in somebody's books by a typing error. */
function requireLoopback({ hostname }: URL, isRemoteMeant: boolean): void {
  if (isRemoteMeant || isLoopback(hostname)) return
  throw new UsageError(
    `${hostname} is not this machine, and these are made-up orders that a receiver may take for real ones: add --yes-remote if that is meant`,
  )
}

export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === '::1' || host === 'localhost' || host.endsWith('.localhost')
}

interface Problem {
  detail?: string
  errors?: ProblemItem[]
}

async function makeEndpoint(
  { vendor, secret: given, story }: SendCommand,
  platform: URL,
  { tenant, email, password }: NonNullable<SendCommand['createEndpoint']>,
): Promise<Target> {
  const login = await call<{ access_token: string }>(platform, '/api/auth/login', { email, password, tenant })
  const secret = given ?? inventSecret(vendor)
  const request = {
    vendor,
    name: 'Webhook simulator',
    secret,
    ...(vendor === 'shopify' ? { shop_domain: story.shopDomain } : {}),
    ...(vendor === 'woocommerce' ? { shop_domain: new URL(SHOP_URL).hostname } : {}),
    // Nobody but PayPal signs for live ones.
    ...(vendor === 'paypal' ? { mode: 'test' } : {}),
  }
  const endpoint = await call<{ delivery_url: string }>(platform, '/api/webhook-endpoints', request, login.access_token)
  // Only the path: the platform may name an address that reaches it from outside.
  const url = new URL(new URL(endpoint.delivery_url).pathname, platform)
  process.stderr.write(`Made an endpoint. To use it again: --to ${url.href} --secret '${secret}'\n`)
  return { url, secret }
}

function inventSecret(vendor: SimulatedVendor): string {
  return vendor === 'stripe' ? `whsec_${randomBytes(24).toString('base64')}` : randomBytes(16).toString('hex')
}

async function call<T>(platform: URL, path: string, body: object, token?: string): Promise<T> {
  const url = new URL(path, platform)
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: Error) => {
    const cause = error.cause instanceof Error ? error.cause.message : error.message
    throw new TargetError(`POST ${url.href}: ${cause}`, { cause: error })
  })
  const answer: unknown = await response.json().catch(() => null)
  if (response.ok) return answer as T
  const { detail = '', errors = [] } = (answer ?? {}) as Problem
  const faults = errors.map((fault) => `${fault.pointer} ${fault.detail}`).join('; ')
  throw new TargetError(`POST ${url.href} answered ${response.status}: ${detail} ${faults}`.trim())
}
