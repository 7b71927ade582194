import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { publishIdOf } from '../../src/tracing/ids.ts'
import { createTracing } from '../../src/tracing/tracing.ts'
import { startCollector } from './collector.ts'

const TASK = { task: 'attribution.recompute_touched', queue: 'attribution', isScheduled: false }
const OTHER_JOB = { name: 'webhooks.normalize_event', queue: 'webhook' }

async function given() {
  const collector = await startCollector()
  const tracing = createTracing({
    url: `${collector.url}/v1/traces`,
    service: 'skeldir-test',
    log: pino({ level: 'silent' }),
  })
  onTestFinished(tracing.stop)
  return { collector, tracing }
}

const traceOf = (correlationId: string) => correlationId.replaceAll('-', '')

test('of what fails the class is told and not the text, and what it had queued is not', async () => {
  const { collector, tracing } = await given()
  const correlationId = randomUUID()
  const work = tracing.startWork({ ...TASK, correlationId, work: [{ jobId: randomUUID(), number: 3, correlationId }] })
  work.queued(OTHER_JOB)
  work.end({ error: new RangeError('mira@shop.example.test owes 12.50') })
  const request = tracing.startRequest({ correlationId, method: 'POST', traceparent: undefined })
  request.queued(OTHER_JOB)
  request.end({ operationId: 'requestRecompute', status: 503 })
  await tracing.stop()
  const spans = collector.spans()
  expect(spans).toHaveLength(2)
  expect(spans[0]).toMatchObject({ name: TASK.task, isFailed: true })
  expect(spans[0]?.attributes).toMatchObject({ 'error.type': 'RangeError', 'skeldir.job.attempt': 3 })
  expect(spans[1]).toMatchObject({ name: 'requestRecompute', isFailed: true })
  expect(spans[1]?.attributes).toMatchObject({ 'error.type': '503', 'http.response.status_code': 503 })
  expect(collector.text()).not.toContain('mira')
})

test('jobs that are one piece of work are in the trace of the first, which is linked to the others', async () => {
  const { collector, tracing } = await given()
  const correlations = Array.from({ length: 100 }, () => randomUUID())
  const [first = ''] = correlations
  const [head, ...rest] = correlations.map((correlationId) => ({ jobId: randomUUID(), number: 1, correlationId }))
  if (head === undefined) throw new Error('there is one')
  tracing.startWork({ ...TASK, correlationId: first, work: [head, ...rest] }).end({})
  await tracing.stop()
  const [span] = collector.spans()
  expect(span).toMatchObject({ traceId: traceOf(first), parentSpanId: publishIdOf(first, TASK.task) })
  expect(span?.attributes).toMatchObject({ 'messaging.batch.message_count': 100 })
  const links = correlations.slice(1, 33)
  expect(span?.links).toEqual(links.map((id) => ({ traceId: traceOf(id), spanId: publishIdOf(id, TASK.task) })))
})

test('what is queued many times is one span, with the number', async () => {
  const { collector, tracing } = await given()
  const correlationId = randomUUID()
  const request = tracing.startRequest({ correlationId, method: 'POST', traceparent: undefined })
  for (let times = 0; times < 3; times += 1) request.queued(OTHER_JOB)
  request.queued({ ...OTHER_JOB, name: 'webhooks.replay_dead_events' })
  request.end({ operationId: 'ingestTouchpoints', status: 200 })
  await tracing.stop()
  const queued = collector.spans().filter(({ name }) => name.startsWith('queue '))
  expect(queued.map(({ name, attributes }) => [name, attributes['messaging.batch.message_count']])).toEqual([
    ['queue webhooks.normalize_event', 3],
    ['queue webhooks.replay_dead_events', undefined],
  ])
})

test('work of the clock begins its own trace; an id that is none gets another', async () => {
  const { collector, tracing } = await given()
  const correlationId = randomUUID()
  const work = { jobId: randomUUID(), number: 1, correlationId: undefined }
  tracing.startWork({ ...TASK, isScheduled: true, correlationId, work: [work] }).end({})
  const nobody = '00000000-0000-0000-0000-000000000000'
  tracing
    .startRequest({ correlationId: nobody, method: 'MIRA', traceparent: 'nonsense' })
    .end({ operationId: undefined, status: 405 })
  await tracing.stop()
  const [clock, made] = collector.spans()
  expect(clock).toMatchObject({ traceId: traceOf(correlationId), parentSpanId: '', links: [] })
  expect(made).toMatchObject({ name: '_OTHER', parentSpanId: '' })
  expect(made?.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/)
})

test('more than fit are lost, and nothing else', async () => {
  const { collector, tracing } = await given()
  for (let times = 0; times < 5_000; times += 1)
    tracing
      .startRequest({ correlationId: randomUUID(), method: 'GET', traceparent: undefined })
      .end({ operationId: 'getTenant', status: 200 })
  await tracing.stop()
  const { length } = collector.spans()
  expect(length).toBeGreaterThanOrEqual(2_048)
  expect(length).toBeLessThan(5_000)
})
