import { expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../support/answer.ts'
import { expectQuotaUsedUp } from '../support/limits.ts'
import { METRICS_TOKEN, startPlatform, until, usePlatform } from '../support/platform.ts'

const platform = usePlatform()

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0'
/** As Prometheus 3 and 2 ask. Source: acceptHeader in scrape/scrape.go of v3.5.0. */
const ACCEPTS = {
  'Prometheus 3':
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
  'Prometheus 2':
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
  'whoever names a charset': 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** The value of a series, by its line up to the value. */
const readSeries = (text: string, series: string) => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1).split(' ')[0])
}

test('200: what the process counted of its requests, by domain and class, failures by operation', async () => {
  const own = await startPlatform(onTestFinished)
  await own.call('verifyToken')
  await own.call('verifyToken', { token: null })
  await fetch(`${own.url}/nothing/here`)
  const { status, headers, text } = await own.call('getMetrics')
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe('text/plain; version=0.0.4')
  expect(readSeries(text, 'skd_http_requests_total{domain="auth",status="2xx"}')).toBe(1)
  expect(readSeries(text, 'skd_http_requests_total{domain="auth",status="4xx"}')).toBe(1)
  expect(readSeries(text, 'skd_http_requests_total{domain="other",status="4xx"}')).toBe(1)
  expect(readSeries(text, 'skd_http_request_duration_seconds_count{domain="auth"}')).toBe(2)
  expect(readSeries(text, 'skd_process_resident_memory_bytes')).toBeGreaterThan(1e6)
  expect(readSeries(text, 'skd_db_connections{pool="main",state="waiting"}')).toBe(0)
})

test('200: what became of items and deliveries', async () => {
  const own = await startPlatform(onTestFinished)
  const item = { event_id: '01J0000000000000000000000A', visitor_id: '01J0000000000000000000000B', channel: 'email' }
  const body = { touchpoints: [{ ...item, occurred_at: new Date(Date.now() - 60_000).toISOString() }] }
  for (let turn = 0; turn < 2; turn += 1) {
    expect((await own.call('ingestTouchpoints', { body })).status).toBe(200)
  }
  const { text } = await own.call('getMetrics')
  expect(readSeries(text, 'skd_events_ingested_total{kind="touchpoint",result="accepted"}')).toBe(1)
  expect(readSeries(text, 'skd_events_ingested_total{kind="touchpoint",result="duplicate"}')).toBe(1)
  expect(readSeries(text, 'skd_events_ingested_total{kind="touchpoint",result="rejected"}')).toBe(0)
})

test('200: queue figures are those of the database, and stay as they were while it is away', async () => {
  const own = await startPlatform(onTestFinished)
  await own.query(`
    insert into pgboss.job (name, data, state, start_after, group_id) values
      ('webhook', '{}', 'created', now() - interval '30 seconds', 'a'),
      ('webhook', '{}', 'retry', now() - interval '1 second', 'a')`)
  const READY = 'skd_queue_ready_jobs{queue="webhook"}'
  const ERRORS = 'skd_queue_refresh_errors_total'
  const AT = 'skd_queue_last_refresh_timestamp_seconds'
  const before = await until(
    () => own.call('getMetrics'),
    ({ text }) => readSeries(text, READY) === 2,
  )
  expect(readSeries(before.text, 'skd_queue_oldest_ready_age_seconds{queue="webhook"}')).toBeGreaterThanOrEqual(29)
  expect(readSeries(before.text, ERRORS)).toBe(0)
  const away = await own.withoutDatabase(() =>
    until(
      () => own.call('getMetrics'),
      ({ text }) => (readSeries(text, ERRORS) ?? 0) > 0,
    ),
  )
  expect(away.status).toBe(200)
  expect(readSeries(away.text, READY)).toBe(2)
  const frozen = readSeries(away.text, AT) as number
  expect(frozen).toBeGreaterThan(1e9)
  await own.query("delete from pgboss.job where name = 'webhook'")
  const back = await until(
    () => own.call('getMetrics'),
    ({ text }) => readSeries(text, READY) === 0,
  )
  expect(readSeries(back.text, AT)).toBeGreaterThan(frozen)
})

test.each(Object.entries(ACCEPTS))('200: OpenMetrics with exemplars, to %s', async (_name, accept) => {
  const own = await startPlatform(onTestFinished)
  const { headers: answered } = await own.call('verifyToken')
  const { status, headers, text } = await own.call('getMetrics', { headers: { accept } })
  expect(status).toBe(200)
  expect(headers.get('content-type')).toBe(OPENMETRICS)
  expect(text.endsWith('\n# EOF\n')).toBe(true)
  expect(text).toContain('# TYPE skd_http_requests counter\n')
  expect(readSeries(text, 'skd_http_requests_total{domain="auth",status="2xx"}')).toBe(1)
  expect(text).toContain(`# {correlation_id="${answered.get('x-correlation-id')}"} `)
})

test('200: every counter is there before its first event, so that this one is seen', async () => {
  const own = await startPlatform(onTestFinished)
  const { text } = await own.call('getMetrics')
  for (const series of [
    'skd_failed_event_total{vendor="stripe",class="conflict"}',
    'skd_webhook_received_total{vendor="paypal",result="failed"}',
    'skd_http_failures_total{operation="login"}',
    'skd_queue_refresh_errors_total',
  ])
    expect(readSeries(text, series), series).toBe(0)
})

test('200: deliveries that a lost database refuses are counted, every one', async () => {
  const own = await startPlatform(onTestFinished)
  const FAILED = 'skd_webhook_received_total{vendor="stripe",result="failed"}'
  const answers = await own.withoutDatabase(async () => {
    const sent: number[] = []
    for (let i = 0; i < 5; i += 1)
      sent.push((await own.call('receiveStripeWebhook', { params: { endpoint_key: 'a'.repeat(43) }, body: {} })).status)
    return sent
  })
  expect(answers).toEqual(answers.map(() => 503))
  const { text } = await own.call('getMetrics')
  expect(readSeries(text, FAILED)).toBe(5)
  expect(readSeries(text, 'skd_http_failures_total{operation="receiveStripeWebhook"}')).toBe(5)
})

test('200: neither what is not built yet nor a probe counts as a failure', async () => {
  const own = await startPlatform(onTestFinished)
  // As somebody would who is not known here.
  expect((await fetch(`${own.url}/api/export/csv`)).status).toBe(501)
  await own.withoutDatabase(() =>
    until(
      () => fetch(`${own.url}/health/ready`),
      (answer) => answer.status === 503,
    ),
  )
  const { text } = await own.call('getMetrics')
  expect(readSeries(text, 'skd_http_failures_total{operation="exportCSV"}')).toBe(0)
  expect(readSeries(text, 'skd_http_failures_total{operation="getReadiness"}')).toBe(0)
  expect(readSeries(text, 'skd_http_requests_total{domain="export",status="501"}')).toBe(1)
  const failed = text.split('\n').filter((line) => /^skd_http_requests_total\{.*status="5xx"\} [^0]/.test(line))
  expect(failed).toEqual([])
})

test('401: no token, another one, and that of a user', async () => {
  expectProblem(await platform.call('getMetrics', { token: null }), 'unauthorized')
  expectProblem(await platform.call('getMetrics', { token: `${METRICS_TOKEN}x` }), 'unauthorized')
  expectProblem(await platform.call('getMetrics', { token: platform.tenant.tokens.admin }), 'unauthorized')
})

test('401: the metrics token is none of a user', async () => {
  expectProblem(await platform.call('verifyToken', { token: METRICS_TOKEN }), 'unauthorized')
})

test('406: an answer that is neither format', async () => {
  expectProblem(await platform.call('getMetrics', { headers: { accept: 'application/json' } }), 'not_acceptable')
})

test('429: more often than 600 times a minute, of one process, whatever the database says', async () => {
  const own = await startPlatform(onTestFinished)
  let answer = await own.call('getMetrics')
  for (let i = 0; i < 700 && answer.status !== 429; i += 1) answer = await own.call('getMetrics')
  expectQuotaUsedUp(answer, 'default')
  expect((await own.call('verifyToken')).status).toBe(200)
})
