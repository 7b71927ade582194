import { compare } from '../../compare.ts'
import type { Tx } from '../../db/tenant.ts'
import { readCutoff } from '../engine/changes/queries.ts'
import { type SetTransform, transformJourney } from '../transforms/registry.ts'
import type { JourneyRow } from './journeys.ts'
import { openJourneys } from './open-journeys.ts'
import {
  closeVisitorTouches,
  fetchVisitorTouches,
  listIdentities,
  listMembers,
  listOrders,
  listOrderTouches,
  listSortedChannels,
  type OrderRow,
  type OrderTouches,
  openVisitorTouches,
  prepareToRead,
  sumCredits,
  type WindowSpan,
} from './queries.ts'
import type { LedgerChannel, WindowTotals } from './rows.ts'
import { readTimes } from './times.ts'
import type { ReportWindow } from './window.ts'

/** Orders and visitors that one statement reads: each takes a fraction of a second. */
const CHUNK_ORDERS = 10_000
const CHUNK_VISITORS = 5_000
const US_PER_MS = 1_000
const DAY_US = 86_400_000_000
const NO_TIMES: readonly number[] = []

/** How the figures of an edition are made. */
export interface ReadOptions {
  editionId: string
  lookbackDays: number
  pathTransform: SetTransform
}

export interface ReadWindow {
  /** A moment before which everything that was committed was seen. */
  dataCutoff: Date
  /** In the order of `WindowJourneys`. */
  journeys: JourneyRow[]
  totals: WindowTotals
  /** That the totals count. */
  orders: OrderRow[]
}

/**
 * The journeys of a window as `WindowJourneys` defines them and the totals of its orders: in parts, so in a transaction that sees
 * the same data throughout.
 */
export async function readWindow(
  tx: Tx,
  tenantId: string,
  window: ReportWindow & WindowSpan & ReadOptions,
): Promise<ReadWindow> {
  await prepareToRead(tx)
  const dataCutoff = await readCutoff(tx)
  const near = await listOrders(tx, tenantId, window)
  const [startsUs, endsUs] = [window.startsAt.getTime() * US_PER_MS, window.endsAt.getTime() * US_PER_MS]
  const orders = near.filter(
    (order) => order.netMinor !== null && order.orderedAtUs >= startsUs && order.orderedAtUs < endsUs,
  )
  const visitors = await readVisitors(tx, tenantId, near)
  // While parts of one are taken in, the database looks for those of the other.
  const [rows, open] = await Promise.all([
    readOrders(tx, tenantId, window.editionId, { orders, visitors }),
    readOpen(tx, tenantId, window, { near, visitors, startsUs }),
  ])
  const attributed = new Set(rows.map(({ orderKey }) => orderKey))
  const netOf = (some: readonly OrderRow[]) => some.reduce((sum, { netMinor }) => sum + BigInt(netMinor ?? 0), 0n)
  return {
    dataCutoff,
    journeys: rows
      .concat(open)
      .sort(inOrder)
      .map(({ row }) => row),
    totals: {
      orders: orders.length,
      attributedOrders: attributed.size,
      netMinor: netOf(orders),
      attributedMinor: netOf(orders.filter(({ orderKey }) => attributed.has(orderKey))),
    },
    orders,
  }
}

/** What the credits of these orders of a window say, by channel; in the transaction that read them. */
export async function readLedger(
  tx: Tx,
  tenantId: string,
  { models, ...window }: ReportWindow & { editionId: string; models: number },
  orders: readonly OrderRow[],
): Promise<LedgerChannel[]> {
  const { editionId } = window
  const ledger = new Map<string, LedgerChannel>()
  for (const chunk of chunksOf(orders)) {
    const sums = await sumCredits(tx, { tenantId, editionId, models }, window, chunk)
    for (const channel of sums) addTo(ledger, channel)
  }
  return [...ledger.values()].sort((a, b) => compare(a.channel, b.channel))
}

/** Hexadecimal identities by each key of their order. */
type Visitors = ReadonlyMap<string, string>

async function readVisitors(tx: Tx, tenantId: string, orders: readonly OrderRow[]): Promise<Visitors> {
  const visitors = new Map<string, string>()
  for (const chunk of chunksOf(orders)) {
    const keys = chunk.map(({ orderKey }) => orderKey)
    const members = await listMembers(tx, tenantId, keys)
    const orderOf = new Map(members.map(({ orderKey, member }) => [member, orderKey]))
    const found = await listIdentities(tx, tenantId, [...keys, ...orderOf.keys()])
    for (const { key, identity } of found) {
      for (const orderKey of new Set([key, orderOf.get(key) ?? key])) {
        const known = visitors.get(orderKey)
        if (known === undefined || identity < known) visitors.set(orderKey, identity)
      }
    }
  }
  return visitors
}

/** A journey with what it is sorted by. */
interface Sortable {
  row: JourneyRow
  isKnown: boolean
  /** Of its order, or its last touch: microseconds since 1970. */
  atUs: number
  /** Empty where there is no order. */
  orderKey: string
}

function inOrder(a: Sortable, b: Sortable): number {
  return (
    Number(b.isKnown) - Number(a.isKnown) ||
    compare(a.row.unit, b.row.unit) ||
    Number(a.orderKey === '') - Number(b.orderKey === '') ||
    a.atUs - b.atUs ||
    compare(a.orderKey, b.orderKey)
  )
}

async function readOrders(
  tx: Tx,
  tenantId: string,
  editionId: string,
  { orders, visitors }: { orders: readonly OrderRow[]; visitors: Visitors },
): Promise<Sortable[]> {
  const rows: Sortable[] = []
  for (const chunk of chunksOf(orders)) {
    const orderOf = new Map(chunk.map((order) => [order.orderKey, order]))
    let last: OrderTouches | undefined
    let touchedAtUs: number[] = []
    for (const part of await listOrderTouches(tx, { tenantId, editionId }, chunk)) {
      const { orderKey, entryKey, channels, touchedAt } = part
      if (last?.orderKey !== orderKey) {
        last = part
        const { orderedAtUs, netMinor } = orderOf.get(orderKey) as OrderRow
        const identity = visitors.get(orderKey)
        touchedAtUs = readTimes(touchedAt)
        const row = { unit: identity ?? orderKey, orderedAtUs, valueMinor: Number(netMinor), channels, touchedAtUs }
        rows.push({ row, isKnown: identity !== undefined, atUs: orderedAtUs, orderKey })
      } else if (last.entryKey === entryKey) {
        ;(rows.at(-1) as Sortable).row.channels += `,${channels}`
        for (const atUs of readTimes(touchedAt)) touchedAtUs.push(atUs)
      }
    }
  }
  return rows
}

function addTo(ledger: Map<string, LedgerChannel>, { channel, conversionMicro, revenueMinor }: LedgerChannel): void {
  const known = ledger.get(channel)
  const plus = (amounts: readonly bigint[], former: readonly bigint[] | undefined) =>
    amounts.map((amount, model) => amount + (former?.[model] ?? 0n))
  ledger.set(channel, {
    channel,
    conversionMicro: plus(conversionMicro, known?.conversionMicro),
    revenueMinor: plus(revenueMinor, known?.revenueMinor),
  })
}

async function readOpen(
  tx: Tx,
  tenantId: string,
  { startsAt, endsAt, lookbackDays, pathTransform }: WindowSpan & ReadOptions,
  { near, visitors, startsUs }: { near: readonly OrderRow[]; visitors: Visitors; startsUs: number },
): Promise<Sortable[]> {
  const ordersUs = new Map<string, number[]>()
  for (const { orderKey, orderedAtUs } of near) {
    const identity = visitors.get(orderKey)
    if (identity === undefined) continue
    const known = ordersUs.get(identity)
    if (known === undefined) ordersUs.set(identity, [orderedAtUs])
    else known.push(orderedAtUs)
  }
  const span = { startsUs, lookbackUs: lookbackDays * DAY_US }
  const from = new Date(startsAt.getTime() - span.lookbackUs / US_PER_MS)
  const rows: Sortable[] = []
  await openVisitorTouches(tx, tenantId, { from, until: endsAt })
  for (;;) {
    const chunk = await fetchVisitorTouches(tx, CHUNK_VISITORS)
    if (chunk.length === 0) break
    const open = chunk.flatMap((visitor) => {
      const touchesUs = readTimes(visitor.touchedAt)
      const journeys = openJourneys(touchesUs, ordersUs.get(visitor.identity) ?? [], span)
      return journeys.length === 0 ? [] : [{ visitor, touchesUs, journeys }]
    })
    const unclear = open.filter(hasEqualTimes).map(({ visitor }) => visitor.identity)
    const asked = { identities: unclear, from, until: endsAt }
    const sorted = unclear.length === 0 ? [] : await listSortedChannels(tx, tenantId, asked)
    const channelsOf = new Map(sorted.map(({ identity, channels }) => [identity, channels]))
    for (const { visitor, touchesUs, journeys } of open) {
      const unit = visitor.identity
      const channels = (channelsOf.get(unit) ?? visitor.channels).split(',')
      for (const places of journeys) {
        const journey = places.map((place) => ({ channel: channels[place] as string }))
        const names = transformJourney(pathTransform, journey)
          .map(({ channel }) => channel)
          .join()
        const atUs = touchesUs[places.at(-1) as number] as number
        const row = { unit, orderedAtUs: null, valueMinor: 0, channels: names, touchedAtUs: NO_TIMES }
        rows.push({ row, isKnown: true, atUs, orderKey: '' })
      }
    }
  }
  await closeVisitorTouches(tx)
  return rows
}

/** So that the order of their channels is not known. */
function hasEqualTimes({ touchesUs }: { touchesUs: readonly number[] }): boolean {
  return touchesUs.some((touchUs, place) => place > 0 && touchUs === touchesUs[place - 1])
}

function chunksOf(orders: readonly OrderRow[]): OrderRow[][] {
  return Array.from({ length: Math.ceil(orders.length / CHUNK_ORDERS) }, (_, index) =>
    orders.slice(index * CHUNK_ORDERS, (index + 1) * CHUNK_ORDERS),
  )
}
