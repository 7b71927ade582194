import type { KnownValue } from '../calls/arguments.ts'
import { callsOf, fingerprintOf, runCalls } from '../calls/calls.ts'
import { readModel } from '../catalogue.ts'
import type { Cell } from '../cells/cell.ts'
import { needsLogin, powerCells } from '../cells/power-cells.ts'
import { viewCells } from '../cells/view-cells.ts'
import { inOrder, runCells } from '../matrix.ts'
import type { Model, Relation } from '../model.ts'
import type { Seed } from '../rows/seed.ts'
import { checkStructure } from '../structure/check.ts'
import type { Exceptions } from '../structure/fault.ts'
import { describeFault, type Judges } from './run.ts'

/** Random calls of each function that a planted fault is looked for with. */
const CALLS = 3

export interface DatabaseFacts {
  model: Model
  seed: Seed
  exceptions: Exceptions
  known: readonly KnownValue[]
  /** Of the unchanged database. */
  cells: ReadonlyMap<string, readonly Cell[]>
  random: number
}

/**
 * For faults of the whole database: all its rules; and in behaviour, what no role may do, every relation that is new,
 * all calls, and the statements of two tables, of which one is looked up across tenants.
 */
export function databaseJudges(facts: DatabaseFacts): Judges {
  const { model, seed, exceptions } = facts
  const known = new Set(model.relations.map(({ name }) => name))
  const tables = model.relations.filter(({ name }) => seed.tables.has(name))
  const samples = inOrder(
    [pick(tables, exceptions, true), pick(tables, exceptions, false)].flatMap((name) => facts.cells.get(name) ?? []),
  )
  return {
    structure: async ({ client }) => describeFault(checkStructure(await readModel(client), exceptions)[0]),
    behaviour: async (session) => {
      const now = await readModel(session.client)
      const added = now.relations
        .filter(({ name, kind }) => !known.has(name) && kind !== 'S')
        .flatMap((relation) => strangerCells(relation, facts))
      const cells = [...added, ...powerCells(now, tables).filter((cell) => !needsLogin(cell)), ...samples]
      const [finding] = await runCells(session, cells, seed.markers, { onlyFirst: true })
      if (finding !== undefined)
        return `${finding.verdict.kind}: ${finding.cell.operation} as ${finding.cell.role}: ${finding.verdict.detail}`
      const reviewed = withoutNew(now, model)
      const calls = callsOf(reviewed, exceptions, seed, facts.known, facts.random, CALLS)
      const [call] = await runCalls(session, calls, seed, fingerprintOf(model, seed), { onlyFirst: true })
      return call === undefined ? null : `${call.detail}: ${call.call.relation} as ${call.call.role}`
    },
  }
}

/** What the executors were before anything was planted is what may call; a new function is called by whoever may. */
function withoutNew(now: Model, before: Model): Model['routines'] {
  const old = new Map(before.routines.map((routine) => [routine.signature, routine]))
  return now.routines.map((routine) => ({
    ...routine,
    executors: old.get(routine.signature)?.executors ?? routine.executors,
  }))
}

/** A new relation, read like a view: whoever may read it gets nothing of another tenant. */
function strangerCells(relation: Relation, { seed }: DatabaseFacts): Cell[] {
  return inOrder(viewCells(relation, { ownTenant: seed.ownTenant, otherTenant: seed.otherTenant, garbage: 'garbage' }))
}

function pick(tables: readonly Relation[], { LOOKUPS }: Exceptions, isLookup: boolean): string {
  return (
    tables.find(({ name, access }) => (LOOKUPS[name] !== undefined) === isLookup && access.app_user !== undefined)
      ?.name ?? ''
  )
}
