// Sends a generated day of a web shop to a platform over HTTP and shows what it makes of it.
//   npm run demo [-- --exit] [-- --seed N] [-- --json] [-- --port N]

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readRunState } from '../src/cli/local-state.ts'
import { startPlatform } from '../src/cli/platform.ts'
import { type Client, createClient } from './demo/client.ts'
import type { Day } from './demo/day.ts'
import { computeExpected, type Expected } from './demo/expected.ts'
import {
  compareAnswers,
  compareOrders,
  compareRecompute,
  compareReports,
  differing,
  type Figure,
  REPORTING_CURRENCY,
} from './demo/figures.ts'
import { type Observed, observe, type RecomputeJob, readOrders } from './demo/platform-answers.ts'
import { startStep } from './demo/progress.ts'
import { provisionTenant, type Tenant } from './demo/provision.ts'
import { isOk, type Report, toJson, toText } from './demo/report.ts'
import { noAnswers, sendPhase } from './demo/send.ts'
import { generateDay } from './demo/traffic.ts'

const HELP = `Sends a day of a web shop (2,400 touchpoints, 330 paid orders over Shopify and Stripe) to the running platform, or to one
that it starts, and compares every figure that comes back with what has to come out.

  npm run demo [-- options]

  --exit       stop what was started and end: status 0 only if credits equal net revenue and every figure matches
  --seed <n>   another day (default 1)
  --json       the report as one JSON object
  --port <n>   the API's port, when the platform is started here
  --help       this text

SKELDIR_API_URL names a platform that runs elsewhere; DATABASE_URL has to name its database then.
`

const READY_DEADLINE_MS = 60_000
const WORK_DEADLINE_MS = 120_000
/** Nothing moved for so long: what differs will not come right by waiting. */
const STANDSTILL_MS = 30_000
const POLL_MS = 400

interface Options {
  exit: boolean
  seed: number
  json: boolean
  port: number | undefined
}

/** A sentence for the user; the command ends with status 1. */
class DemoError extends Error {
  override name = 'DemoError'
}

/** Errors whose message is written for the user; of all others the stack is worth more. */
const SENTENCES = new Set([
  'DemoError',
  'AnswerError',
  'StartError',
  'EmbeddedPostgresError',
  'MigrationError',
  'ConfigError',
])

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (typeof options === 'number') return options
  const interrupt = new AbortController()
  const hurry = new AbortController()
  let interruptedAt = 0
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      const now = performance.now()
      // One Ctrl-C can arrive twice: from the terminal, and passed on by npm.
      if (interrupt.signal.aborted && now - interruptedAt > 1_000) hurry.abort()
      else if (!interrupt.signal.aborted) interruptedAt = now
      interrupt.abort()
    })
  }
  let stop: (() => Promise<void>) | null = null
  try {
    const named = process.env.SKELDIR_API_URL
    if (named && !URL.canParse(named)) throw new DemoError(`SKELDIR_API_URL is not a URL: ${JSON.stringify(named)}`)
    const found = named || readRunState()?.api.url
    let apiUrl = found
    if (apiUrl === undefined) {
      say('Starting the platform …')
      const platform = await startPlatform({
        signal: interrupt.signal,
        ...(options.port === undefined ? {} : { port: options.port }),
      })
      stop = () => platform.stop(hurry.signal)
      apiUrl = platform.urls.api
    }
    say(`Platform              ${apiUrl} (${found === undefined ? 'started here' : 'was running'})`)
    const client = createClient(apiUrl, interrupt.signal)
    const { report, tenant } = await runDay(client, options.seed, interrupt.signal)
    process.stdout.write(options.json ? `${JSON.stringify(toJson(report), null, 2)}\n` : `\n${toText(report)}`)
    if (!options.exit) {
      say(`\nConsole: ${apiUrl}/ (sign in as ${tenant.email}, password ${tenant.password})`)
      say(`API reference: ${apiUrl}/docs`)
      if (stop !== null) {
        say('The platform keeps running; Ctrl-C stops it.')
        if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort')
      }
    }
    return isOk(report) ? 0 : 1
  } catch (error) {
    if (interrupt.signal.aborted) return 130
    if (!(error instanceof Error) || !SENTENCES.has(error.name)) throw error
    say(error.message)
    return 1
  } finally {
    if (stop !== null) {
      say('Stopping the platform …')
      await stop()
    }
  }
}

async function runDay(client: Client, seed: number, signal: AbortSignal): Promise<{ report: Report; tenant: Tenant }> {
  const began = performance.now()
  await waitForWorker(client, signal)
  // Yesterday: all of it is past, whatever the time.
  const date = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10)
  const day = generateDay(seed, date)
  const expected = computeExpected(day)
  const tenant = await provisionTenant(client, seed, signal)
  const answers = await send(client, day, tenant)
  const observed = await waitForWork(client, tenant, day, expected, signal)
  const recomputed = await recompute(client, tenant, day, signal)
  const orders = await drillDown(client, tenant, expected)
  const orderFigures = compareOrders(expected, orders)
  const figures: Figure[] = [
    ...compareAnswers(expected, answers),
    ...compareReports(expected, observed),
    ...compareRecompute(observed.reports, recomputed),
    ...orderFigures,
  ]
  const report: Report = {
    day,
    tenant: { id: tenant.id, slug: tenant.slug },
    apiUrl: client.baseUrl,
    answers,
    observed,
    orders: { read: orderFigures.length, exact: orderFigures.length - differing(orderFigures).length },
    leaks: client.leaks,
    figures,
    tookMs: performance.now() - began,
  }
  return { report, tenant }
}

async function waitForWorker(client: Client, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS
  for (;;) {
    const { status } = await client.call('GET', '/health/worker')
    if (status === 200) return
    if (performance.now() > deadline) {
      throw new DemoError(
        `${client.baseUrl}/health/worker still answers ${status}: without a worker nothing is computed.`,
      )
    }
    await sleep(POLL_MS, undefined, { signal })
  }
}

async function send(client: Client, day: Day, tenant: Tenant) {
  const answers = noAnswers()
  const total = day.phases.flat().length
  const step = startStep('Sending', total)
  let sent = 0
  for (const phase of day.phases) {
    await sendPhase(client, tenant.doors, phase, answers, () => {
      sent += 1
      const { touchpoints } = answers
      step.update(sent, `${touchpoints.accepted} touchpoints, ${countAccepted(answers.deliveries)} webhooks accepted`)
    })
  }
  step.done(`${total} requests answered`)
  return answers
}

function countAccepted(deliveries: Record<string, Record<string, number>>): number {
  return Object.values(deliveries).reduce((sum, counts) => sum + (counts.accepted ?? 0), 0)
}

/** Polls until every figure of the reports is right, or nothing moves any more; what differs then is the report's to say. */
async function waitForWork(
  client: Client,
  tenant: Tenant,
  day: Day,
  expected: Expected,
  signal: AbortSignal,
): Promise<Observed> {
  const began = performance.now()
  const step = startStep(
    'Waiting for the worker',
    compareReports(expected, { reports: new Map(), realtime: NO_REVENUE }).length,
  )
  let lastSeen = ''
  let lastMove = began
  for (;;) {
    const observed = await observe(client, tenant.accessToken, day.date, [...expected.currencies.keys()])
    const figures = compareReports(expected, observed)
    const wrong = differing(figures)
    const { conversions = 0 } = observed.reports.get(REPORTING_CURRENCY)?.linear ?? {}
    step.update(figures.length - wrong.length, `figures right, ${conversions} orders attributed`)
    if (wrong.length === 0) {
      step.done(`${figures.length} figures right`)
      // The reports were read one after the other; only a second look shows all of them after the last run.
      return observe(client, tenant.accessToken, day.date, [...expected.currencies.keys()])
    }
    const seen = JSON.stringify(figures)
    const now = performance.now()
    if (seen !== lastSeen) lastMove = now
    lastSeen = seen
    const isLate = now - began > WORK_DEADLINE_MS
    if (isLate || now - lastMove > STANDSTILL_MS) {
      const why = isLate ? `after ${WORK_DEADLINE_MS / 1000} s` : `and nothing moved for ${STANDSTILL_MS / 1000} s`
      step.done(`${wrong.length} of ${figures.length} figures still differ ${why}`)
      return observed
    }
    await sleep(POLL_MS, undefined, { signal })
  }
}

const nothing = { amount_minor: 0, currency: REPORTING_CURRENCY }
const NO_REVENUE = {
  since: '',
  revenue: nothing,
  captured: nothing,
  refunded: nothing,
  orders: 0,
  other_currencies: [],
  verified: false,
  sources: [],
}

/** Asks for the day once more: the same inputs have to give the same hashes. */
async function recompute(client: Client, tenant: Tenant, day: Day, signal: AbortSignal): Promise<RecomputeJob> {
  const step = startStep('Recomputing', 1)
  const deadline = performance.now() + WORK_DEADLINE_MS
  const span = { start_date: day.date, end_date: day.date }
  let job = await client.post<RecomputeJob>('/api/attribution/recompute', span, tenant.accessToken)
  while (job.status === 'queued' || job.status === 'running') {
    if (performance.now() > deadline) {
      step.done(`still ${job.status} after ${WORK_DEADLINE_MS / 1000} s`)
      return job
    }
    await sleep(POLL_MS, undefined, { signal })
    job = await client.get<RecomputeJob>(`/api/attribution/recompute/${job.job_id}`, tenant.accessToken)
  }
  step.done(job.status)
  return job
}

async function drillDown(client: Client, tenant: Tenant, expected: Expected) {
  const ids = [...expected.orders.keys()]
  const step = startStep('Reading order credits', ids.length)
  let read = 0
  const orders = await readOrders(client, tenant.accessToken, ids, () => {
    read += 1
    step.update(read)
  })
  step.done(`${orders.size} orders`)
  return orders
}

/** The options, or the status to end with at once. */
function readOptions(args: readonly string[]): Options | number {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        exit: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      return 0
    }
    return {
      exit: values.exit,
      json: values.json,
      seed: toInteger('--seed', values.seed, Number.MAX_SAFE_INTEGER),
      port: values.port === undefined ? undefined : toInteger('--port', values.port, 65_535),
    }
  } catch (error) {
    say(`${(error as Error).message}\n\n${HELP}`)
    return 2
  }
}

function toInteger(name: string, text: string, max: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0 && value <= max) return value
  throw new DemoError(`${name} is ${JSON.stringify(text)}: a whole number from 0 to ${max} is meant.`)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

process.exitCode = await main(process.argv.slice(2))
