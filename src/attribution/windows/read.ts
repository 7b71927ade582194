import { compare } from '../../compare.ts'
import type { Tx } from '../../db/tenant.ts'
import { readCutoff } from '../engine/changes/queries.ts'
import { type SetTransform, transformJourney } from '../transforms/registry.ts'
import type { JourneyRow } from './journeys.ts'
import { openJourneys } from './open-journeys.ts'
import {
  listOrders,
  listOrderTouches,
  listVisitors,
  listVisitorTouches,
  type OrderRow,
  sumCredits,
  type WindowSpan,
} from './queries.ts'
import type { LedgerChannel, WindowTotals } from './rows.ts'
import type { ReportWindow } from './window.ts'

/** Orders and touches that one statement reads: each takes a fraction of a second. */
const CHUNK_ORDERS = 5_000
const CHUNK_TOUCHES = 50_000
const US_PER_MS = 1_000
const DAY_US = 86_400_000_000

/** How the figures of an edition are made. */
export interface ReadOptions {
  editionId: string
  lookbackDays: number
  pathTransform: SetTransform
  /** In the arrays of its credits. */
  models: number
}

export interface ReadWindow {
  /** A moment before which everything that was committed was seen. */
  dataCutoff: Date
  /** In the order of `WindowJourneys`. */
  journeys: JourneyRow[]
  /** By channel. */
  ledger: LedgerChannel[]
  totals: WindowTotals
}

/**
 * The journeys of a window as `WindowJourneys` defines them, what the credits of its orders say, and their totals: in parts, so in a
 * transaction that sees the same data throughout.
 */
export async function readWindow(
  tx: Tx,
  tenantId: string,
  window: ReportWindow & WindowSpan & ReadOptions,
): Promise<ReadWindow> {
  const dataCutoff = await readCutoff(tx)
  const near = await listOrders(tx, tenantId, window)
  const [startsUs, endsUs] = [window.startsAt.getTime() * US_PER_MS, window.endsAt.getTime() * US_PER_MS]
  const counted = near.filter(
    (order) => order.netMinor !== null && order.orderedAtUs >= startsUs && order.orderedAtUs < endsUs,
  )
  const visitors = await readVisitors(tx, tenantId, near)
  const { rows, ledger } = await readOrders(tx, tenantId, window, { counted, visitors })
  const open = await readOpen(tx, tenantId, window, { near, visitors, startsUs })
  const attributed = new Set(rows.map(({ orderKey }) => orderKey))
  const netOf = (orders: readonly OrderRow[]) => orders.reduce((sum, { netMinor }) => sum + BigInt(netMinor ?? 0), 0n)
  return {
    dataCutoff,
    journeys: [...rows, ...open].sort(inOrder).map(({ row }) => row),
    ledger,
    totals: {
      orders: counted.length,
      attributedOrders: attributed.size,
      netMinor: netOf(counted),
      attributedMinor: netOf(counted.filter(({ orderKey }) => attributed.has(orderKey))),
    },
  }
}

/** Hexadecimal identities by the key of their order. */
type Visitors = ReadonlyMap<string, string>

async function readVisitors(tx: Tx, tenantId: string, orders: readonly OrderRow[]): Promise<Visitors> {
  const visitors = new Map<string, string>()
  for (const chunk of chunksOf(orders)) {
    const found = await listVisitors(
      tx,
      tenantId,
      chunk.map(({ orderKey }) => orderKey),
    )
    for (const { orderKey, identity } of found) visitors.set(orderKey, identity)
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
  window: ReportWindow & ReadOptions,
  { counted, visitors }: { counted: readonly OrderRow[]; visitors: Visitors },
): Promise<{ rows: Sortable[]; ledger: LedgerChannel[] }> {
  const { editionId, models } = window
  const rows: Sortable[] = []
  const ledger = new Map<string, LedgerChannel>()
  for (const chunk of chunksOf(counted)) {
    const [touched, sums] = await Promise.all([
      listOrderTouches(tx, { tenantId, editionId }, chunk),
      sumCredits(tx, { tenantId, editionId, models }, window, chunk),
    ])
    const orders = new Map(chunk.map((order) => [order.orderKey, order]))
    for (const { orderKey, channels, touchedAtUs } of touched) {
      const { orderedAtUs, netMinor } = orders.get(orderKey) as OrderRow
      const identity = visitors.get(orderKey)
      const row = { unit: identity ?? orderKey, orderedAtUs, valueMinor: Number(netMinor), channels, touchedAtUs }
      rows.push({ row, isKnown: identity !== undefined, atUs: orderedAtUs, orderKey })
    }
    for (const channel of sums) addTo(ledger, channel)
  }
  return { rows, ledger: [...ledger.values()].sort((a, b) => compare(a.channel, b.channel)) }
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
  const lookbackUs = lookbackDays * DAY_US
  const from = new Date(startsAt.getTime() - lookbackUs / US_PER_MS)
  const rows: Sortable[] = []
  let after = ''
  for (;;) {
    const chunk = await listVisitorTouches(tx, tenantId, { after, from, until: endsAt, touches: CHUNK_TOUCHES })
    for (const { identity: unit, channels, touchedAtUs } of chunk) {
      const times = touchedAtUs.split(',')
      const touches = channels.split(',').map((channel, place) => ({ channel, atUs: Number(times[place]) }))
      for (const journey of openJourneys(touches, ordersUs.get(unit) ?? [], { startsUs, lookbackUs })) {
        const atUs = journey.at(-1)?.atUs ?? 0
        const names = transformJourney(pathTransform, journey)
          .map(({ channel }) => channel)
          .join()
        const row = { unit, orderedAtUs: null, valueMinor: 0, channels: names, touchedAtUs: '' }
        rows.push({ row, isKnown: true, atUs, orderKey: '' })
      }
    }
    const last = chunk.at(-1)
    if (last === undefined) return rows
    after = last.identity
  }
}

function chunksOf(orders: readonly OrderRow[]): OrderRow[][] {
  return Array.from({ length: Math.ceil(orders.length / CHUNK_ORDERS) }, (_, index) =>
    orders.slice(index * CHUNK_ORDERS, (index + 1) * CHUNK_ORDERS),
  )
}
