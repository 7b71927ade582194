/** What two servers may disagree about. */
export type Matter =
  | 'witness' // no test has produced this answer on the real server
  | 'status' // another status, or one that is not documented
  | 'media_type'
  | 'header' // missing, not documented, or another value than the contract allows
  | 'body' // missing, surplus or differently typed parts
  | 'problem' // a code that this answer does not document
  | 'natural' // the same request gets another answer from the mock

export interface Disagreement {
  matter: Matter
  /** Name of the header, JSON pointer into the body, or ''. */
  at: string
  /** One sentence; says which side is meant. */
  message: string
}

export type Side = 'real' | 'mock'

export function nameOfSide(side: Side): string {
  return side === 'real' ? 'the real server' : 'the mock'
}

/** Once each, in the order found. */
export function unique(disagreements: readonly Disagreement[]): Disagreement[] {
  return [...new Map(disagreements.map((one) => [JSON.stringify(one), one])).values()]
}
