import { type OperationRow, operations } from '../../../generated/operations.ts'
import type { ContractDocument } from './contract.ts'
import { judge, tellRequest, type Verdict } from './natural.ts'
import { fromWitness, listCredentialHeaders, send } from './request.ts'
import type { Witness, WitnessReply } from './witness.ts'

export interface NaturalResult {
  witness: Witness
  /** Null where the request could not be sent again, or was not answered. */
  mock: WitnessReply | null
  verdict: Verdict
}

/** Different requests of an operation. */
export interface NaturalCounts {
  agreed: number
  state: number
  disagreed: number
  /** Why the answers of `state` may differ, and how often. */
  reasons: Record<string, number>
}

const PARALLEL = 8

/** Sends each different request once more, to the mock, and compares the answers. */
export async function replayWitnesses(
  document: ContractDocument,
  witnesses: readonly Witness[],
  url: string,
): Promise<NaturalResult[]> {
  const different = new Map(witnesses.map((witness) => [keyOf(witness), witness]))
  const waiting = different.values()
  const results: NaturalResult[] = []
  const work = async () => {
    for (const witness of waiting) results.push(await replay(document, witness, url))
  }
  await Promise.all(Array.from({ length: PARALLEL }, work))
  return results
}

/** Of what a mock sees, and of the answer: another test that sends the same says nothing new. */
function keyOf({ operationId, request, reply: { status } }: Witness): string {
  return JSON.stringify([operationId, status, request.target, request.headers, request.credentials, request.body])
}

async function replay(document: ContractDocument, witness: Witness, url: string): Promise<NaturalResult> {
  const { operationId, request, reply: real } = witness
  const row = (operations as Record<string, OperationRow>)[operationId] as OperationRow
  // Too large, or in a coding that is not taken: refused before anybody reads it.
  const isBodyRead = real.status !== 413 && real.status !== 415
  const again = fromWitness(request, isBodyRead)
  if (again === null)
    return { witness, mock: null, verdict: { kind: 'state', why: 'the body is too large to be kept' } }
  try {
    const mock = await send(url, again)
    const credentialHeaders = listCredentialHeaders(document, row)
    return { witness, mock, verdict: judge({ operationId, request, real, mock, credentialHeaders }) }
  } catch (error) {
    const message = `${tellRequest(request)}: the mock gives no answer: ${error instanceof Error ? error.message : String(error)}`
    return {
      witness,
      mock: null,
      verdict: { kind: 'disagreed', disagreement: { matter: 'natural', at: String(real.status), message } },
    }
  }
}

export function countVerdicts(results: readonly NaturalResult[]): NaturalCounts {
  const count = (kind: Verdict['kind']) => results.filter(({ verdict }) => verdict.kind === kind).length
  const reasons: Record<string, number> = {}
  for (const { verdict } of results) {
    if (verdict.kind === 'state') reasons[verdict.why] = (reasons[verdict.why] ?? 0) + 1
  }
  return { agreed: count('agreed'), state: count('state'), disagreed: count('disagreed'), reasons }
}

export function sumCounts(counts: readonly NaturalCounts[]): NaturalCounts {
  const sum: NaturalCounts = { agreed: 0, state: 0, disagreed: 0, reasons: {} }
  for (const one of counts) {
    sum.agreed += one.agreed
    sum.state += one.state
    sum.disagreed += one.disagreed
    for (const [why, times] of Object.entries(one.reasons)) sum.reasons[why] = (sum.reasons[why] ?? 0) + times
  }
  return sum
}
