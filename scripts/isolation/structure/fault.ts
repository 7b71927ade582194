import * as reviewed from '../exceptions.ts'

/** Something in the catalogue that the rules of isolation do not allow. */
export interface Fault {
  /** Short and stable: `force`, `unique-key`, ... */
  rule: string
  /** What it is about: a relation, a function, a role. */
  object: string
  detail: string
}

export interface Exceptions {
  OUTSIDE: Record<string, reviewed.TableException>
  LOOKUPS: Record<string, string>
  DEFINERS: Record<string, reviewed.DefinerException>
  SWITCHERS: Record<string, string>
  VIEWS: Record<string, string>
  DEFAULT_PRIVILEGES: Record<string, string>
  CREATORS: Record<string, string>
}

export const REVIEWED: Exceptions = reviewed

/** Collects faults, so that each rule reads as one line. */
export function collectFaults(object: string): {
  faults: Fault[]
  expect: (isSo: boolean, rule: string, detail: string) => void
} {
  const faults: Fault[] = []
  return {
    faults,
    expect: (isSo, rule, detail) => {
      if (!isSo) faults.push({ rule, object, detail })
    },
  }
}

export function sameSet(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && [...left].sort().join() === [...right].sort().join()
}
