// What is tried as whom: every operation in full by the least role that may call it, and in short by the others.

import type { OperationRow } from '../../../generated/operations.ts'
import { type Access, accessOf, type FuzzRole, homeOf, type OutOfReach } from './roles.ts'

export type Mode = 'smoke' | 'full'

/** One operation as one role. Its examples are always tried. */
export interface Trial {
  operationId: string
  access: Access
  /** Boundary cases, valid and invalid: how many of each kind, such as a string that is too long. 0 for none. */
  boundaries: number
  /** Random cases, valid and invalid. 0 for none. */
  fuzzing: number
}

export interface Plan {
  role: FuzzRole
  trials: Trial[]
  /** Sequences of calls that use what earlier ones answered. 0 for none. */
  sequences: number
}

export interface PlanOptions {
  operations: Readonly<Record<string, OperationRow>>
  roles: readonly FuzzRole[]
  mode: Mode
  /** Random cases of an operation in full. Default by mode. */
  maxExamples?: number
  outOfReach?: OutOfReach
}

/**
 * By kind. A vendor's event has thousands of boundaries, and what does not fit is answered alike: a dead event. Where a
 * role is refused, everything is answered alike.
 */
const BOUNDARIES: Record<Mode, Record<'ours' | 'vendors' | 'others' | 'refused', number>> = {
  smoke: { ours: 20, vendors: 4, others: 0, refused: 0 },
  full: { ours: 1_000, vendors: 60, others: 20, refused: 2 },
}

/** Random cases of an operation in full, and of all together: what keeps a run of 100 operations within its time. */
const EXAMPLES: Record<Mode, { each: number; together: number }> = {
  smoke: { each: 15, together: 600 },
  full: { each: 300, together: 10_000 },
}

/** Roles that have nothing to try are left out. */
export function planRoles(options: PlanOptions): Plan[] {
  const { operations, roles, mode, outOfReach } = options
  const { maxExamples = examplesFor(Object.keys(operations).length, mode) } = options
  return roles
    .map((role): Plan => {
      const trials = Object.entries(operations).flatMap(([operationId, row]) => {
        const trial = planTrial(role, row, { mode, maxExamples, outOfReach })
        return trial === null ? [] : [{ operationId, ...trial }]
      })
      return { role, trials, sequences: hasSequences(role, trials, operations) ? Math.ceil(maxExamples / 5) : 0 }
    })
    .filter(({ trials }) => trials.length > 0)
}

function examplesFor(operations: number, mode: Mode): number {
  const { each, together } = EXAMPLES[mode]
  return Math.max(3, Math.min(each, Math.floor(together / Math.max(1, operations))))
}

/** What only reads makes nothing that a later call could use; without credentials nothing is made at all. */
function hasSequences(role: FuzzRole, trials: readonly Trial[], operations: PlanOptions['operations']): boolean {
  if (role === 'anonymous' || role === 'vendor') return false
  return trials.some(({ operationId, access, boundaries }) => {
    return access === 'allowed' && boundaries > 0 && operations[operationId]?.method !== 'get'
  })
}

function planTrial(
  role: FuzzRole,
  row: OperationRow,
  { mode, maxExamples, outOfReach }: { mode: Mode; maxExamples: number; outOfReach: OutOfReach | undefined },
): Omit<Trial, 'operationId'> | null {
  const access = accessOf(role, row, outOfReach)
  const limits = BOUNDARIES[mode]
  if (role === homeOf(row, outOfReach)) {
    return { access, boundaries: row.acceptsAnyMediaType ? limits.vendors : limits.ours, fuzzing: maxExamples }
  }
  const some = Math.ceil(maxExamples / 5)
  if (access === 'allowed') {
    // A public operation answers everybody alike: credentials are not looked at.
    return row.security.length === 0 ? null : { access, boundaries: limits.others, fuzzing: some }
  }
  // Credentials are nothing to an operation that does not take them: that is the anonymous case again.
  if (access === 'refused401' && role !== 'anonymous') {
    return mode === 'smoke' ? null : { access, boundaries: 0, fuzzing: 0 }
  }
  return { access, boundaries: limits.refused, fuzzing: some }
}
