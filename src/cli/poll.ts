import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import type { Vendor } from '../context.ts'
import { createContext } from '../main/context.ts'
import { formatMinor } from '../money.ts'
import { requestPublic } from '../outbound.ts'
import { asOperator } from '../tenants/operator.ts'
import { watchSilence } from '../webhooks/poll/alarm.ts'
import { setPollCredential } from '../webhooks/poll/credential.ts'
import { type GapReport, pollTenant } from '../webhooks/poll/service.ts'
import { readId, readTime } from './admin/command.ts'
import { print } from './admin/print.ts'
import { readConfig, UsageError } from './environment.ts'

const HELP = `Asks the vendors for what no delivery brought, and looks for endpoints at which nothing arrives any more.

  skeldir poll --tenant S [--vendor V] [--since T] [--dry-run] [--json]
  skeldir poll silence --tenant S [--json]
  skeldir poll set-credential --tenant S --endpoint ID < credential.json

  --vendor V     stripe, shopify, paypal or woocommerce (default: all)
  --since T      from this time on, at most 30 days back (default: where the last poll ended)
  --dry-run      tells what is missing, and stores nothing
  --endpoint ID  whose credential it is; the JSON comes on standard input:
                 stripe       {"api_key": …}, restricted to reading events
                 shopify      {"access_token": …}, with the scope read_orders
                 paypal       {"client_id": …, "client_secret": …}
                 woocommerce  {"consumer_key": …, "consumer_secret": …, "site": "https://shop.example"}

What is missing is stored as if it had been delivered; it counts once, whichever comes first. What cannot be read becomes a
dead event. With --since, the next poll still begins where the last one without ended. An endpoint counts as silent after six
hours, ten times the gap that 99 of 100 gaps of its last 28 days stay under, or one and a half times the longest of them,
whichever is the longest. A worker does both by itself, every ten and every fifteen minutes.

Ends with 0, or with 1 where a vendor's list did not come to its end.
`

const VENDORS: readonly string[] = ['stripe', 'shopify', 'paypal', 'woocommerce']

/** `skeldir poll`: the exit status. */
export async function runPoll(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tenant: { type: 'string' },
      vendor: { type: 'string' },
      since: { type: 'string' },
      endpoint: { type: 'string' },
      'dry-run': { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return 0
  }
  const [verb = 'poll', ...rest] = positionals
  if (rest.length > 0 || !['poll', 'silence', 'set-credential'].includes(verb))
    throw new UsageError(`there is no "poll ${positionals.join(' ')}"`)
  const { tenant, vendor, since, json = false } = values
  if (tenant === undefined || tenant === '') throw new UsageError('poll needs --tenant')
  if (vendor !== undefined && !VENDORS.includes(vendor))
    throw new UsageError(`--vendor is one of ${VENDORS.join(', ')}`)
  const from = readTime('since', since)
  const ctx = createContext({ ...readConfig(), logLevel: 'error' }, 'app_rw', 'poll')
  try {
    const work = await asOperator(ctx, tenant)
    if (verb === 'set-credential') {
      if (values.endpoint === undefined) throw new UsageError('poll set-credential needs --endpoint')
      await setPollCredential(work, readId('key-id', values.endpoint), readCredential(await text(process.stdin)))
      print({ endpoint_id: values.endpoint, credential: 'set' }, json)
      return 0
    }
    if (verb === 'silence') {
      const items = (await watchSilence(work, { send: requestPublic })).map((report) => ({
        vendor: report.vendor,
        endpoint_id: report.endpointId,
        last_delivery_at: report.lastDeliveryAt?.toISOString() ?? null,
        limit_seconds: report.limitMs === null ? null : Math.ceil(report.limitMs / 1000),
        silent: report.isSilent,
      }))
      print({ columns: ['vendor', 'endpoint_id', 'last_delivery_at', 'limit_seconds', 'silent'], items }, json)
      return 0
    }
    const request = { vendor: vendor as Vendor | undefined, since: from, isDry: values['dry-run'] === true }
    const reports = await pollTenant(work, request, { send: requestPublic })
    print(
      {
        columns: ['vendor', 'topic', 'webhook', 'list', 'missing', 'recovered', 'unreadable', 'money', 'fault'],
        items: reports.flatMap(toLines),
      },
      json,
    )
    return reports.every(({ fault }) => fault === null) ? 0 : 1
  } finally {
    await ctx.close()
  }
}

/** One line for each topic, and one for each thing that went wrong. */
function toLines(report: GapReport): Record<string, unknown>[] {
  const { vendor, endpointId, since, until, topics, unreachedSince, fault } = report
  const of = { vendor, endpoint_id: endpointId, since: since.toISOString(), until: until.toISOString() }
  const lines = topics.map(({ topic, seen, listed, missing, recovered, unreadable, missingMinor }) => ({
    ...of,
    topic,
    webhook: seen,
    list: listed,
    missing,
    recovered,
    unreadable,
    money: Object.entries(missingMinor).map(([currency, minor]) => `${formatMinor(minor, currency)} ${currency}`),
    fault: null,
  }))
  const troubles = [
    ...(fault === null ? [] : [`${fault.code}: ${fault.message}`]),
    ...(unreachedSince === null
      ? []
      : [`not reached: what changed from ${unreachedSince.toISOString()} to ${since.toISOString()}`]),
  ]
  return [...lines, ...troubles.map((trouble) => ({ ...of, topic: null, fault: trouble }))]
}

function readCredential(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // The text may be a secret: it is not repeated.
  }
  throw new UsageError('a JSON object is expected on standard input')
}
