import { setTimeout as sleep } from 'node:timers/promises'
import { isSigned, type Signing, toRequest } from '../webhooks/simulator/attempt.ts'
import { type Certificate, keepCertificate, makeCertificate } from '../webhooks/simulator/certificate.ts'
import { type CertificateServer, certificateUrl, serveCertificate } from '../webhooks/simulator/certificate-server.ts'
import { SIMULATED_VENDORS } from '../webhooks/simulator/contract-topics.ts'
import type { Delivery, SimulatedVendor } from '../webhooks/simulator/delivery.ts'
import { plan } from '../webhooks/simulator/plan.ts'
import { patience } from '../webhooks/simulator/retry.ts'
import { send } from '../webhooks/simulator/send.ts'
import { listTopics, makeDelivery, SimulatorError } from '../webhooks/simulator/simulators.ts'
import { isAsExpected, type Tally, toJson, toText } from '../webhooks/simulator/tally.ts'
import { UsageError } from './environment.ts'
import { localTestCertificate } from './local-state.ts'
import { readSendOptions, readVendor, type SendCommand } from './webhooks-options.ts'
import { findTarget, type Target, TargetError } from './webhooks-target.ts'

const HELP = `Sends webhooks as Stripe, Shopify, PayPal and WooCommerce send them: made-up orders, valid against the contract, signed.

  skeldir webhooks send <vendor> <topic> --to URL --secret S [options]
  skeldir webhooks list [vendor] [--format json]

Vendors: ${SIMULATED_VENDORS.join(', ')}. Topics: skeldir webhooks list.

Where to, and signed with what
  --to URL                  the receiver; on another machine only with --yes-remote
  --secret S                the endpoint's signing secret; for PayPal the id of the webhook
  --endpoint-secret-env N   the same, from the environment variable N
  --tenant-key K            sent as X-Skeldir-Tenant-Key; with a --to that has no path, or without --to, the
                            topic's own path of the contract is used
  --create-endpoint         makes an endpoint on the platform first, with --tenant SLUG and --email E of a
                            manager, whose password is in SKELDIR_PASSWORD
  --scheme S                vendor (default) or standard-webhooks
  --cert-port N             where PayPal's certificate is served on 127.0.0.1 (default: any free port)
  --cert-file F             PEM file with that certificate and its key, made when there is none (default: the one
                            that the platform of this checkout takes for endpoints in test mode, else a new one)

What
  --seed N                  the same seed gives the same bytes, and its topics tell of one order; all ids hang on
                            the seed alone (default: a new one, whose order is half an hour old)
  --at TIME                 when the order began (RFC 3339, or now: half an hour ago); default with --seed: by the seed
  --currency C, --amount A  of the order, such as --currency JPY --amount 1500 (default USD, by the seed)
  --visitor ULID            whose order it is (default: by the seed)
  --shop DOMAIN             Shopify: the sender (default north-fjord.myshopify.com)
  --stage S                 WooCommerce: placed, paid, completed, refunded or cancelled, whatever the topic says
  --print[=headers|body]    sends nothing and prints; for curl -H @headers --data-binary @body

How
  --count N                 deliveries, each of the next seed (default 1)
  --rate R/s                deliveries a second (default: as fast as they are answered)
  --concurrency N           requests at once (default 4; 1 keeps the order)
  --duplicate [P]           sends the share P of them twice, signed anew (0 to 1, default 1)
  --reorder [N]             shuffles each N neighbours (default 10)
  --tamper[=PART]           changes the body (default), the signature or a header after signing: 401 is expected
  --old[=SECONDS]           signed so long ago; by default too long: 401 is expected where the vendor signs a time
  --retry                   tries again as the vendor does when the answer is none of 2xx
  --retry-speed N           that many times faster than the vendor (default 3600: an hour in a second)
  --format text|json        of the summary

Ends with 0 when every delivery was answered as expected (2xx, or 401 to what is forged), else with 1; with 2 for
wrong options and 130 when it was interrupted.
`

const PROGRESS_AFTER_MS = 2_000
const PROGRESS_EVERY_MS = 1_000

/** `skeldir webhooks`: the exit status. */
export async function runWebhooks(args: readonly string[]): Promise<number> {
  const [verb, ...rest] = args
  process.stdout.off('error', onOutputError).on('error', onOutputError)
  if (verb === undefined || verb === 'help' || args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return 0
  }
  try {
    if (verb === 'list') return list(rest)
    if (verb === 'send') return await sendWebhooks(readSendOptions(rest))
  } catch (error) {
    if (error instanceof SimulatorError) throw new UsageError(error.message, { cause: error })
    if (!(error instanceof TargetError)) throw error
    say(`skeldir: ${error.message}`)
    return 1
  }
  throw new UsageError(`there is no "webhooks ${verb}"; there are send and list`)
}

/** Into `head`, say: who closes the pipe has seen enough. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
}

function list(args: readonly string[]): number {
  const { vendors, format } = readListOptions(args)
  const topics = vendors.flatMap((vendor) => listTopics(vendor).map((topic) => ({ vendor, ...topic })))
  if (format === 'json') {
    process.stdout.write(`${JSON.stringify(topics, null, 2)}\n`)
    return 0
  }
  const width = Math.max(...topics.map(({ topic }) => topic.length))
  for (const vendor of vendors) {
    process.stdout.write(`${vendor}\n`)
    for (const { topic, description } of topics.filter((each) => each.vendor === vendor)) {
      process.stdout.write(`  ${topic.padEnd(width)}  ${description}\n`)
    }
  }
  return 0
}

function readListOptions(args: readonly string[]): { vendors: SimulatedVendor[]; format: 'text' | 'json' } {
  const { positionals, format } = readVendor(args)
  if (positionals.length > 1) throw new UsageError(`webhooks list takes one vendor, not ${positionals.join(' ')}`)
  const [vendor] = positionals
  return { vendors: vendor === undefined ? SIMULATED_VENDORS : [vendor], format }
}

async function sendWebhooks(command: SendCommand): Promise<number> {
  const make = (seed: number) => makeDelivery(command.vendor, command.topic, seed, command.story)
  // Whatever is wrong with the amount or the topic is said before anything is opened.
  const first = make(command.seed)
  if (command.print !== null) return print(command, make)
  const target = await findTarget(command, first)
  const server = needsCertificate(command) ? await serveCertificate(command.certPort, findCertificate(command)) : null
  try {
    return await sendTo(command, target, server, make)
  } finally {
    await server?.close()
  }
}

async function sendTo(
  command: SendCommand,
  target: Target,
  certificate: CertificateServer | null,
  make: (seed: number) => Delivery,
): Promise<number> {
  const interrupt = new AbortController()
  const onInterrupt = () => interrupt.abort()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onInterrupt)
  if (command.retry && patience[command.vendor].delays.length === 0)
    say(`${command.vendor} never sends anything again.`)
  const progress = startProgress()
  try {
    const tally = await send(plan(make, command.plan), {
      url: target.url,
      signing: { ...command.signing, secret: target.secret, certificate },
      ...(command.tenantKey === null ? {} : { headers: { 'X-Skeldir-Tenant-Key': command.tenantKey } }),
      concurrency: command.concurrency,
      ratePerS: command.ratePerS,
      retrySpeed: command.retry ? command.retrySpeed : null,
      signal: interrupt.signal,
      onDelivery: progress.onDelivery,
    })
    progress.stop()
    report(command, target, tally)
    return tally.interrupted ? 130 : isAsExpected(tally) ? 0 : 1
  } finally {
    progress.stop()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onInterrupt)
  }
}

function report(command: SendCommand, { url }: Target, tally: Tally): void {
  const { vendor, topic, seed } = command
  if (command.format === 'json') {
    process.stdout.write(`${JSON.stringify({ vendor, topic, seed, url: url.href, ...toJson(tally) }, null, 2)}\n`)
  } else {
    process.stdout.write(`${'sent'.padEnd(12)}${vendor} ${topic} to ${url.href}\n${toText(tally)}`)
  }
  if (command.isSeedNew) {
    say(`The same again: --seed ${seed} --at ${toSecond(command.story.startedAt ?? 0)}`)
  }
}

function toSecond(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+/, '')
}

/** A line on stderr once a second, for whatever takes longer than two. */
function startProgress(): { onDelivery: (tally: Tally) => void; stop: () => void } {
  const isTerminal = process.stderr.isTTY === true
  let seen: Tally | null = null
  let isShown = false
  const show = () => {
    const line = `${seen?.deliveries ?? 0} deliveries, ${seen?.attempts ?? 0} requests, ${seen?.unexpected ?? 0} unexpected`
    process.stderr.write(isTerminal ? `\r\u001b[2K${line}` : `${line}\n`)
    isShown = true
  }
  const stopped = new AbortController()
  const run = async () => {
    await sleep(PROGRESS_AFTER_MS, undefined, { signal: stopped.signal, ref: false })
    for (;;) {
      show()
      await sleep(PROGRESS_EVERY_MS, undefined, { signal: stopped.signal, ref: false })
    }
  }
  run().catch(() => {})
  return {
    onDelivery: (tally) => {
      seen = tally
    },
    stop: () => {
      if (isShown && isTerminal && !stopped.signal.aborted) process.stderr.write('\r\u001b[2K')
      stopped.abort()
    },
  }
}

function needsCertificate({ vendor, signing }: SendCommand): boolean {
  return vendor === 'paypal' && signing.scheme === 'vendor'
}

function findCertificate({ certFile }: SendCommand): Certificate {
  const file = certFile ?? localTestCertificate()
  return file === null ? makeCertificate() : keepCertificate(file)
}

function print(command: SendCommand, make: (seed: number) => Delivery): number {
  const certificate = needsCertificate(command) ? findCertificate(command) : null
  const signing: Signing = {
    ...command.signing,
    secret: command.secret ?? '',
    certificate: certificate === null ? null : { ...certificate, url: certificateUrl(command.certPort, certificate) },
  }
  for (const { delivery } of plan(make, command.plan)) {
    if (command.secret === null && isSigned(delivery)) {
      throw new UsageError('--secret is missing: nothing can be signed without it')
    }
    const { headers, body } = toRequest(delivery, signing, new Date())
    const all = command.tenantKey === null ? headers : { ...headers, 'X-Skeldir-Tenant-Key': command.tenantKey }
    printRequest(command, all, body, certificate?.pem ?? null)
  }
  return 0
}

function printRequest(
  { print: part, format, url }: SendCommand,
  headers: Record<string, string>,
  body: Buffer,
  certificate: string | null,
): void {
  if (format === 'json') {
    const parts = { ...(url === null ? {} : { url: url.href }), headers, body: body.toString() }
    process.stdout.write(`${JSON.stringify({ ...parts, ...(certificate === null ? {} : { certificate }) })}\n`)
    return
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\n`)
  if (part !== 'body') process.stdout.write(lines.join(''))
  if (part === 'all') process.stdout.write('\n')
  if (part !== 'headers') process.stdout.write(body)
  if (part === 'all') process.stdout.write('\n')
  if (certificate !== null && part !== 'body') say(`The certificate to serve at PAYPAL-CERT-URL:\n${certificate}`)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
