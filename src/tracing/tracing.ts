import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  RandomIdGenerator,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from 'pino'
import { type OperationId, operations } from '../../generated/operations.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { AnsweredRequest, QueuedJob, RequestHead, TakenWork, Trace, Tracing } from '../context.ts'
import { publishIdOf, type RemoteSpan, readTraceparent, traceIdOf } from './ids.ts'

/*
 * This file loads the SDK, some 60 modules: `main` imports it where SKELDIR_OTLP_URL is set, and nobody else does.
 *
 * A span says what was done and how it went: operation, task, queue, status. Nothing of the request but its method is in
 * it, no path and no query, and of an error its class alone: what a text may say of a person, nobody can know here.
 */

/** Spans that wait to be sent; beyond, the newest are lost. */
const MAX_WAITING = 2_048
const BATCH = 512
const SEND_EVERY_MS = 2_000
/** For a batch, tries and pauses together. */
const SEND_MS = 5_000
/** For what is left at the end of the process: less than it has for saying good-bye (`cli/run-process.ts`). */
const LAST_MS = 1_500
/** Of work that was taken together; the rest is in the log. */
const MAX_LINKS = 32

/** Asked every few seconds, by machines: they would be most of all traces. */
const QUIET = new Set<string | undefined>([
  'getLiveness',
  'getReadiness',
  'getWorkerHealth',
  'getMetrics',
] satisfies OperationId[])

/** Whatever else a client makes up is one name. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'])

export interface RunningTracing extends Tracing {
  /** Sends what is left, as far as that is done in 1.5 s. Never throws. */
  stop(): Promise<void>
}

/** Sends spans to an OTLP receiver by HTTP, in JSON. What goes wrong there is told of once, and costs traces only. */
export function createTracing({ url, service, log }: { url: string; service: string; log: Logger }): RunningTracing {
  const random = new RandomIdGenerator()
  let wanted: { traceId?: string | undefined; spanId?: string } = {}
  const provider = new TracerProvider({
    resource: resourceFromAttributes({
      'service.name': service,
      'service.version': packageJson.version,
      'service.instance.id': `${hostname()}/${process.pid}`,
    }),
    // Which traces are kept is for the collector to choose, when it has seen them whole.
    sampler: new AlwaysOnSampler(),
    idGenerator: {
      generateTraceId: () => wanted.traceId ?? random.generateTraceId(),
      generateSpanId: () => wanted.spanId ?? random.generateSpanId(),
    },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: telling(log, new OTLPTraceExporter({ url, timeoutMillis: SEND_MS })),
        maxQueueSize: MAX_WAITING,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: SEND_EVERY_MS,
        exportTimeoutMillis: SEND_MS + 1_000,
      }),
    ],
  })
  const tracer = provider.getTracer('skeldir', packageJson.version)

  function start(
    name: string,
    about: { kind: SpanKind; attributes: Record<string, string | number>; links?: RemoteSpan[] },
    { parent, ...ids }: { parent?: RemoteSpan | undefined; traceId?: string | undefined; spanId?: string },
  ): Span {
    wanted = ids
    const context = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, toContext(parent))
    try {
      const links = (about.links ?? []).map((link) => ({ context: toContext(link) }))
      return tracer.startSpan(name, { ...about, links }, context)
    } finally {
      wanted = {}
    }
  }

  /** What a span's work queues belongs below it, once for each kind of job, and only if the work is not taken back. */
  function watchQueue(span: Span, correlationId: string) {
    const published = new Map<string, { span: Span; jobs: number; at: number }>()
    return {
      queued({ name, queue }: QueuedJob) {
        const known = published.get(name)
        if (known !== undefined) {
          known.jobs += 1
          known.at = Date.now()
          return
        }
        const attributes = { ...messaging('send', queue), 'skeldir.job': name }
        const ids = { parent: span.spanContext(), spanId: publishIdOf(correlationId, name) }
        const own = start(`queue ${name}`, { kind: SpanKind.PRODUCER, attributes }, ids)
        published.set(name, { span: own, jobs: 1, at: Date.now() })
      },
      close() {
        for (const { span: own, jobs, at } of published.values()) {
          if (jobs > 1) own.setAttribute('messaging.batch.message_count', jobs)
          own.end(at)
        }
      },
    }
  }

  function startRequest({ correlationId, method, traceparent }: RequestHead): Trace<AnsweredRequest> {
    const traceId = traceIdOf(correlationId)
    const caller = readTraceparent(traceparent)
    // A stranger's trace is linked to, not joined: who is asked from outside decides itself what its traces are.
    const isSame = caller !== undefined && caller.traceId === traceId
    const known = METHODS.has(method) ? method : '_OTHER'
    const span = start(
      known,
      {
        kind: SpanKind.SERVER,
        attributes: { 'http.request.method': known },
        links: caller === undefined || isSame ? [] : [caller],
      },
      isSame ? { parent: caller } : { traceId },
    )
    const jobs = watchQueue(span, correlationId)
    return {
      queued: jobs.queued,
      end({ operationId, status }) {
        if (QUIET.has(operationId)) return
        span.setAttribute('http.response.status_code', status)
        const row = operationId === undefined ? undefined : operations[operationId as OperationId]
        if (operationId !== undefined && row !== undefined) {
          span.updateName(operationId)
          span.setAttribute('http.route', row.path)
        }
        if (status >= 500) {
          span.setAttribute('error.type', String(status))
          span.setStatus({ code: SpanStatusCode.ERROR })
        }
        if (status < 400) jobs.close()
        span.end()
      },
    }
  }

  function startWork({ task, queue, correlationId, isScheduled, work }: TakenWork): Trace<{ error?: unknown }> {
    const traceId = traceIdOf(correlationId)
    const [first] = work
    const attributes = {
      ...messaging('process', queue),
      ...(work.length === 1
        ? { 'messaging.message.id': first.jobId, 'skeldir.job.attempt': first.number }
        : { 'messaging.batch.message_count': work.length }),
    }
    const others = work.slice(1, MAX_LINKS + 1).flatMap((other) => publisherOf(other.correlationId, task) ?? [])
    const parent = isScheduled ? undefined : publisherOf(correlationId, task)
    const span = start(task, { kind: SpanKind.CONSUMER, attributes, links: others }, { parent, traceId })
    const jobs = watchQueue(span, correlationId)
    return {
      queued: jobs.queued,
      end({ error }) {
        if (error === undefined) jobs.close()
        else {
          span.setAttribute('error.type', error instanceof Error ? error.name : '_OTHER')
          span.setStatus({ code: SpanStatusCode.ERROR })
        }
        span.end()
      },
    }
  }

  return {
    startRequest,
    startWork,
    async stop() {
      const last = provider.shutdown().catch(() => {})
      await Promise.race([last, sleep(LAST_MS, undefined, { ref: false })])
    },
  }
}

function publisherOf(correlationId: string | undefined, job: string): RemoteSpan | undefined {
  const traceId = correlationId === undefined ? undefined : traceIdOf(correlationId)
  return correlationId === undefined || traceId === undefined
    ? undefined
    : { traceId, spanId: publishIdOf(correlationId, job) }
}

function toContext({ traceId, spanId }: RemoteSpan) {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true }
}

/** https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ */
function messaging(operation: 'send' | 'process', queue: string) {
  return {
    'messaging.system': 'pg-boss',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': queue,
  }
}

/** The SDK keeps its failures to itself. The first of a row is told of, and that it is over. */
function telling(log: Logger, exporter: SpanExporter): SpanExporter {
  let isAway = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== 0
        if (failed && !isAway) log.warn({ error: result.error?.message }, 'traces cannot be sent, and are lost')
        if (!failed && isAway) log.info('traces can be sent again')
        isAway = failed
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    ...(exporter.forceFlush !== undefined && { forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve() }),
  }
}
