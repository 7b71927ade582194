import type { Estimate } from './interval.ts'

/** A to C: the interval is narrow enough and enough people stand behind it. D: too few. */
export type Grade = 'A' | 'B' | 'C' | 'D'

const GRADES: readonly { grade: Grade; maxHalfWidth: number; minUnits: number }[] = [
  { grade: 'A', maxHalfWidth: 0.05, minUnits: 100 },
  { grade: 'B', maxHalfWidth: 0.15, minUnits: 30 },
  { grade: 'C', maxHalfWidth: 0.4, minUnits: 10 },
]

/** With less of the revenue than this on an identified touch no grade is above C. */
export const MIN_COVERAGE = 0.6

/**
 * The grade of a channel's figure. `convertingUnits` are the distinct converting identities; `coverage` is the share of
 * revenue that has an identified touch, null where there is no revenue.
 */
export function gradeOf(
  { point, low, high }: Pick<Estimate, 'point' | 'low' | 'high'>,
  convertingUnits: number,
  coverage: number | null,
): Grade {
  const halfWidth = (high - low) / 2 / point
  const earned =
    GRADES.find(({ maxHalfWidth, minUnits }) => halfWidth <= maxHalfWidth && convertingUnits >= minUnits)?.grade ?? 'D'
  const isCapped = coverage === null || coverage < MIN_COVERAGE
  return isCapped && earned < 'C' ? 'C' : earned
}
