import { readRelations } from '../catalogue.ts'
import type { Cell } from '../cells/cell.ts'
import { inOrder, runCells } from '../matrix.ts'
import type { Model } from '../model.ts'
import { markStart, openSession, type Session } from '../session.ts'
import type { Exceptions, Fault } from '../structure/fault.ts'
import { checkRelation } from '../structure/relations.ts'
import type { Mutant } from './mutant.ts'

export interface MutantResult {
  mutant: Mutant
  /** What noticed it; null where the structure, or the behaviour, did not. */
  byStructure: string | null
  byBehaviour: string | null
}

/** What a planted fault is judged by. Each gives what it noticed, or null. */
export interface Judges {
  structure: (session: Session, mutant: Mutant) => Promise<string | null>
  behaviour: (session: Session, mutant: Mutant) => Promise<string | null>
}

/**
 * Plants each fault in a transaction of its own, asks both judges, and rolls it back. Each has a new connection: only
 * there has the context never been set. The lanes are databases alike: a planted fault locks its tables.
 */
export async function runMutants(
  mutants: readonly Mutant[],
  adminUrls: readonly string[],
  judges: Judges,
  onDone: () => void = () => {},
): Promise<MutantResult[]> {
  await Promise.all(adminUrls.map((url) => refuseFalseAlarm(url, judges)))
  const waiting = mutants.map((mutant, index) => ({ mutant, index }))
  const results: MutantResult[] = []
  const work = async (url: string, isFirst: boolean) => {
    for (;;) {
      // A change of a role locks it for the whole cluster: one lane makes them all.
      const at = waiting.findIndex(({ mutant }) => isFirst || !mutant.isClusterWide)
      const [next] = at < 0 ? [] : waiting.splice(at, 1)
      if (next === undefined) return
      results[next.index] = await runMutant(next.mutant, url, judges)
      onDone()
    }
  }
  await Promise.all(adminUrls.map((url, lane) => work(url, lane === 0)))
  return results
}

/** Nothing is planted: nothing may be noticed, or every mutant would count as killed. */
async function refuseFalseAlarm(url: string, judges: Judges): Promise<void> {
  const none = { operator: 'nothing', sql: [], equivalent: null, isClusterWide: false }
  const { byStructure, byBehaviour } = await runMutant({ ...none, id: 'nothing', relation: null }, url, judges)
  const noticed = byStructure ?? byBehaviour
  if (noticed !== null) throw new Error(`a fault is noticed where none was planted: ${noticed}`)
}

async function runMutant(mutant: Mutant, url: string, judges: Judges): Promise<MutantResult> {
  const session = await openSession(url, { takesRole: true })
  try {
    for (const statement of mutant.sql) await session.client.query(statement)
    const byStructure = await judges.structure(session, mutant)
    await markStart(session)
    return { mutant, byStructure, byBehaviour: await judges.behaviour(session, mutant) }
  } catch (cause) {
    throw new Error(`${mutant.id} could not be tried: ${(cause as Error).message}`, { cause })
  } finally {
    await session.end()
  }
}

/** For faults of one table: its rules, and its own statements. */
export function tableJudges(
  model: Model,
  exceptions: Exceptions,
  cells: ReadonlyMap<string, readonly Cell[]>,
  markers: readonly string[],
): Judges {
  // Privileges do not depend on the context: what is refused for want of one is tried without and within a tenant only.
  const isTelling = ({ isGranted, context }: Cell) => isGranted || context === 'none' || context === 'own'
  const ordered = new Map([...cells].map(([name, list]) => [name, inOrder(list.filter(isTelling))]))
  return {
    structure: async ({ client }, { relation }) => {
      const [changed] = await readRelations(client, [relation ?? ''])
      return changed === undefined ? null : describeFault(checkRelation(changed, model, exceptions)[0])
    },
    behaviour: async (session, { relation }) => {
      const [finding] = await runCells(session, ordered.get(relation ?? '') ?? [], markers, { onlyFirst: true })
      if (finding === undefined) return null
      const { cell, verdict } = finding
      return `${verdict.kind}: ${cell.operation} as ${cell.role}, ${cell.context}: ${verdict.detail}`
    },
  }
}

export function describeFault(fault: Fault | undefined): string | null {
  return fault === undefined ? null : `${fault.rule}: ${fault.object} ${fault.detail}`
}
