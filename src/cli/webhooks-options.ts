import { randomInt } from 'node:crypto'
import { parseArgs } from 'node:util'
import { defaultAge, isSigned, type Signing, TAMPERINGS, type Tampering } from '../webhooks/simulator/attempt.ts'
import { SIMULATED_VENDORS } from '../webhooks/simulator/contract-topics.ts'
import { ORDER_STAGES, type OrderStage, type SimulatedVendor } from '../webhooks/simulator/delivery.ts'
import type { PlanOptions } from '../webhooks/simulator/plan.ts'
import { LIFE_MS } from '../webhooks/simulator/purchase.ts'
import { requireTopic, type StoryOptions } from '../webhooks/simulator/simulators.ts'
import { UsageError } from './environment.ts'

export interface SendCommand {
  vendor: SimulatedVendor
  topic: string
  seed: number
  /** No seed was given. */
  isSeedNew: boolean
  story: StoryOptions
  plan: PlanOptions
  signing: Pick<Signing, 'scheme' | 'tamper' | 'ageS'>
  /** Null where none was given. */
  url: URL | null
  secret: string | null
  tenantKey: string | null
  createEndpoint: { tenant: string; email: string; password: string } | null
  isRemoteMeant: boolean
  concurrency: number
  ratePerS: number | null
  retry: boolean
  retrySpeed: number
  certPort: number
  /** Null where none was given. */
  certFile: string | null
  print: (typeof PRINTED)[number] | null
  format: 'text' | 'json'
}

const MAX_COUNT = 10_000_000
const MAX_SEED = Number.MAX_SAFE_INTEGER - MAX_COUNT
const MAX_CONCURRENCY = 1_000
const MAX_WINDOW = 10_000
const DEFAULT_WINDOW = 10
/** An hour in a second: Shopify's four hours of retries take four seconds. */
const DEFAULT_RETRY_SPEED = '3600'
const PRINTED = ['all', 'headers', 'body'] as const
const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/
const SHOP = /^[a-z0-9][a-z0-9-]*\.myshopify\.com$/

/** Options that may stand alone, with what may follow them. */
const OPTIONAL_VALUES: Record<string, RegExp> = {
  '--duplicate': /^[\d.]+$/,
  '--reorder': /^\d+$/,
  '--tamper': /^(?:body|signature|header)$/,
  '--old': /^\d+$/,
  '--print': /^(?:headers|body|all)$/,
}

/** node:util knows options with a value and options without one: `--old`, `--old 60` and `--old=60` all become the last. */
export function joinOptionalValues(args: readonly string[]): string[] {
  const joined: string[] = []
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string
    const pattern = Object.hasOwn(OPTIONAL_VALUES, arg) ? OPTIONAL_VALUES[arg] : undefined
    if (pattern === undefined) joined.push(arg)
    else if (pattern.test(args[index + 1] ?? '')) joined.push(`${arg}=${args[++index]}`)
    else joined.push(`${arg}=`)
  }
  return joined
}

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const

/** Positionals and `--format` of `webhooks list`. */
export function readVendor(args: readonly string[]): { positionals: SimulatedVendor[]; format: 'text' | 'json' } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { format: { ...text, default: 'text' } },
  })
  return { positionals: positionals.map(toVendor), format: toFormat(values.format) }
}

/** Throws UsageError, or the error of node:util, for what cannot be meant. */
export function readSendOptions(args: readonly string[], env: NodeJS.ProcessEnv = process.env): SendCommand {
  const { values, positionals } = parseArgs({
    args: joinOptionalValues(args),
    allowPositionals: true,
    options: {
      to: text,
      secret: text,
      'endpoint-secret-env': text,
      'tenant-key': text,
      'create-endpoint': flag,
      tenant: text,
      email: text,
      scheme: { ...text, default: 'vendor' },
      'cert-port': { ...text, default: '0' },
      'cert-file': text,
      seed: text,
      at: text,
      currency: { ...text, default: 'USD' },
      amount: text,
      visitor: text,
      shop: { ...text, default: 'north-fjord.myshopify.com' },
      stage: text,
      print: text,
      count: { ...text, default: '1' },
      rate: text,
      concurrency: { ...text, default: '4' },
      duplicate: text,
      reorder: text,
      tamper: text,
      old: text,
      retry: flag,
      'retry-speed': { ...text, default: DEFAULT_RETRY_SPEED },
      'yes-remote': flag,
      format: { ...text, default: 'text' },
    },
  })
  const [vendorName, topic, ...others] = positionals
  if (vendorName === undefined || topic === undefined || others.length > 0) {
    throw new UsageError('webhooks send takes a vendor and a topic: skeldir webhooks send stripe charge.succeeded …')
  }
  const vendor = toVendor(vendorName)
  requireTopic(vendor, topic)
  const seed = values.seed === undefined ? randomInt(2 ** 31) : toInteger('--seed', values.seed, 0, MAX_SEED)
  const count = toInteger('--count', values.count, 1, MAX_COUNT)
  return {
    vendor,
    topic,
    seed,
    isSeedNew: values.seed === undefined,
    story: toStory(vendor, { ...values, shop: values.shop, currency: values.currency }),
    plan: {
      seed,
      count,
      duplicate: values.duplicate === undefined ? 0 : toNumber('--duplicate', values.duplicate || '1', 0, 1),
      window:
        values.reorder === undefined ? 1 : toInteger('--reorder', values.reorder || `${DEFAULT_WINDOW}`, 2, MAX_WINDOW),
    },
    signing: toSigning(vendor, topic, values),
    url: values.to === undefined ? null : toUrl(values.to),
    secret: toSecret(values, env),
    tenantKey: values['tenant-key'] ?? null,
    createEndpoint: values['create-endpoint'] ? toLogin(values, env) : null,
    isRemoteMeant: values['yes-remote'],
    concurrency: toInteger('--concurrency', values.concurrency, 1, MAX_CONCURRENCY),
    ratePerS: values.rate === undefined ? null : toNumber('--rate', values.rate.replace(/\/s$/, ''), 0.001, 100_000),
    retry: values.retry,
    retrySpeed: toNumber('--retry-speed', values['retry-speed'], 0.001, 1e9),
    certPort: toInteger('--cert-port', values['cert-port'], 0, 65_535),
    certFile: values['cert-file'] ?? null,
    print: values.print === undefined ? null : toOne('--print', values.print || 'all', PRINTED),
    format: toFormat(values.format),
  }
}

function toStory(
  vendor: SimulatedVendor,
  values: {
    currency: string
    shop: string
    amount?: string | undefined
    at?: string | undefined
    seed?: string | undefined
    visitor?: string | undefined
    stage?: string | undefined
  },
): StoryOptions {
  const { currency, amount, visitor, stage, shop } = values
  if (visitor !== undefined && !ULID.test(visitor)) throw new UsageError('--visitor is no ULID: 26 of 0-9 and A-Z')
  if (!SHOP.test(shop)) throw new UsageError('--shop is no domain of Shopify, such as my-shop.myshopify.com')
  if (stage !== undefined && vendor !== 'woocommerce') throw new UsageError('--stage is for woocommerce only')
  const at = values.at ?? (values.seed === undefined ? 'now' : undefined)
  return {
    currency: currency.toUpperCase(),
    shopDomain: shop,
    ...(amount !== undefined && { amount }),
    ...(visitor !== undefined && { visitorId: visitor }),
    ...(stage !== undefined && { stage: toOne<OrderStage>('--stage', stage, ORDER_STAGES) }),
    ...(at !== undefined && { startedAt: toTime(at) }),
  }
}

function toSigning(
  vendor: SimulatedVendor,
  topic: string,
  { scheme, tamper, old }: { scheme: string; tamper?: string | undefined; old?: string | undefined },
): SendCommand['signing'] {
  const chosen = toOne<Signing['scheme']>('--scheme', scheme, ['vendor', 'standard-webhooks'])
  if ((tamper !== undefined || old !== undefined) && !isSigned({ topic })) {
    throw new UsageError(`${topic} is not signed: there is nothing to tamper with`)
  }
  const age = old === '' ? defaultAge({ vendor }, { scheme: chosen }) : undefined
  return {
    scheme: chosen,
    tamper: tamper === undefined ? null : toOne<Tampering>('--tamper', tamper || 'body', TAMPERINGS),
    ageS: old === undefined ? 0 : (age ?? toInteger('--old', old, 0, 10 * 365 * 86_400)),
  }
}

function toSecret(
  values: { secret?: string | undefined; 'endpoint-secret-env'?: string | undefined },
  env: NodeJS.ProcessEnv,
): string | null {
  const { secret, 'endpoint-secret-env': name } = values
  if (name === undefined) {
    if (secret === '') throw new UsageError('--secret is empty')
    return secret ?? null
  }
  if (secret !== undefined) throw new UsageError('--secret and --endpoint-secret-env say the same; give one of them')
  const value = env[name]
  if (value === undefined || value === '') throw new UsageError(`${name} is not set in the environment`)
  return value
}

function toLogin(
  { tenant, email }: { tenant?: string | undefined; email?: string | undefined },
  env: NodeJS.ProcessEnv,
) {
  const password = env.SKELDIR_PASSWORD
  if (!tenant || !email || !password) {
    throw new UsageError('--create-endpoint needs --tenant SLUG, --email E and the password in SKELDIR_PASSWORD')
  }
  return { tenant, email, password }
}

function toVendor(name: string): SimulatedVendor {
  return toOne('the vendor', name, SIMULATED_VENDORS)
}

function toFormat(name: string): 'text' | 'json' {
  return toOne('--format', name, ['text', 'json'])
}

function toOne<T extends string>(name: string, value: string, options: readonly T[]): T {
  const found = options.find((option) => option === value)
  if (found === undefined)
    throw new UsageError(`${name} is ${JSON.stringify(value)}: one of ${options.join(', ')} is meant`)
  return found
}

function toInteger(name: string, value: string, min: number, max: number): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`${name} is ${JSON.stringify(value)}: a whole number from ${min} to ${max} is meant`)
}

function toNumber(name: string, value: string, min: number, max: number): number {
  const number = /^\d{1,12}(?:\.\d{1,12})?$/.test(value) ? Number(value) : Number.NaN
  if (number >= min && number <= max) return number
  throw new UsageError(`${name} is ${JSON.stringify(value)}: a number from ${min} to ${max} is meant`)
}

function toUrl(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url
  throw new UsageError(`--to is ${JSON.stringify(value)}: an http or https URL is meant`)
}

/** Milliseconds since 1970. */
function toTime(value: string): number {
  if (value === 'now') return Date.now() - LIFE_MS
  const time = /^\d{4}-\d{2}-\d{2}(T\S+)?$/.test(value) ? Date.parse(value) : Number.NaN
  if (time >= 0 && time < Date.UTC(2099, 0)) return time
  throw new UsageError(`--at is ${JSON.stringify(value)}: now, or a time such as 2026-11-20T14:00:00Z is meant`)
}
