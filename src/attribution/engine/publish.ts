import { sqlState } from '../../db/errors.ts'
import type { Tx } from '../../db/tenant.ts'
import { MAX_RATE_AGE_DAYS, toRateTable } from '../exchange.ts'
import { listRates } from '../rates/queries.ts'
import { type Computation, computeOrder, type FormerOrder } from './compute.ts'
import type { SetModel } from './credit.ts'
import { describeModel, modelsOf } from './editions/config.ts'
import { type Edition, setPublications } from './editions/queries.ts'
import { createInFlight, type InFlight } from './in-flight.ts'
import type { OrderTouch } from './order.ts'
import { addRow, createBatch, isEmpty, isFull, toRows, toSend } from './orders/batch.ts'
import {
  getCreditRowType,
  insertCredits,
  listCreditedNames,
  listCreditedTouches,
  listStoredTouches,
  type ReadOrder,
  readOrders,
  type TouchName,
} from './orders/queries.ts'
import { deleteOrders, type OrderRevision, type Pointer, readPointers, setOrders } from './pointers/queries.ts'
import { addOrder, type CountedOrder, createDaySums, type DaySums } from './runs/day.ts'
import { publishRuns } from './runs/publish.ts'
import { insertChanges, type Moved, type Publication, type RunCause } from './runs/queries.ts'

/** Orders that the first statement reads: while they are read nothing else can be done. Fewer cost more to ask for than to read. */
const FIRST_CHUNK_ORDERS = 250
/** And that any reads at most: some 20,000 touches, a few megabytes in this process. */
const MAX_CHUNK_ORDERS = 2_000
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
  const done: Done = { models: models.length, days: new Map(), moved: [], orders: 0 }
  const chunks = toChunks(orderKeys)
  const rowType = await getCreditRowType(tx)
  // The database reads one chunk and writes another while this process computes the one between them.
  const writing = createInFlight(MAX_IN_FLIGHT)
  let reading = readChunk(tx, request, chunks[0] ?? [])
  try {
    for (const index of chunks.keys()) {
      const chunk = await reading
      const next = chunks[index + 1]
      if (next !== undefined) reading = readChunk(tx, request, next)
      reading.catch(() => {})
      await publishChunk(tx, { publication, edition, models, chunk, done, writing, rowType })
    }
    await writing.end()
  } catch (error) {
    // Of statements after one that failed the server says only that.
    if (sqlState(error) === IN_FAILED_TRANSACTION) await reading
    throw error
  }
  if (done.orders === 0) return 0
  await setPublications(tx, { tenantId, editionId }, publication.number)
  await Promise.all([
    publishRuns(tx, publication, done.days),
    cause === 'edition' ? undefined : insertChanges(tx, publication, done.moved),
  ])
  edition.publications = publication.number
  return done.orders
}

/** Each twice as many as the one before: while one is computed, the next is read and the former written. */
function toChunks(orderKeys: readonly string[]): (readonly string[])[] {
  const chunks: (readonly string[])[] = []
  let [from, size] = [0, FIRST_CHUNK_ORDERS]
  while (from < orderKeys.length) {
    chunks.push(orderKeys.slice(from, from + size))
    from += size
    size = Math.min(2 * size, MAX_CHUNK_ORDERS)
  }
  return chunks
}

interface Chunk {
  orderKeys: readonly string[]
  orders: ReadOrder[]
  pointers: Map<string, Pointer>
  /** Of orders that have no pointer, those of the former edition. */
  formerPointers: Map<string, Pointer>
  lost: Map<string, OrderTouch[]>
  rates: Computation['rates']
}

async function readChunk(tx: Tx, request: PublishRequest, orderKeys: readonly string[]): Promise<Chunk> {
  const { tenantId, edition, formerEditionId } = request
  const { editionId, config } = edition
  // In this order: what holds so far names touches, which are asked for while the orders are read.
  const [held, orders] = await Promise.all([
    readHeld(tx, { tenantId, editionId }, orderKeys),
    readOrders(tx, tenantId, orderKeys, config.lookbackDays),
  ])
  const { pointers } = held
  const lost = await readLost(tx, { tenantId, editionId }, held, orders)
  let formerPointers: Chunk['formerPointers'] = new Map()
  if (formerEditionId !== null) {
    const fresh = orderKeys.filter((orderKey) => !pointers.has(orderKey))
    const former = { tenantId, editionId: formerEditionId }
    const formerHeld = await readHeld(tx, former, fresh)
    formerPointers = formerHeld.pointers
    for (const [orderKey, touches] of await readLost(tx, former, formerHeld, orders)) lost.set(orderKey, touches)
  }
  return {
    orderKeys,
    orders,
    pointers,
    formerPointers,
    lost,
    rates: await readRates(tx, config.reportingCurrency, orders),
  }
}

/** What holds of orders so far. */
interface Held {
  pointers: Map<string, Pointer>
  /** By order, the touches that its credits name. */
  names: Map<string, TouchName[]>
}

async function readHeld(
  tx: Tx,
  edition: { tenantId: string; editionId: string },
  orderKeys: readonly string[],
): Promise<Held> {
  const pointers = await readPointers(tx, edition, orderKeys)
  const credited = [...pointers.values()].filter(({ touches }) => touches > 0)
  return { pointers, names: credited.length === 0 ? new Map() : await listCreditedNames(tx, edition, credited) }
}

/**
 * By order, the touches that its credits name and that are stored no longer: they were kept for as long as the tenant keeps them.
 */
async function readLost(
  tx: Tx,
  edition: { tenantId: string; editionId: string },
  { pointers, names: named }: Held,
  orders: readonly ReadOrder[],
): Promise<Chunk['lost']> {
  const lost: Chunk['lost'] = new Map()
  const missing = new Map<string, TouchName[]>()
  for (const { order } of orders) {
    const read = new Set(order.touches.map(nameOf))
    const names = named.get(order.orderKey)?.filter((name) => !read.has(nameOf(name))) ?? []
    if (names.length > 0) missing.set(order.orderKey, names)
  }
  if (missing.size === 0) return lost
  const stored = new Set((await listStoredTouches(tx, edition.tenantId, [...missing.values()].flat())).map(nameOf))
  const goneOf = new Map<string, Set<string>>()
  for (const [orderKey, names] of missing) {
    const gone = names.map(nameOf).filter((name) => !stored.has(name))
    if (gone.length > 0) goneOf.set(orderKey, new Set(gone))
  }
  if (goneOf.size === 0) return lost
  const losers = [...goneOf.keys()].flatMap((orderKey) => pointers.get(orderKey) ?? [])
  for (const [orderKey, touches] of await listCreditedTouches(tx, edition, losers)) {
    lost.set(
      orderKey,
      touches.filter((touch) => goneOf.get(orderKey)?.has(nameOf(touch))),
    )
  }
  return lost
}

function nameOf({ origin, externalId }: TouchName): string {
  return `${origin} ${externalId}`
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
  models: number
  /** By UTC day (YYYY-MM-DD), how much its orders have changed. */
  days: Map<string, DaySums>
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
  /** Of the rows of credits. */
  rowType: number
}

/** Sends what is different while the rest is computed. */
async function publishChunk(
  tx: Tx,
  { publication, edition, models, chunk, done, writing, rowType }: ChunkOfPublication,
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
    const computed = computeOrder(computation, read, { lost, former: formerOf(chunk, orderKey) })
    if (computed === null) continue
    const { revision, journey, entries } = computed
    orders.push(revision)
    for (const credited of entries) {
      for (const row of toRows({ orderKey, orderedAtUs, journey }, credited)) {
        addRow(batch, row)
        if (!isFull(batch)) continue
        await writing.add(insertCredits(tx, publication, toSend(batch, rowType)))
        batch = createBatch(models.length)
      }
    }
    const counted = { ...revision, money: revision.totals }
    noteChange(done, { orderKey, pointer, now: { revision: publication.number, day: dayOf(orderedAtUs), counted } })
  }
  if (!isEmpty(batch)) await writing.add(insertCredits(tx, publication, toSend(batch, rowType)))
  if (orders.length > 0) await writing.add(setOrders(tx, publication, orders))
  const left = [...gone].flatMap((orderKey) => chunk.pointers.get(orderKey) ?? [])
  for (const pointer of left) noteChange(done, { orderKey: pointer.orderKey, pointer, now: null })
  if (left.length > 0) {
    const orderKeys = left.map(({ orderKey }) => orderKey)
    await writing.add(deleteOrders(tx, publication, orderKeys))
  }
}

function formerOf({ pointers, formerPointers }: Chunk, orderKey: string): FormerOrder | undefined {
  const known = formerPointers.get(orderKey)
  return pointers.get(orderKey) ?? (known && { identityTier: known.identityTier, inputSha256: null })
}

interface Change {
  orderKey: string
  /** What held so far. */
  pointer: Pointer | undefined
  /** What holds from now on, on a day that may be another one; null: it is no order any more. */
  now: { revision: number; day: string; counted: CountedOrder } | null
}

function noteChange(done: Done, { orderKey, pointer, now }: Change): void {
  const days = new Set<DaySums>()
  if (pointer !== undefined) {
    const former = sumsOf(done, dayOf(pointer.orderedAt.getTime() * US_PER_MS))
    days.add(former)
    addOrder(former, pointer, -1)
    done.moved.push({ orderKey, revision: pointer.revision, sign: -1 })
  }
  if (now !== null) {
    const sums = sumsOf(done, now.day)
    days.add(sums)
    addOrder(sums, now.counted, 1)
    done.moved.push({ orderKey, revision: now.revision, sign: 1 })
  }
  for (const sums of days) sums.changed += 1
  done.orders += 1
}

function sumsOf({ days, models }: Done, day: string): DaySums {
  const known = days.get(day)
  if (known !== undefined) return known
  const sums = createDaySums(models)
  days.set(day, sums)
  return sums
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
