import { hash, randomUUID } from 'node:crypto'
import type { Tx } from '../../../db/tenant.ts'
import { listCountedOrders } from '../pointers/queries.ts'
import { addMoney, addOrder, createDaySums, type DaySums, isAnything } from './day.ts'
import { addHashes, readSums } from './hash-sum.ts'
import {
  type FormerRun,
  insertRuns,
  listFormerMoney,
  listFormerRuns,
  type NewDay,
  type Publication,
} from './queries.ts'

/**
 * Makes a run of each model for each of these days from the one before it and what has changed since, with its totals, and
 * lets it answer. Its hashes are over how many orders there are and the sum of their hashes, so that equal orders give equal
 * ones however they came about.
 */
export async function publishRuns(
  tx: Tx,
  publication: Publication,
  changes: ReadonlyMap<string, DaySums>,
): Promise<void> {
  const days = [...changes.keys()].sort()
  if (days.length === 0) return
  const [runs, money] = await Promise.all([
    listFormerRuns(tx, publication, days),
    listFormerMoney(tx, publication, days),
  ])
  const formerOf = Map.groupBy(runs, ({ day }) => day)
  const moneyOf = Map.groupBy(money, ({ day }) => day)
  const made: NewDay[] = []
  for (const day of days) {
    const change = changes.get(day) as DaySums
    const former = new Map(formerOf.get(day)?.map((run) => [run.model, run]))
    const ofEdition = publication.models
      .flatMap(({ name }) => former.get(name) ?? [])
      .filter(({ version }) => version > 0)
    let sums: DaySums
    if (ofEdition.every(hasSums)) sums = addFormer(change, ofEdition, moneyOf.get(day) ?? [])
    else sums = await countAgain(tx, publication, day, change)
    made.push(toDay(publication, day, sums, former))
  }
  await insertRuns(tx, publication, made)
}

function hasSums(run: FormerRun): boolean {
  return run.inputSum !== null && run.outputSum !== null
}

/** The change, and what there was: `former` is by model, in the edition's order, or nothing. */
function addFormer(
  change: DaySums,
  former: readonly FormerRun[],
  money: Awaited<ReturnType<typeof listFormerMoney>>,
): DaySums {
  change.orders += former[0]?.orders ?? 0
  for (const [index, { inputSum, outputSum }] of former.entries()) {
    if (inputSum === null || outputSum === null) throw new Error('a run has no sums to add to')
    if (index === 0) addHashes(change.hashes, inputSum, { first: 0, sign: 1 })
    addHashes(change.hashes, outputSum, { first: 1 + index, sign: 1 })
  }
  for (const { currency, ...sums } of money) addMoney(change.money, currency, sums)
  return change
}

/** Where the release before made the run. */
async function countAgain(tx: Tx, publication: Publication, day: string, { changed }: DaySums): Promise<DaySums> {
  const sums = { ...createDaySums(publication.models.length), changed }
  for (const order of await listCountedOrders(tx, publication, day)) addOrder(sums, order, 1)
  return sums
}

function toDay(
  { models }: Publication,
  day: string,
  { orders, changed, money, hashes }: DaySums,
  former: ReadonlyMap<string, FormerRun>,
): NewDay {
  const [inputSum, ...outputSums] = readSums(hashes) as [Buffer, ...Buffer[]]
  return {
    day,
    orders,
    changed,
    money: [...money].filter(([, sums]) => isAnything(sums)),
    runs: models.map(({ name, text }, index) => {
      const outputSum = outputSums[index] as Buffer
      const before = former.get(name)
      return {
        runId: randomUUID(),
        version: (before?.version ?? 0) + 1,
        previousRunId: before?.runId ?? null,
        inputHash: hashRun(`skeldir/attribution-input/v3 ${text} ${orders} `, inputSum),
        outputHash: hashRun(`skeldir/attribution-output/v3 ${text} ${orders} `, outputSum),
        inputSum,
        outputSum,
      }
    }),
  }
}

function hashRun(head: string, sum: Buffer): string {
  return hash('sha256', Buffer.concat([Buffer.from(head), sum]), 'hex')
}
