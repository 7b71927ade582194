import { availableParallelism } from 'node:os'
import pg from 'pg'
import { createRandom } from '../demo/random.ts'
import { callsOf, fingerprintOf, readKnownValues, runCalls } from './calls/calls.ts'
import { readModel } from './catalogue.ts'
import type { Cell } from './cells/cell.ts'
import { powerCells } from './cells/power-cells.ts'
import { listCitusNotes } from './citus.ts'
import { printCitusDialect } from './dialect.ts'
import type { Environment } from './environment.ts'
import { ACCEPTED_ORACLES } from './exceptions.ts'
import { cellsOf, runMatrix, tablesToFill } from './matrix.ts'
import { isTable, type Model, type Relation } from './model.ts'
import { databaseJudges } from './mutants/database-judges.ts'
import { mutateDatabase } from './mutants/database-operators.ts'
import type { Mutant } from './mutants/mutant.ts'
import { runMutants, tableJudges } from './mutants/run.ts'
import { mutateTable } from './mutants/table-operators.ts'
import { shakePool } from './pool.ts'
import type { IsolationReport } from './report.ts'
import { type Seed, seedRows } from './rows/seed.ts'
import { openSession } from './session.ts'
import { askOracles } from './statistics.ts'
import { checkStructure } from './structure/check.ts'
import { REVIEWED } from './structure/fault.ts'
import { standingOf } from './structure/relations.ts'

export interface IsolationOptions {
  environment: Pick<Environment, 'admin' | 'of' | 'clone'>
  seed: number
  /** Only this table's statements and planted faults; the structure is always looked at as a whole. */
  table?: string
  /** How many of the planted faults to try, drawn with the seed. Default: all. */
  sample?: number
  /** How many statements on tables to try, drawn with the seed; planted faults meet all of their table. Default: all. */
  statements?: number
  /** Planted faults that change roles of the whole cluster are left out: somebody else uses it. */
  isClusterShared?: boolean
  /** Databases to plant faults in side by side. Default: one for each processor, 2 to 4. */
  lanes?: number
  /** Transactions on the shared pool; 0: none. */
  transactions?: number
  progress?: (line: string) => void
}

/** Random calls of each function in each role, beside the ones with fitting arguments. */
const RANDOM_CALLS = 12
/** Tenants that share the pool. */
const POOL_TENANTS = 5

/** Looks at the catalogue, runs every statement, plants every fault. Throws where it cannot do its work. */
export async function proveIsolation(options: IsolationOptions): Promise<IsolationReport> {
  const { environment, seed, progress = () => {}, transactions = 10_000 } = options
  const { lanes = Math.min(4, Math.max(2, availableParallelism())) } = options
  const durations: Record<string, number> = {}
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    progress(name)
    const startedAt = performance.now()
    const result = await work()
    durations[name] = performance.now() - startedAt
    return result
  }
  const facts = await timed('rows', () => prepare(options))
  const { model, filled, rows, citus, cells, calls } = facts
  const matrix = await timed('matrix', () =>
    runMatrix(draw([...cells.values()].flat(), options.statements, seed), environment, rows.markers),
  )
  const callFindings = await timed('calls', () => callAll(environment.admin, calls, model, rows))
  const oracles = await timed('oracles', () => askOracles(environment, filled, rows, ACCEPTED_ORACLES))
  const faults = checkStructure(model)
  const isSound = faults.length + matrix.findings.length + callFindings.length === 0
  const mutants = await timed('mutants', async () => {
    if (!isSound) return null
    const urls = [environment.admin]
    for (let lane = 1; lane < lanes; lane += 1) urls.push(await environment.clone(lane))
    return plantAll(choose(listMutants(facts, options), options), urls, { ...facts, seed }, progress)
  })
  const pool =
    transactions === 0 || options.table !== undefined
      ? null
      : await timed('pool', () => shake(environment, filled, { seed, transactions }))
  return {
    seed,
    postgres: model.version,
    tables: describeTables(model),
    functions: describeFunctions(model),
    faults,
    cells: matrix.cells,
    findings: matrix.findings,
    calls: calls.length,
    callFindings,
    oracles,
    mutants,
    pool,
    citus,
    durations,
  }
}

interface Facts {
  model: Model
  /** The tables with policies, and those of them that --table leaves. */
  filled: Relation[]
  tables: Relation[]
  rows: Seed
  known: Awaited<ReturnType<typeof readKnownValues>>
  citus: IsolationReport['citus']
  /** By relation; `database` for what no role may do. */
  cells: Map<string, Cell[]>
  calls: Cell[]
}

async function prepare({ environment, seed, table }: IsolationOptions): Promise<Facts> {
  return withAdmin(environment.admin, async (client) => {
    const model = await readModel(client)
    const filled = tablesToFill(model, REVIEWED)
    const rows = await seedRows(client, model, filled, seed)
    const known = await readKnownValues(client, model, rows)
    const isChosen = ({ name }: Relation) => table === undefined || name === table || name === `public.${table}`
    const tables = filled.filter(isChosen)
    if (tables.length === 0) throw new Error(`there is no table with policies named ${table}`)
    const cells = new Map(
      model.relations.filter(isChosen).map((relation) => [relation.name, cellsOf(relation, rows, REVIEWED, seed)]),
    )
    cells.set('database', powerCells(model, filled))
    const calls = table === undefined ? callsOf(model.routines, REVIEWED, rows, known, seed, RANDOM_CALLS) : []
    const citus = { dialect: await printCitusDialect(client), notes: listCitusNotes(model, REVIEWED) }
    return { model, filled, tables, rows, known, citus, cells, calls }
  })
}

function listMutants({ model, tables, rows }: Facts, { table }: IsolationOptions): Mutant[] {
  const ofTables = tables.flatMap((each) => {
    const known = rows.tables.get(each.name)
    return known === undefined
      ? []
      : mutateTable(each, known, model.relations, { isOutside: REVIEWED.OUTSIDE[each.root] !== undefined })
  })
  return table === undefined ? [...ofTables, ...mutateDatabase(model, rows, REVIEWED)] : ofTables
}

function choose(mutants: readonly Mutant[], { sample, isClusterShared = false, seed }: IsolationOptions): Mutant[] {
  const possible = isClusterShared ? mutants.filter(({ isClusterWide }) => !isClusterWide) : mutants
  return draw(possible, sample, seed)
}

function draw<Item>(items: readonly Item[], sample: number | undefined, seed: number): Item[] {
  return sample === undefined ? [...items] : createRandom(seed, 'isolation sample').shuffle(items).slice(0, sample)
}

function plantAll(
  mutants: readonly Mutant[],
  urls: readonly string[],
  facts: Facts & { seed: number },
  progress: (line: string) => void,
) {
  const { model, rows, cells, known } = facts
  const ofTable = tableJudges(model, REVIEWED, cells, rows.markers)
  const ofDatabase = databaseJudges({ model, seed: rows, exceptions: REVIEWED, known, cells, random: facts.seed })
  const judgesOf = (mutant: Mutant) => (mutant.relation === null ? ofDatabase : ofTable)
  let done = 0
  return runMutants(
    mutants,
    urls,
    {
      structure: (session, mutant) => judgesOf(mutant).structure(session, mutant),
      behaviour: (session, mutant) => judgesOf(mutant).behaviour(session, mutant),
    },
    () => {
      done += 1
      if (done % 100 === 0) progress(`mutants ${done}/${mutants.length}`)
    },
  )
}

async function callAll(adminUrl: string, calls: readonly Cell[], model: Model, rows: Seed) {
  const session = await openSession(adminUrl, { takesRole: true })
  try {
    return await runCalls(session, calls, rows, fingerprintOf(model, rows))
  } finally {
    await session.end()
  }
}

async function shake(
  environment: IsolationOptions['environment'],
  tables: readonly Relation[],
  { seed, transactions }: { seed: number; transactions: number },
) {
  const tenantTable = tables.filter(({ name }) => name === 'public.tenants')
  const tenants = await withAdmin(environment.admin, async (client) => {
    const model = await readModel(client)
    const ids: string[] = []
    for (let index = 0; index < POOL_TENANTS; index += 1) {
      const { ownTenant } = await seedRows(client, model, tenantTable, seed + 1_000 + index)
      ids.push(ownTenant)
    }
    return ids
  })
  return shakePool({ url: environment.of('app_user'), adminUrl: environment.admin, tenants, transactions, seed })
}

async function withAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'skeldir isolation' })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

function describeTables({ relations }: Model): IsolationReport['tables'] {
  const names = (standing: string) =>
    relations.filter((relation) => standingOf(relation, REVIEWED) === standing).map(({ name }) => name)
  const outside = relations
    .filter((relation) => isTable(relation) && standingOf(relation, REVIEWED) !== 'tenant')
    .map(({ name, root }) => ({ name, reason: REVIEWED.OUTSIDE[root]?.reason ?? 'not reviewed' }))
  return { tenant: names('tenant'), outside, views: names('view') }
}

function describeFunctions({ routines }: Model): IsolationReport['functions'] {
  const definers = routines
    .filter(({ isDefiner }) => isDefiner)
    .map(({ signature }) => ({ signature, reason: REVIEWED.DEFINERS[signature]?.reason ?? 'not reviewed' }))
  return { all: routines.length, definers }
}
