import { randomUUID } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { type Apart, startApart } from '../support/apart.ts'
import { signStripe, startPlatform, type TestPlatform, until } from '../support/platform.ts'
import { type Collector, type ReceivedSpan, startCollector } from './collector.ts'

const SECRET = 'whsec_only_for_tests'
const EMAIL = 'mira.lindqvist@shop.example.test'
const [SERVER, PRODUCER, CONSUMER] = [2, 4, 5]

const environmentOf = ({ config, database }: TestPlatform) => ({
  SKELDIR_MASTER_KEY: config.masterKeys.map((key) => key.toString('base64')).join(','),
  DATABASE_URL: database.urlOf('app_user'),
  PORT: '0',
  SKELDIR_SHUTDOWN_MS: '2000',
})

async function start(command: 'serve' | 'worker', env: Record<string, string>, args: string[] = []): Promise<Apart> {
  const ready = command === 'serve' ? /listening on (http:\S+)/ : /takes jobs/
  const started = await startApart([...args, 'src/cli/main.ts', command], ready, { env })
  onTestFinished(started.kill)
  return started
}

/** A payment of somebody, as Stripe tells of it. */
async function deliver(
  platform: TestPlatform,
  url: string,
  { correlationId, headers = {} }: { correlationId: string; headers?: Record<string, string> },
) {
  const { body: endpoint } = await platform.call('createWebhookEndpoint', {
    body: { vendor: 'stripe', name: `Test ${randomUUID()}`, secret: SECRET },
  })
  const payload = JSON.stringify({
    id: `evt_${randomUUID().replaceAll('-', '')}`,
    object: 'event',
    type: 'payment_intent.succeeded',
    created: Math.floor(Date.now() / 1_000),
    livemode: true,
    data: {
      object: {
        id: `pi_${randomUUID().replaceAll('-', '')}`,
        object: 'payment_intent',
        amount: 1_250,
        amount_received: 1_250,
        currency: 'usd',
        created: Math.floor(Date.now() / 1_000),
        status: 'succeeded',
        receipt_email: EMAIL,
        metadata: {},
      },
    },
  })
  const path = `/api/webhooks/stripe/in/${endpoint.endpoint_key}`
  const answer = await fetch(`${url}${path}?campaign=${EMAIL}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...signStripe(payload, SECRET),
      'x-correlation-id': correlationId,
      'user-agent': `Browser of ${EMAIL}`,
      ...headers,
    },
    body: payload,
  })
  return {
    status: answer.status,
    endpointKey: endpoint.endpoint_key as string,
    body: (await answer.json()) as { receipt_id: string },
  }
}

const inTrace = (collector: Collector, correlationId: string) =>
  collector.spans().filter(({ traceId }) => traceId === correlationId.replaceAll('-', ''))

const untilTraced = (collector: Collector, correlationId: string, names: string[]) =>
  until(
    async () => inTrace(collector, correlationId),
    (spans) => names.every((name) => spans.some((span) => span.name === name)),
  )

const named = (spans: ReceivedSpan[], name: string) => spans.find((span) => span.name === name) as ReceivedSpan

test('one trace holds the request, what it queued and the job, and nothing of anybody', async () => {
  const [platform, collector] = await Promise.all([startPlatform(onTestFinished), startCollector()])
  const env = { ...environmentOf(platform), SKELDIR_OTLP_URL: collector.url, LOG_LEVEL: 'debug' }
  const [api, worker] = await Promise.all([start('serve', env), start('worker', env)])
  const correlationId = randomUUID()
  const foreign = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
  const sent = await deliver(platform, api.told, {
    correlationId,
    headers: { traceparent: `00-${foreign.traceId}-${foreign.spanId}-00` },
  })
  expect(sent.status).toBe(200)

  const JOB = 'webhooks.normalize_event'
  const names = ['receiveStripeWebhook', `queue ${JOB}`, JOB, 'attribution.recompute_touched']
  const spans = await untilTraced(collector, correlationId, names)
  const [request, queued, job, next] = names.map((name) => named(spans, name)) as [
    ReceivedSpan,
    ReceivedSpan,
    ReceivedSpan,
    ReceivedSpan,
  ]
  expect(request).toMatchObject({ service: 'skeldir-api', kind: SERVER, parentSpanId: '', isFailed: false })
  expect(request.attributes).toEqual({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'http.route': '/api/webhooks/stripe/in/{endpoint_key}',
  })
  // Its trace is its own; the caller's is linked to.
  expect(request.links).toEqual([foreign])
  expect(queued).toMatchObject({ service: 'skeldir-api', kind: PRODUCER, parentSpanId: request.spanId })
  expect(job).toMatchObject({ service: 'skeldir-worker', kind: CONSUMER, parentSpanId: queued.spanId, isFailed: false })
  expect(job.attributes).toMatchObject({ 'messaging.destination.name': 'webhook', 'skeldir.job.attempt': 1 })
  expect(named(spans, 'queue attribution.recompute_touched').parentSpanId).toBe(job.spanId)
  expect(next.parentSpanId).toBe(named(spans, 'queue attribution.recompute_touched').spanId)

  const all = collector.text()
  for (const secret of [
    EMAIL,
    'mira',
    'campaign',
    'Browser',
    sent.endpointKey,
    SECRET,
    platform.tenant.tenantId,
    '1250',
  ])
    expect(all).not.toContain(secret)

  // The log tells of both by the same ids: of the request, and of the event.
  const told = (output: string, text: string) =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
      .find((line) => line.msg === text && line.correlationId === correlationId)
  expect(told(api.output(), 'a delivery was taken')).toMatchObject({ businessId: sent.body.receipt_id })
  expect(told(worker.output(), 'a job was done')).toMatchObject({ businessId: sent.body.receipt_id, job: JOB })
})

test('a caller that names its own trace as the correlation id is in that trace', async () => {
  const [platform, collector] = await Promise.all([startPlatform(onTestFinished), startCollector()])
  const api = await start('serve', { ...environmentOf(platform), SKELDIR_OTLP_URL: collector.url })
  const correlationId = randomUUID()
  await fetch(`${api.told}/health/ready`, { headers: { 'x-correlation-id': correlationId } })
  const answer = await fetch(`${api.told}/api/tenant`, {
    headers: {
      'x-correlation-id': correlationId,
      traceparent: `00-${correlationId.replaceAll('-', '')}-00f067aa0ba902b7-01`,
    },
  })
  expect(answer.status).toBe(401)
  await fetch(`${api.told}/somebody/${EMAIL}`, { headers: { 'x-correlation-id': correlationId } })
  const spans = await untilTraced(collector, correlationId, ['getTenant', 'GET'])
  expect(named(spans, 'getTenant')).toMatchObject({ parentSpanId: '00f067aa0ba902b7', links: [], isFailed: false })
  expect(named(spans, 'GET').attributes).toEqual({ 'http.request.method': 'GET', 'http.response.status_code': 404 })
  // Probes would be most of what is sent.
  expect(spans.map(({ name }) => name).sort()).toEqual(['GET', 'getTenant'])
  expect(collector.text()).not.toContain('mira')
})

test('a process that ends sends what it has left', async () => {
  const [platform, collector] = await Promise.all([startPlatform(onTestFinished), startCollector()])
  const api = await start('serve', { ...environmentOf(platform), SKELDIR_OTLP_URL: collector.url })
  const correlationId = randomUUID()
  await fetch(`${api.told}/api/tenant`, { headers: { 'x-correlation-id': correlationId } })
  expect(await api.stop()).toBe(0)
  expect(inTrace(collector, correlationId).map(({ name }) => name)).toEqual(['getTenant'])
})

test('a collector that fails or is away costs traces, is told of once, and delays no end', async () => {
  const [platform, collector] = await Promise.all([startPlatform(onTestFinished), startCollector()])
  collector.answer(400)
  const api = await start('serve', { ...environmentOf(platform), SKELDIR_OTLP_URL: collector.url, LOG_LEVEL: 'info' })
  const ask = async () => (await fetch(`${api.told}/api/tenant`)).status
  const TOLD = 'traces cannot be sent, and are lost'
  expect(await ask()).toBe(401)
  await until(
    async () => api.output(),
    (output) => output.includes(TOLD),
  )
  const before = collector.requests()
  expect(await ask()).toBe(401)
  await until(
    async () => collector.requests(),
    (requests) => requests > before,
  )
  collector.answer(200)
  expect(await ask()).toBe(401)
  await until(
    async () => api.output(),
    (output) => output.includes('traces can be sent again'),
  )
  expect(api.output().split(TOLD)).toHaveLength(2)
  // Whoever is away answers nothing at all.
  collector.answer(503)
  expect(await ask()).toBe(401)
  expect(await api.stop()).toBe(0)
})

/** Writes each module of OpenTelemetry that is loaded to standard error. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  import { writeSync } from 'node:fs'
  registerHooks({ load(url, context, next) {
    const found = /@opentelemetry\\/([^/]+)/.exec(url)
    if (found !== null) writeSync(2, 'loaded ' + found[1] + '\\n')
    return next(url, context)
  } })`)}`

test.each([
  ['off, nothing of the SDK is loaded', {}, []],
  ['on, it is', { SKELDIR_OTLP_URL: 'http://127.0.0.1:9' }, ['exporter-trace-otlp-http', 'sdk-trace']],
])('with tracing %s', async (_what, set, expected) => {
  const platform = await startPlatform(onTestFinished)
  for (const command of ['serve', 'worker'] as const) {
    const { output, stop } = await start(command, { ...environmentOf(platform), ...set }, ['--import', WATCH])
    const loaded = new Set([...output().matchAll(/^loaded (\S+)$/gm)].map(([, name]) => name))
    expect(loaded.has('sdk-trace')).toBe(expected.length > 0)
    expect([...loaded]).toEqual(expect.arrayContaining(expected))
    // The interface alone, which prom-client brings along.
    if (expected.length === 0) expect([...loaded]).toEqual(['api'])
    expect(await stop()).toBe(0)
  }
})
