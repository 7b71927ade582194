import { type FailedResult, SkeldirProblem } from './errors.ts'

interface AnyResult extends FailedResult {
  readonly ok: boolean
  readonly data: unknown
}

/** The data of a successful result, for callers who would rather catch errors. Throws SkeldirProblem. */
export function unwrap<R extends AnyResult>(result: R): Extract<R, { ok: true }>['data'] {
  if (result.ok) return result.data
  throw new SkeldirProblem(result)
}
