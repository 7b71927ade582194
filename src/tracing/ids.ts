import { hash } from 'node:crypto'

/** A span of somebody else, as W3C Trace Context names it: 32 and 16 hexadecimal digits. */
export interface RemoteSpan {
  traceId: string
  spanId: string
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?$/
const NOTHING = /^0+$/

/**
 * The trace of a request and of all jobs that follow from it: its correlation id without dashes, so that the id in a log
 * line finds the trace, and a job needs to carry nothing more. Undefined where that is no id of a trace.
 */
export function traceIdOf(correlationId: string): string | undefined {
  const traceId = correlationId.replaceAll('-', '').toLowerCase()
  return /^[0-9a-f]{32}$/.test(traceId) && !NOTHING.test(traceId) ? traceId : undefined
}

/** Of the span that queues jobs of a name: known to whoever has the correlation id, and so to whoever runs the job. */
export function publishIdOf(correlationId: string, job: string): string {
  const id = hash('sha256', `${correlationId.toLowerCase()} ${job}`).slice(0, 16)
  return NOTHING.test(id) ? '0000000000000001' : id
}

/** What the header `traceparent` says; undefined where it says nothing (https://www.w3.org/TR/trace-context/#traceparent-header). */
export function readTraceparent(header: unknown): RemoteSpan | undefined {
  const [, traceId, spanId] = typeof header === 'string' ? (TRACEPARENT.exec(header) ?? []) : []
  if (traceId === undefined || spanId === undefined || NOTHING.test(traceId) || NOTHING.test(spanId)) return undefined
  return { traceId, spanId }
}
