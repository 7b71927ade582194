// Shows that the fuzzer can fail: against an API whose answers are spoiled in two places, it has to find both.

import { fileURLToPath } from 'node:url'
import type { Outcome } from './report.ts'
import { runSession, type SessionOptions } from './session.ts'

/** What prove-server.ts spoils, the check that has to find it, and an operation beside them that is left alone. */
export const PLANTED = [
  { operationId: 'getLiveness', check: 'status_code_conformance', what: 'an undocumented status' },
  { operationId: 'verifyToken', check: 'response_schema_conformance', what: 'a body that violates its schema' },
] as const
const CONTROL = 'getReadiness'

export interface Proof {
  outcome: Outcome
  planted: { operationId: string; check: string; what: string; found: boolean }[]
  /** Failures that nobody planted. */
  others: string[]
}

export async function prove({ say, signal, seed }: Pick<SessionOptions, 'say' | 'signal' | 'seed'>): Promise<Proof> {
  const outcome = await runSession({
    mode: 'smoke',
    seed,
    roles: ['anonymous', 'viewer'],
    operationIds: [...PLANTED.map(({ operationId }) => operationId), CONTROL],
    maxExamples: 3,
    api: [fileURLToPath(new URL('prove-server.ts', import.meta.url))],
    say,
    signal,
  })
  return { outcome, ...judge(outcome) }
}

export function judge({ operations }: Pick<Outcome, 'operations'>): Omit<Proof, 'outcome'> {
  const found = new Set(
    operations.flatMap(({ failures }) => failures.map(({ operationId, check }) => `${operationId} ${check}`)),
  )
  const planted = PLANTED.map((one) => ({ ...one, found: found.has(`${one.operationId} ${one.check}`) }))
  const expected = new Set<string>(PLANTED.map(({ operationId, check }) => `${operationId} ${check}`))
  return { planted, others: [...found].filter((one) => !expected.has(one)) }
}
