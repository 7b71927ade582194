// Where a check must expect less than it does, for which operation, and why: narrowed.json.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ToolError } from '../finding.ts'

/** Of Schemathesis; `use_after_free` and `ensure_resource_availability` look at sequences of calls. */
export const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'positive_data_acceptance',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'use_after_free',
  'ensure_resource_availability',
  'ignored_auth',
] as const
export type CheckName = (typeof CHECKS)[number]

/** The checks that judge one answer alone; only they can be narrowed to an answer instead of being switched off. */
const ANSWER_CHECKS: readonly CheckName[] = ['negative_data_rejection', 'positive_data_acceptance', 'ignored_auth']

export interface Narrowed {
  /** One, several of which the same holds, or `*` for all. */
  operationId: string | string[]
  check: CheckName
  reason: string
  /**
   * The answer that is fine in spite of the check: its status, and either all codes of its `errors` or its `result`;
   * with `location`, only where nothing else of the request was invalid; with `faults`, only for what Schemathesis calls
   * so; with `mediaType`, only for such bodies. Without `when` the check is off for the operation.
   */
  when?: {
    status: number
    codes?: string[]
    result?: string[]
    location?: 'header'
    faults?: string[]
    mediaType?: string
  }
}

const FILE = fileURLToPath(new URL('narrowed.json', import.meta.url))

/** Throws ToolError for entries that mean nothing: an unknown operation or check, or no reason. */
export function readNarrowed(operationIds: ReadonlySet<string>, file = FILE): Narrowed[] {
  const entries = JSON.parse(readFileSync(file, 'utf8')) as Narrowed[]
  const faults = entries.flatMap((entry, index) =>
    findFaults(entry, operationIds).map((fault) => `entry ${index}: ${fault}`),
  )
  if (faults.length > 0) throw new ToolError(`narrowed.json: ${faults.join('; ')}`)
  return entries
}

/** Whether the entry is about the operation. */
export function isAbout({ operationId }: Pick<Narrowed, 'operationId'>, id: string): boolean {
  return operationId === '*' || idsOf(operationId).includes(id)
}

function idsOf(operationId: string | string[]): string[] {
  return typeof operationId === 'string' ? [operationId] : operationId
}

function findFaults({ operationId, check, reason, when }: Narrowed, operationIds: ReadonlySet<string>): string[] {
  const faults: string[] = []
  const named = operationId === '*' ? [] : idsOf(operationId)
  for (const id of named) if (!operationIds.has(id)) faults.push(`there is no operation ${id}`)
  if (new Set(named).size < named.length) faults.push('an operation is named twice')
  if (operationId !== '*' && named.length === 0) faults.push('it names no operation')
  if (!CHECKS.includes(check)) faults.push(`there is no check ${check}`)
  if (typeof reason !== 'string' || reason.length < 20) faults.push('it needs a reason')
  if (when === undefined && operationId === '*') faults.push('a check cannot be off for all operations')
  if (when !== undefined && !ANSWER_CHECKS.includes(check)) faults.push(`${check} is on or off, it has no "when"`)
  if (when !== undefined && (when.codes === undefined) === (when.result === undefined))
    faults.push('"when" needs codes or result')
  return faults
}
