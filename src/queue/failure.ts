import { isConstraintError, sqlState } from '../db/errors.ts'
import { stripText } from '../strip.ts'

export type FailureClass = 'validation' | 'database' | 'external' | 'timeout' | 'worker_lost' | 'rejected' | 'internal'

export interface Failure {
  class: FailureClass
  /** At most 500 characters, without secrets and personal data. */
  message: string
  /** Where it came from, at most MAX_TRACEBACK characters; null where there is nothing to tell. */
  traceback: string | null
}

const MAX_MESSAGE = 500
const MAX_TRACEBACK = 4_000
const MAX_ARGUMENTS = 16_384

/** The job took longer than it may. */
export class JobTimeout extends Error {
  override name = 'JobTimeout'
}

/** The job is another worker's by now, or nobody's: this one was silent for too long, or is ended. */
export class JobLost extends Error {
  override name = 'JobLost'
}

/** Whoever asked for the job may not ask for it any more. */
export class JobRejected extends Error {
  override name = 'JobRejected'
}

/** No such task, or arguments that it cannot be given: to try again is in vain. */
export class JobRefused extends Error {
  override name = 'JobRefused'
}

/** By name: the queue knows no feature. */
const EXTERNAL = new Set(['PollError', 'PrivateAddressError', 'OutboundError', 'AI_APICallError'])
const VALIDATION = new Set(['JobRefused', 'MoneyError', 'JsonError', 'MapFault', 'CellError', 'ZodError'])
const NETWORK = /^(ECONN|ENOTFOUND|EAI_|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR)/
/** What node-postgres says of a connection that is gone or not to be had; it has no code. */
const LOST_DATABASE = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/

export function classify(error: unknown): FailureClass {
  if (!(error instanceof Error)) return 'internal'
  if (error instanceof JobTimeout) return 'timeout'
  if (error instanceof JobRejected) return 'rejected'
  if (error instanceof JobLost) return 'worker_lost'
  if (VALIDATION.has(error.name)) return 'validation'
  if (EXTERNAL.has(error.name)) return 'external'
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'timeout'
  if (isConstraintError(error)) return 'validation'
  const code = (error as NodeJS.ErrnoException).code
  if (sqlState(error) !== undefined || error.name === 'TransactionLost' || LOST_DATABASE.test(error.message))
    return 'database'
  if (typeof code === 'string' && NETWORK.test(code)) return 'external'
  return error.cause === undefined ? 'internal' : classify(error.cause)
}

export function describeFailure(error: unknown): Failure {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  const said = cut(redactText(message), MAX_MESSAGE)
  // The first lines of a stack are the message once more.
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  const traceback = cut(redactText(frames.join('\n')), MAX_TRACEBACK)
  return { class: classify(error), message: said || 'There is no message.', traceback: traceback || null }
}

/** Of a job that another process failed: what pg-boss left behind. */
export function describeOutput(output: unknown): Failure {
  const left = (output ?? {}) as Record<string, unknown>
  const kept = left as Partial<Record<'error' | 'class' | 'traceback', unknown>>
  // pg-boss wraps what is no object.
  const { value } = left
  const wrapped = typeof value === 'object' ? (value as { message?: unknown } | null)?.message : value
  const message = [kept.error, wrapped, left.message].find(
    (text): text is string => typeof text === 'string' && text !== '',
  )
  if (message === undefined) return { class: 'internal', message: 'The job failed without a word.', traceback: null }
  if (/heartbeat timeout/.test(message))
    return { class: 'worker_lost', message: 'The worker that ran the job is gone.', traceback: null }
  if (/job timed out|handler execution exceeded|^job failed by timeout/.test(message))
    return { class: 'timeout', message: 'The job ran longer than it may.', traceback: null }
  if (/pg-boss shut down/.test(message))
    return { class: 'worker_lost', message: 'The worker stopped before the job was done.', traceback: null }
  return {
    class: isFailureClass(kept.class) ? kept.class : 'internal',
    message: cut(redactText(message), MAX_MESSAGE),
    traceback: typeof kept.traceback === 'string' ? cut(kept.traceback, MAX_TRACEBACK) : null,
  }
}

const CLASSES: ReadonlySet<unknown> = new Set<FailureClass>([
  'validation',
  'database',
  'external',
  'timeout',
  'worker_lost',
  'rejected',
  'internal',
])

function isFailureClass(text: unknown): text is FailureClass {
  return CLASSES.has(text)
}

/** As it stands with the job in the queue. */
export function toOutput({ class: failureClass, message, traceback }: Failure): object {
  return { error: message, class: failureClass, ...(traceback !== null && { traceback }) }
}

/** At most so much of it; half of a character is none, and the database would refuse it. */
function cut(text: string, max: number): string {
  return text.slice(0, max).toWellFormed()
}

const HIDDEN = '[removed]'
/** Of ours; not where a name says that it is the value of something. */
const IDS = /(?<![=:]["' ]{0,2})\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/gi

/** Without what may name a person or open a door. Jobs carry neither: this is the second line. */
export function redactText(text: string): string {
  const parts = cut(text.replaceAll('\u0000', ''), MAX_TRACEBACK).split(IDS)
  // Every other one is an id, and some of them look like numbers of cards.
  return parts.map((part, n) => (n % 2 === 0 ? stripText(part) : part)).join('')
}

const SECRET_NAME = /password|secret|token|credential|authorization|api_?key|email|phone|address/i

/** What is kept of a job's arguments, and whether it is all of them: only then can it be run again. */
export function redactArguments(args: Record<string, string>): {
  arguments: Record<string, string>
  isRedacted: boolean
} {
  let isRedacted = false
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(args)) {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    kept[name] = SECRET_NAME.test(name) ? HIDDEN : isId(text) ? text : redactText(text)
    if (kept[name] !== value) isRedacted = true
  }
  if (JSON.stringify(kept).length <= MAX_ARGUMENTS - 1_024) return { arguments: kept, isRedacted }
  return { arguments: { note: 'The arguments are too long to be kept.' }, isRedacted: true }
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
/** A key of an order, as the ledger has it: `<vendor>:<what the vendor calls it>`; no secret. */
const KEY = /^[a-z]{1,32}:(?!sk_|rk_|whsec_|shp|skd_)[A-Za-z0-9_-]{1,128}$/

/** Ids, and keys of orders with blanks between: they look like numbers of cards and telephones now and then. */
function isId(text: string): boolean {
  return ID.test(text) || text.split(' ').every((key) => KEY.test(key))
}
