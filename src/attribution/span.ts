import { ProblemError } from '../problem/problem.ts'

const DAY_MS = 86_400_000

/** Throws `validation_failed` for a span of UTC days, both included, that is none or too long. */
export function requireSpan({ from, to }: { from: string; to: string }, maxDays: number, at: string): void {
  const days = (Date.parse(to) - Date.parse(from)) / DAY_MS + 1
  // A start that was not given lies up to 29 days before the end, and before the year 1 there are no dates (RFC 3339).
  const isDate = from >= '0001-01-01'
  if (days >= 1 && days <= maxDays && isDate) return
  const tooLong = isDate
    ? `At most ${maxDays} days can be asked for, these are ${days}.`
    : 'It begins before the year 1.'
  const detail = days < 1 ? 'end_date is before start_date.' : tooLong
  throw new ProblemError('validation_failed', 'The span of days is not valid.', {
    errors: [{ pointer: `${at}/end_date`, code: 'span', detail }],
  })
}
