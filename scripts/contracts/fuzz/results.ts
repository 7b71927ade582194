// Reads what Schemathesis reports of one role (events as NDJSON), and adds it up per operation.

import type { FuzzRole } from './roles.ts'

export interface Failure {
  role: FuzzRole
  operationId: string
  /** A check of Schemathesis, or `error` where it could not even try. */
  check: string
  title: string
  message: string
  /** Of how many calls failed alike; this is the first of them. */
  count: number
  status: number | null
  /** The beginning of the body that was answered. */
  answer: string | null
  curl: string | null
}

export interface OperationResult {
  operationId: string
  calls: number
  /** Calls of its own method that were answered 2xx or 3xx. */
  successes: number
  /** Calls by role. */
  roles: Partial<Record<FuzzRole, number>>
  /** Calls by status. */
  statuses: Record<string, number>
  failures: Failure[]
}

export interface RoleResult {
  role: FuzzRole
  operations: Map<string, OperationResult>
  isComplete: boolean
}

/** What is read of an event; Schemathesis writes more. */
interface Event {
  ScenarioFinished?: { phase: string; recorder: Recorder }
  NonFatalError?: { label: string; value: { type: string; message: string } }
  FatalError?: { exception: { type: string; message: string } }
  EngineFinished?: object
}

interface Recorder {
  label: string
  cases?: Record<string, { value: { method: string; path: string } }>
  checks?: Record<
    string,
    { name: string; status: string; failure_info?: { failure: { title: string; message: string } } }[]
  >
  interactions?: Record<string, Interaction>
}

interface Interaction {
  request: RecordedRequest
  response?: { status_code: number; content?: { $base64: string } }
}

export interface RecordedRequest {
  method: string
  uri: string
  headers: Record<string, string[]>
  body?: { $base64: string }
}

/** A role for which no answer of one operation is of use to another one. */
const NO_SEQUENCES = 'NoLinksFound'

/** `idOf` finds the operation of a label (`GET /x/{id}`); what belongs to none is counted under `(unknown)`. */
export async function readEvents(
  lines: AsyncIterable<string> | Iterable<string>,
  role: FuzzRole,
  idOf: (label: string) => string | undefined,
): Promise<RoleResult> {
  const result: RoleResult = { role, operations: new Map(), isComplete: false }
  for await (const line of lines) {
    if (line === '') continue
    const event = JSON.parse(line) as Event
    if (event.ScenarioFinished !== undefined) addScenario(result, event.ScenarioFinished.recorder, idOf)
    if (event.NonFatalError !== undefined && event.NonFatalError.value.type !== NO_SEQUENCES) {
      const { label, value } = event.NonFatalError
      addError(entryOf(result, idOf(label) ?? '(unknown)'), role, value)
    }
    if (event.FatalError !== undefined) addError(entryOf(result, '(unknown)'), role, event.FatalError.exception)
    if (event.EngineFinished !== undefined) result.isComplete = true
  }
  return result
}

function addScenario(result: RoleResult, recorder: Recorder, idOf: (label: string) => string | undefined): void {
  for (const [caseId, { value }] of Object.entries(recorder.cases ?? {})) {
    const interaction = recorder.interactions?.[caseId]
    if (interaction === undefined) continue
    const known = idOf(recorder.label)
    const entry = entryOf(result, known ?? idOf(`${value.method} ${value.path}`) ?? '(unknown)')
    const status = interaction.response?.status_code ?? null
    entry.calls += 1
    entry.roles[result.role] = (entry.roles[result.role] ?? 0) + 1
    const key = status === null ? 'none' : String(status)
    entry.statuses[key] = (entry.statuses[key] ?? 0) + 1
    const isOwnMethod = known === undefined || recorder.label.startsWith(`${value.method} `)
    if (isOwnMethod && status !== null && status >= 200 && status < 400) entry.successes += 1
    for (const { name, failure_info } of recorder.checks?.[caseId] ?? []) {
      if (failure_info === undefined) continue
      const { title, message } = failure_info.failure
      const curl = toCurl(interaction.request)
      addFailure(entry, {
        role: result.role,
        operationId: entry.operationId,
        check: name,
        title,
        message,
        count: 1,
        status,
        answer: toAnswer(interaction),
        curl,
      })
    }
  }
}

function addError(entry: OperationResult, role: FuzzRole, { type, message }: { type: string; message: string }): void {
  const { operationId } = entry
  addFailure(entry, {
    role,
    operationId,
    check: 'error',
    title: type,
    message,
    count: 1,
    status: null,
    answer: null,
    curl: null,
  })
}

/** One failure for each check, status and kind of fault: the hundredth wrong body says no more than the first. */
function addFailure(entry: OperationResult, failure: Failure): void {
  const known = entry.failures.find(
    ({ role, check, title, status }) =>
      role === failure.role && check === failure.check && title === failure.title && status === failure.status,
  )
  if (known === undefined) entry.failures.push(failure)
  else known.count += failure.count
}

function entryOf({ operations }: RoleResult, operationId: string): OperationResult {
  const known = operations.get(operationId)
  if (known !== undefined) return known
  const entry: OperationResult = { operationId, calls: 0, successes: 0, roles: {}, statuses: {}, failures: [] }
  operations.set(operationId, entry)
  return entry
}

/** Over all roles, by operationId. */
export function mergeRoles(roles: readonly RoleResult[]): OperationResult[] {
  const merged: RoleResult = { role: 'anonymous', operations: new Map(), isComplete: true }
  for (const { operations } of roles) {
    for (const one of operations.values()) {
      const all = entryOf(merged, one.operationId)
      all.calls += one.calls
      all.successes += one.successes
      all.failures.push(...one.failures)
      for (const [role, calls] of Object.entries(one.roles))
        all.roles[role as FuzzRole] = (all.roles[role as FuzzRole] ?? 0) + calls
      for (const [status, calls] of Object.entries(one.statuses))
        all.statuses[status] = (all.statuses[status] ?? 0) + calls
    }
  }
  return [...merged.operations.values()].sort((a, b) => (a.operationId < b.operationId ? -1 : 1))
}

/** A problem and a receipt fit in; a page of a list need not. */
const MAX_ANSWER = 400

function toAnswer({ response }: Interaction): string | null {
  if (response?.content === undefined) return null
  const text = Buffer.from(response.content.$base64, 'base64').toString('utf8')
  return text.length > MAX_ANSWER ? `${text.slice(0, MAX_ANSWER)} …` : text
}

const OWN_HEADERS = new Set([
  'user-agent',
  'accept-encoding',
  'connection',
  'content-length',
  'x-schemathesis-testcaseid',
])
/** A longer body would fill the screen; the seed makes it again. */
const MAX_CURL_BODY = 4_000

/** A command for a POSIX shell that sends the same bytes. */
export function toCurl({ method, uri, headers, body }: RecordedRequest): string {
  const parts = ['curl', '-i', '-X', method]
  for (const [name, values] of Object.entries(headers)) {
    if (OWN_HEADERS.has(name.toLowerCase())) continue
    // `-H 'X:'` would remove the header, `-H 'X;'` sends it empty.
    for (const value of values) parts.push('-H', quote(value === '' ? `${name};` : `${name}: ${value}`))
  }
  let input = ''
  if (body !== undefined) {
    const bytes = Buffer.from(body.$base64, 'base64')
    const text = bytes.toString('utf8')
    const isText = !text.includes('\0') && Buffer.from(text, 'utf8').equals(bytes)
    if (bytes.length > MAX_CURL_BODY) parts.push('--data-binary', quote(`<${bytes.length} bytes>`))
    else if (isText) parts.push('--data-raw', quote(text))
    else {
      input = `printf %s ${body.$base64} | base64 -d | `
      parts.push('--data-binary', '@-')
    }
  }
  return `${input}${[...parts, quote(uri)].join(' ')}`
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
