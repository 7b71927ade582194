import { type DestinationStream, type Logger, pino } from 'pino'
import type { LogLevel } from './config.ts'
import { redact } from './redact.ts'

/**
 * What a line may have beside its level, time, text and the process. Whatever else is given is left out, and its name put
 * into `dropped`: nothing of a request or a job comes into a log because somebody logged an object whole.
 * `test/security/log-fields.test.ts` holds every call against this list.
 */
export const LOG_FIELDS: ReadonlySet<string> = new Set([
  'err',
  'error',
  'reason',
  'warning',
  'fault',
  'errors',
  'code',
  'status',
  'class',
  'operationId',
  'correlationId',
  // Our own id of what it is about: of a stored delivery, a dead event, a replay, a recompute.
  'businessId',
  'traceId',
  'tenantId',
  'tenant',
  'job',
  'jobs',
  'jobId',
  'queue',
  'attempt',
  'eventId',
  'deadEventId',
  'endpointId',
  'vendor',
  'item',
  // Of figures: its days, zone and currency.
  'window',
  'maxTouches',
  'result',
  'removed',
  'returned',
  'abandoned',
  'policy',
  'check',
  'checks',
  'channel',
  'pool',
  'alert',
  // Of the alert itself.
  'endpoint_id',
  'silent_since',
  'limit_seconds',
  'view',
  'durationMs',
  'memoryBytes',
])

/** Of an error. Those of pg carry the whole client, with the secret key of its session, and whole rows in `detail`. */
const ERROR_FIELDS = ['name', 'message', 'code', 'stack', 'cause'] as const

/** Of any other object: of problems, of Ajv's findings, and of what pg-boss warns of. */
const INNER_FIELDS = ['name', 'message', 'code', 'pointer', 'detail', 'instancePath', 'schemaPath', 'keyword'] as const

const MAX_TEXT = 8_000
const MAX_ITEMS = 50
const MAX_DEPTH = 5

/** JSON, a line each, to standard output or `destination`. */
export function createLog({ name, level }: { name: string; level: LogLevel }, destination?: DestinationStream): Logger {
  const options = {
    name,
    level,
    formatters: { log: keepFields },
    // An error is reduced with all else; pino's own way would put the messages of its causes together.
    serializers: { err: (error: unknown) => error },
    hooks: {
      logMethod(args: unknown[], method: (...rest: never[]) => void) {
        const [first, ...rest] = args.map((arg, index) =>
          index === 0 && typeof arg === 'object' ? arg : reduce(arg, 0),
        )
        const [text = messageOf(first), ...values] = rest
        method.apply(this as never, (text === undefined ? [first] : [first, text, ...values]) as never[])
      },
    },
  }
  const log = destination === undefined ? pino(options) : pino(options, destination)
  // Children inherit it. What a child adds, pino writes as it is.
  const { child } = log
  log.child = function childOf(this: Logger, bindings: Record<string, unknown>, ...rest: unknown[]) {
    return child.apply(this, [keepFields(bindings), ...rest] as unknown as Parameters<typeof child>)
  } as typeof child
  const { setBindings } = log
  log.setBindings = function bind(this: Logger, bindings: Record<string, unknown>) {
    setBindings.call(this, keepFields(bindings))
  }
  return log
}

/** What pino takes as the text, as it is, where none is given: the message of the error. */
function messageOf(fields: unknown): string | undefined {
  if (typeof fields !== 'object' || fields === null) return undefined
  const error = fields instanceof Error ? fields : (fields as { err?: unknown }).err
  const message = (error as { message?: unknown } | null | undefined)?.message
  return message === undefined ? undefined : clean(String(message))
}

function keepFields(fields: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  const dropped: string[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (LOG_FIELDS.has(name)) kept[name] = reduce(value, 0)
    else if (value !== undefined) dropped.push(name)
  }
  return dropped.length === 0 ? kept : { ...kept, dropped }
}

/** Text without secrets and addresses; of objects only the named fields. */
function reduce(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return clean(value)
  if (value instanceof Date || typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => reduce(item, depth + 1))
  const inner: Record<string, unknown> = {}
  for (const name of value instanceof Error ? ERROR_FIELDS : INNER_FIELDS) {
    const own = (value as Record<string, unknown>)[name]
    if (own !== undefined && typeof own !== 'function') inner[name] = reduce(own, depth + 1)
  }
  return inner
}

/** What most lines carry, and each request gives to its child: to look through it costs more than the child itself. */
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function clean(text: string): string {
  if (ID.test(text)) return text
  return redact(text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`)
}
