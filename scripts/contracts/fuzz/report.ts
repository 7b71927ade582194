// The outcome of a run, for people, for programs, and as JUnit.

import type { Narrowed } from './narrowed.ts'
import type { Mode } from './plan.ts'
import type { Failure, OperationResult } from './results.ts'
import { ROLES } from './roles.ts'

export interface Outcome {
  mode: Mode
  seed: number
  url: string
  runner: { name: string; schemathesis: string }
  operations: readonly OperationResult[]
  /** Operations that answer 501 until they are built. */
  skipped: readonly string[]
  /** Operations that no role of this run can satisfy: it has nobody's key to sign with. */
  outOfReach: readonly string[]
  narrowed: readonly (Narrowed & { hits: number })[]
  /** What the platform's processes have logged at level error. */
  serverErrors: readonly string[]
  tookMs: number
}

export function countFailures({ operations, serverErrors }: Outcome): number {
  return operations.reduce((sum, { failures }) => sum + failures.length, 0) + (serverErrors.length > 0 ? 1 : 0)
}

/** Operations that were only ever refused: nothing is known of what they do with what is right. */
export function listUnsuccessful({ operations }: Pick<Outcome, 'operations'>): string[] {
  return operations.filter(({ calls, successes }) => calls > 0 && successes === 0).map(({ operationId }) => operationId)
}

export function toJson(outcome: Outcome): object {
  const { mode, seed, url, runner, operations, skipped, outOfReach, narrowed, serverErrors, tookMs } = outcome
  return {
    ok: countFailures(outcome) === 0,
    mode,
    seed,
    url,
    runner,
    totals: {
      operations: operations.length,
      calls: operations.reduce((sum, { calls }) => sum + calls, 0),
      failures: countFailures(outcome),
    },
    operations: operations.map(({ operationId, calls, successes, roles, statuses, failures }) => ({
      operation_id: operationId,
      calls,
      successes,
      roles,
      statuses,
      failures: failures.map(({ operationId: _, ...failure }) => failure),
    })),
    skipped,
    never_succeeded: listUnsuccessful(outcome),
    out_of_reach: outOfReach,
    narrowed: { count: narrowed.length, entries: narrowed },
    server_errors: serverErrors,
    duration_ms: Math.round(tookMs),
  }
}

export function toText(outcome: Outcome): string {
  const { operations, skipped, outOfReach, narrowed, serverErrors, tookMs } = outcome
  const rows = operations.map(({ operationId, calls, successes, failures, roles, statuses }) => [
    operationId,
    String(calls),
    String(successes),
    String(failures.length),
    ROLES.filter((role) => roles[role] !== undefined).join(' '),
    Object.entries(statuses)
      .map(([status, count]) => `${status} × ${count}`)
      .join(', '),
  ])
  const total = operations.reduce((sum, { calls }) => sum + calls, 0)
  const failures = countFailures(outcome)
  const table = toTable([['operation', 'calls', 'successes', 'failures', 'roles', 'statuses'], ...rows])
  const parts = [
    table,
    ...list('No call succeeded', listUnsuccessful(outcome)),
    ...list('No role can call with success, since this run has no key that PayPal signs with', outOfReach),
    describeNarrowed(narrowed),
    // Last, where somebody who sees only the end of a log finds them.
    ...operations.flatMap((operation) => operation.failures.map(describe)),
    ...(serverErrors.length > 0
      ? [`The platform logged ${serverErrors.length} errors:\n${serverErrors.slice(0, 5).join('\n')}\n`]
      : []),
    `${operations.length} operations, ${total} calls, ${failures} ${failures === 1 ? 'failure' : 'failures'}, ${narrowed.length} narrowed checks, ${skipped.length} operations not implemented yet, ${(tookMs / 1000).toFixed(1)} s\n`,
  ]
  return parts.join('\n')
}

function list(title: string, operationIds: readonly string[]): string[] {
  return operationIds.length === 0 ? [] : [`${title}: ${operationIds.join(', ')}\n`]
}

function toTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const isNumber = (column: number) => column >= 1 && column <= 3
  return rows
    .map((row) => {
      const cells = row.map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      return `${cells.join('  ').trimEnd()}\n`
    })
    .join('')
}

function describe({ operationId, role, check, title, message, count, status, answer, curl }: Failure): string {
  const times = count === 1 ? '' : ` (${count} times)`
  const answered = status === null ? '' : `, answered ${status}`
  const body = answer === null ? '' : `\n  answer: ${answer}`
  const command = curl === null ? '' : `\n  ${curl}`
  return `✗ ${operationId} as ${role}: ${check}${answered}${times}\n  ${title}: ${message.replaceAll('\n', '\n  ')}${body}${command}\n`
}

function describeNarrowed(narrowed: Outcome['narrowed']): string {
  const lines = narrowed.map(({ operationId, check, when, hits, reason }) => {
    const only = when?.faults === undefined ? '' : ` for ${when.faults.map((fault) => `"${fault}"`).join(', ')}`
    const what =
      when === undefined ? 'off' : `takes ${when.status} ${(when.codes ?? when.result ?? []).join(', ')}${only}`
    const where = typeof operationId === 'string' ? operationId : operationId.join(', ')
    return `  ${where} ${check}: ${what}${when === undefined ? '' : `, ${hits} times`}\n    ${reason}\n`
  })
  return `${narrowed.length} narrowed checks (scripts/contracts/fuzz/narrowed.json)\n${lines.join('')}`
}

/** One suite for each role, one case for each operation in it. */
export function toJunit({ operations, tookMs, serverErrors }: Outcome): string {
  const suites = ROLES.flatMap((role) => {
    const own = operations.filter(
      ({ roles, failures }) => roles[role] !== undefined || failures.some((failure) => failure.role === role),
    )
    if (own.length === 0) return []
    const cases = own.map((operation) =>
      toCase(
        role,
        operation.operationId,
        operation.failures.filter((failure) => failure.role === role),
      ),
    )
    const failed = own.filter(({ failures }) => failures.some((failure) => failure.role === role)).length
    return [
      `  <testsuite name="contracts:fuzz as ${role}" tests="${own.length}" failures="${failed}" errors="0">\n${cases.join('')}  </testsuite>\n`,
    ]
  })
  if (serverErrors.length > 0) {
    const text = escapeXml(serverErrors.join('\n'))
    suites.push(
      `  <testsuite name="contracts:fuzz, log of the platform" tests="1" failures="1" errors="0">\n    <testcase classname="platform" name="errors logged"><failure message="${serverErrors.length} errors logged">${text}</failure></testcase>\n  </testsuite>\n`,
    )
  }
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="contracts:fuzz" time="${(tookMs / 1000).toFixed(3)}">\n${suites.join('')}</testsuites>\n`
}

function toCase(role: string, operationId: string, failures: readonly Failure[]): string {
  const open = `    <testcase classname="${escapeXml(role)}" name="${escapeXml(operationId)}"`
  if (failures.length === 0) return `${open}/>\n`
  const inner = failures.map(({ check, title, message, curl }) => {
    return `      <failure type="${escapeXml(check)}" message="${escapeXml(title)}">${escapeXml(`${message}\n\n${curl ?? ''}`)}</failure>\n`
  })
  return `${open}>\n${inner.join('')}    </testcase>\n`
}

/** XML 1.0 has no way to write most control characters, not even escaped. */
function escapeXml(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go
      .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll('\n', '&#10;')
  )
}
