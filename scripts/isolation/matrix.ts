import { createRandom } from '../demo/random.ts'
import { actorsOn, LOGINS, type Target } from './cells/actor.ts'
import { type Cell, CONTEXTS, judge, type Verdict } from './cells/cell.ts'
import { oracleCells } from './cells/oracle-cells.ts'
import { openTableCells, privilegeCells } from './cells/outside-cells.ts'
import { tenantCells } from './cells/tenant-cells.ts'
import { viewCells } from './cells/view-cells.ts'
import type { Model, Relation } from './model.ts'
import type { Seed } from './rows/seed.ts'
import { openSession, type Session } from './session.ts'
import type { Exceptions } from './structure/fault.ts'
import { standingOf } from './structure/relations.ts'

/** Sessions at a time. */
const LANES = 3

/** What an application that builds its context carelessly could set. None is a uuid; none may be anything but refused. */
const GARBAGE = [
  'garbage',
  '*',
  '%',
  'null',
  "' or '1'='1",
  "'; reset role; --",
  '00000000-0000-0000-0000-00000000000g',
  '00000000-0000-0000-0000-000000000000, 11111111-1111-1111-1111-111111111111',
  '{{own}',
  '{own}\u00a0',
]

export interface CellFinding {
  cell: Cell
  verdict: Verdict
}

export interface MatrixResult {
  cells: number
  findings: CellFinding[]
}

/** The statements for one relation, in every role and context; empty for a sequence, which no statement of these names. */
export function cellsOf(relation: Relation, seed: Seed, exceptions: Exceptions, random: number): Cell[] {
  const garbage = createRandom(random, `garbage ${relation.name}`).pick(GARBAGE).replace('{own}', seed.ownTenant)
  const settings = { ownTenant: seed.ownTenant, otherTenant: seed.otherTenant, garbage }
  const exception = exceptions.OUTSIDE[relation.root]
  const rows = seed.tables.get(relation.name)
  const totalOf = ({ name }: Relation) => seed.totals.get(name) ?? 0
  if (exception !== undefined) {
    const cells = privilegeCells(relation, exception, settings)
    if (rows !== undefined) cells.push(...openTableCells(relation, rows, totalOf(relation), settings))
    return cells
  }
  if (rows === undefined) return standingOf(relation, exceptions) === 'view' ? viewCells(relation, settings) : []
  const target: Target = { table: relation, ...rows, ...settings, total: totalOf(relation) }
  const actors = actorsOn(relation, exceptions.LOOKUPS)
  return [...tenantCells(actors, target), ...oracleCells(actors, target)]
}

export interface Urls {
  /** A superuser of this database: takes the roles that cannot log in. */
  admin: string
  of: (role: string) => string
}

/** Runs every cell in a session of its own role: the runtime roles and the migrator log in as themselves. */
export async function runMatrix(cells: readonly Cell[], urls: Urls, markers: readonly string[]): Promise<MatrixResult> {
  const roles = [...new Set(cells.map(({ role }) => role))]
  const findings: CellFinding[] = []
  const lane = async () => {
    for (let role = roles.shift(); role !== undefined; role = roles.shift()) {
      const logsIn = (LOGINS as readonly string[]).includes(role)
      const session = await openSession(logsIn ? urls.of(role) : urls.admin, { takesRole: !logsIn })
      const own = inOrder(cells.filter((cell) => cell.role === role))
      try {
        findings.push(...(await runCells(session, own, markers)))
      } finally {
        await session.end()
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  return { cells: cells.length, findings }
}

/**
 * `none` first: once a session has set the context it is '' afterwards, never unset again. Within a context those first
 * that a policy decides about.
 */
export function inOrder(cells: readonly Cell[]): Cell[] {
  return CONTEXTS.flatMap((context) =>
    [true, false].flatMap((isGranted) =>
      cells.filter((cell) => cell.context === context && cell.isGranted === isGranted),
    ),
  )
}

/** What is not as expected, in the order of the cells; only the first such where `onlyFirst`. */
export async function runCells(
  session: Session,
  cells: readonly Cell[],
  markers: readonly string[],
  { onlyFirst = false } = {},
): Promise<CellFinding[]> {
  const findings: CellFinding[] = []
  for (const cell of cells) {
    const outcome = await session.run(cell)
    const twin = cell.twin === undefined ? null : await session.run(cell, cell.twin)
    const verdict = judge(cell, outcome, twin, markers)
    if (verdict.kind === 'ok') continue
    findings.push({ cell, verdict })
    if (onlyFirst) break
  }
  return findings
}

/** The relations that need rows: everything that stands under the template, or has policies of its own. */
export function tablesToFill({ relations }: Pick<Model, 'relations'>, exceptions: Exceptions): Relation[] {
  return relations.filter((relation) => {
    const standing = standingOf(relation, exceptions)
    return standing === 'tenant' || (standing === 'outside' && relation.isEnabled)
  })
}
