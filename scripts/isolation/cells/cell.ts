/** Whose rows a statement is about, or what stands in for a tenant in its transaction. */
export const CONTEXTS = ['none', 'own', 'other', 'empty', 'garbage'] as const
export type Context = (typeof CONTEXTS)[number]

/**
 * What may come of a statement; any of the named outcomes is as expected. Nothing named: any outcome, as long as no row
 * of another tenant is among the answers.
 */
export interface Expectation {
  /** Rows that are answered. */
  seen?: number
  /** Rows that are inserted, changed or deleted. */
  written?: number
  /** SQLSTATEs that the statement may fail with. */
  refused?: readonly string[]
}

/** One statement of one role in one context, and what is to come of it. */
export interface Cell {
  relation: string
  role: string
  context: Context
  operation: string
  /** The setting app.current_tenant_id; null: it was never set. */
  setting: string | null
  sql: string
  /** Lines for COPY FROM STDIN. */
  copyLines?: string
  /** Must fail in the very same words as `sql`: the difference would tell whether something exists. */
  twin?: string
  expect: Expectation
  /** False: the role has no privilege for it, whatever the policies say. */
  isGranted: boolean
  /** Of a call outside of a tenant: it may write nothing at all. */
  isReadOnly?: boolean
  /** True: the role reads every tenant's rows, by a reviewed look-up. */
  seesAll: boolean
}

export type Outcome =
  | { ok: true; rows: readonly (readonly (string | null)[])[]; count: number }
  | { ok: false; code: string; text: string }

export interface Verdict {
  kind: 'ok' | 'leak' | 'difference'
  detail: string
}

const OK: Verdict = { kind: 'ok', detail: '' }

/**
 * Holds what happened against what was expected. A leak: a row of another tenant, or that it exists, is seen or changed.
 * A difference: anything else that is not as expected, such as own rows that are missing.
 */
export function judge(cell: Cell, outcome: Outcome, twin: Outcome | null, markers: readonly string[]): Verdict {
  const shown = findMarker(cell, outcome, markers)
  if (shown !== undefined) return { kind: 'leak', detail: `shows ${shown} of another tenant` }
  if (twin !== null && !isSameFailure(outcome, twin))
    return { kind: 'leak', detail: `tells what exists: ${describe(outcome)}; otherwise ${describe(twin)}` }
  if (isExpected(cell.expect, outcome)) return OK
  const detail = `${describe(outcome)}, expected ${describeExpectation(cell.expect)}`
  return { kind: isLeak(cell, outcome) ? 'leak' : 'difference', detail }
}

function findMarker(cell: Cell, outcome: Outcome, markers: readonly string[]): string | undefined {
  if (cell.seesAll) return undefined
  const text = outcome.ok ? outcome.rows.map((row) => row.join('\n')).join('\n') : outcome.text
  return markers.find((marker) => text.includes(marker) && (outcome.ok || !cell.sql.includes(marker)))
}

function isSameFailure(outcome: Outcome, twin: Outcome): boolean {
  return !outcome.ok && !twin.ok && outcome.code === twin.code && outcome.text === twin.text
}

function isExpected({ seen, written, refused }: Expectation, outcome: Outcome): boolean {
  if (seen === undefined && written === undefined && refused === undefined) return true
  if (!outcome.ok) return refused?.includes(outcome.code) === true
  return (seen !== undefined && outcome.rows.length === seen) || (written !== undefined && outcome.count === written)
}

function isLeak({ expect, context, operation }: Cell, outcome: Outcome): boolean {
  if (operation.startsWith('oracle')) return true
  if (!outcome.ok) return false
  const most = Math.max(expect.seen ?? -1, expect.written ?? -1)
  if (most < 0) return context !== 'own' || outcome.count > 0 || outcome.rows.length > 0
  return outcome.rows.length > most || outcome.count > most
}

function describe(outcome: Outcome): string {
  if (!outcome.ok) return `${outcome.code} ${outcome.text.split('\n')[0]}`
  return `${outcome.rows.length} rows seen, ${outcome.count} counted`
}

function describeExpectation({ seen, written, refused }: Expectation): string {
  const parts = [
    seen === undefined ? [] : [`${seen} rows seen`],
    written === undefined ? [] : [`${written} rows written`],
    refused === undefined ? [] : [refused.join(' or ')],
  ]
  return parts.flat().join(' or ') || 'anything'
}
