import { sqlState } from '../../db/errors.ts'
import type { Tx } from '../../db/tenant.ts'
import { MAX_RATE_AGE_DAYS, toRateTable } from '../exchange.ts'
import { listRates } from '../rates/queries.ts'
import { type Computation, computeOrder } from './compute.ts'
import type { SetModel } from './credit.ts'
import { describeModel, modelsOf } from './editions/config.ts'
import { type Edition, setPublications } from './editions/queries.ts'
import { createInFlight, type InFlight } from './in-flight.ts'
import type { OrderTouch } from './order.ts'
import { addRow, createBatch, isEmpty, isFull } from './orders/batch.ts'
import {
  deleteOrders,
  insertCredits,
  listLostTouches,
  type OrderRevision,
  type Pointer,
  type ReadOrder,
  readOrders,
  readPointers,
  setOrders,
} from './orders/queries.ts'
import { insertRunChanges, type Moved, type Publication, publishRuns, type RunCause } from './runs/queries.ts'

/** Orders that one statement reads: some 20,000 touches, a few megabytes in this process. */
const CHUNK_ORDERS = 2_000
const IN_FAILED_TRANSACTION = '25P02'
/** Statements that wait for the database, some megabytes each. */
const MAX_IN_FLIGHT = 4
const DAY_MS = 86_400_000
const US_PER_MS = 1_000

export interface PublishRequest {
  tenantId: string
  edition: Edition
  orderKeys: readonly string[]
  dataCutoff: Date
  cause: RunCause
  /** The edition that credits of orders without any of their own are taken over from, where their touches are gone. */
  formerEditionId: string | null
}

/**
 * Computes these orders anew and publishes what is different, in the transaction of the caller, which holds the tenant's lock:
 * until it commits, what was published before keeps answering. Orders whose inputs are the same keep their credits, and days
 * without any other order keep their runs. Returns how many orders are different.
 */
export async function publishOrders(tx: Tx, request: PublishRequest): Promise<number> {
  const { tenantId, edition, orderKeys, dataCutoff, cause } = request
  const { editionId, config } = edition
  const publication: Publication = {
    tenantId,
    editionId,
    number: edition.publications + 1,
    dataCutoff,
    cause,
    models: config.models.map(({ name, version }, index) => ({ name, version, text: describeModel(config, index) })),
  }
  const models = modelsOf(config)
  const done: Done = { days: new Map(), moved: [], orders: 0 }
  const chunks = Array.from({ length: Math.ceil(orderKeys.length / CHUNK_ORDERS) }, (_, index) =>
    orderKeys.slice(index * CHUNK_ORDERS, (index + 1) * CHUNK_ORDERS),
  )
  // The database reads one chunk and writes another while this process computes the one between them.
  const writing = createInFlight(MAX_IN_FLIGHT)
  let reading = readChunk(tx, request, chunks[0] ?? [])
  try {
    for (const index of chunks.keys()) {
      const chunk = await reading
      const next = chunks[index + 1]
      if (next !== undefined) reading = readChunk(tx, request, next)
      reading.catch(() => {})
      await publishChunk(tx, { publication, edition, models, chunk, done, writing })
    }
    await writing.end()
  } catch (error) {
    // Of statements after one that failed the server says only that.
    if (sqlState(error) === IN_FAILED_TRANSACTION) await reading
    throw error
  }
  if (done.orders === 0) return 0
  const days = [...done.days].map(([day, orders]) => ({ day, orders })).sort((a, b) => (a.day < b.day ? -1 : 1))
  await setPublications(tx, { tenantId, editionId }, publication.number)
  await publishRuns(tx, publication, days)
  if (cause !== 'edition') await insertRunChanges(tx, publication, done.moved)
  edition.publications = publication.number
  return done.orders
}

interface Chunk {
  orderKeys: readonly string[]
  orders: ReadOrder[]
  pointers: Map<string, Pointer>
  lost: Map<string, OrderTouch[]>
  rates: Computation['rates']
}

async function readChunk(tx: Tx, request: PublishRequest, orderKeys: readonly string[]): Promise<Chunk> {
  const { tenantId, edition, formerEditionId } = request
  const { editionId, config } = edition
  const [orders, pointers] = await Promise.all([
    readOrders(tx, tenantId, orderKeys, config.lookbackDays),
    readPointers(tx, { tenantId, editionId }, orderKeys),
  ])
  const lost = await readLost(tx, { tenantId, editionId }, [...pointers.values()])
  if (formerEditionId !== null) {
    const fresh = orderKeys.filter((orderKey) => !pointers.has(orderKey))
    const former = { tenantId, editionId: formerEditionId }
    const known = await readPointers(tx, former, fresh)
    for (const [orderKey, touches] of await readLost(tx, former, [...known.values()])) lost.set(orderKey, touches)
  }
  return { orderKeys, orders, pointers, lost, rates: await readRates(tx, config.reportingCurrency, orders) }
}

async function readLost(
  tx: Tx,
  edition: { tenantId: string; editionId: string },
  pointers: readonly Pointer[],
): Promise<Chunk['lost']> {
  const credited = pointers.filter(({ touches }) => touches > 0)
  return credited.length === 0 ? new Map() : listLostTouches(tx, edition, credited)
}

/** Of the days of those orders that are in another currency. */
async function readRates(
  tx: Tx,
  reportingCurrency: string,
  orders: readonly ReadOrder[],
): Promise<Computation['rates']> {
  const days = orders
    .filter(({ order }) => order.entries.some(({ currency }) => currency !== reportingCurrency))
    .map(({ order }) => Math.floor(order.orderedAtUs / US_PER_MS))
    .sort((a, b) => a - b)
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) return toRateTable([])
  const from = toDay(first - MAX_RATE_AGE_DAYS * DAY_MS)
  return toRateTable(await listRates(tx, { from, to: toDay(last) }))
}

/** What a publication has changed so far. */
interface Done {
  /** How many orders of a UTC day (YYYY-MM-DD) came, went or have other credits. */
  days: Map<string, number>
  moved: Moved[]
  orders: number
}

interface ChunkOfPublication {
  publication: Publication
  edition: Edition
  models: readonly SetModel[]
  chunk: Chunk
  done: Done
  writing: InFlight
}

/** Sends what is different while the rest is computed. */
async function publishChunk(
  tx: Tx,
  { publication, edition, models, chunk, done, writing }: ChunkOfPublication,
): Promise<void> {
  const { config, status, builtUntil } = edition
  const computation: Computation = { config, models, rates: chunk.rates }
  const orders: OrderRevision[] = []
  let batch = createBatch(models.length)
  const gone = new Set(chunk.orderKeys)
  for (const read of chunk.orders) {
    const { orderKey, orderedAtUs } = read.order
    gone.delete(orderKey)
    const pointer = chunk.pointers.get(orderKey)
    // What an unfinished edition has not come to yet, it will read then.
    if (pointer === undefined && status === 'building' && !isBefore(orderedAtUs, builtUntil)) continue
    const lost = chunk.lost.get(orderKey) ?? []
    const computed = computeOrder(computation, read, { lost, inputSha256: pointer?.inputSha256 })
    if (computed === null) continue
    const { revision, journey, entries } = computed
    orders.push(revision)
    for (const credited of entries) {
      for (let position = 0; position < Math.max(journey.length, 1); position += 1) {
        addRow(batch, { orderKey, orderedAtUs, credited, position, touch: journey[position] })
        if (!isFull(batch)) continue
        await writing.add(insertCredits(tx, publication, batch))
        batch = createBatch(models.length)
      }
    }
    noteChange(done, { orderKey, revision: publication.number, pointer, day: dayOf(orderedAtUs) })
  }
  if (!isEmpty(batch)) await writing.add(insertCredits(tx, publication, batch))
  if (orders.length > 0) await writing.add(setOrders(tx, publication, orders))
  const left = [...gone].flatMap((orderKey) => chunk.pointers.get(orderKey) ?? [])
  for (const pointer of left) noteChange(done, { orderKey: pointer.orderKey, revision: 0, pointer, day: null })
  if (left.length > 0) {
    const orderKeys = left.map(({ orderKey }) => orderKey)
    await writing.add(deleteOrders(tx, publication, orderKeys))
  }
}

/** That an order has other credits than its pointer says, on a day that may be another one; `day` null: it is none any more. */
function noteChange(
  done: Done,
  {
    orderKey,
    revision,
    pointer,
    day,
  }: { orderKey: string; revision: number; pointer: Pointer | undefined; day: string | null },
): void {
  const former = pointer === undefined ? null : dayOf(pointer.orderedAt.getTime() * US_PER_MS)
  for (const one of new Set([day, former])) if (one !== null) done.days.set(one, (done.days.get(one) ?? 0) + 1)
  if (day !== null) done.moved.push({ orderKey, revision, sign: 1 })
  if (pointer !== undefined) done.moved.push({ orderKey, revision: pointer.revision, sign: -1 })
  done.orders += 1
}

function dayOf(timeUs: number): string {
  return toDay(Math.floor(timeUs / US_PER_MS))
}

/** `until` as the database writes a moment, or an infinity. */
function isBefore(timeUs: number, until: string): boolean {
  if (until === 'infinity') return true
  return until !== '-infinity' && timeUs < Date.parse(until) * US_PER_MS
}

function toDay(ms: number): string {
  return new Date(Math.floor(ms / DAY_MS) * DAY_MS).toISOString().slice(0, 10)
}
