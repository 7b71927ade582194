import type { Vendor } from '../../src/context.ts'
import { findUncounted, type GroupEntry, type Link } from '../../src/webhooks/ledger/count-once.ts'
import { type Movement, orderStateOf } from '../../src/webhooks/ledger/order-state.ts'
import { type BookedEntry, correctionsOf, type NewEntry, wantedEntries } from '../../src/webhooks/ledger/settle.ts'
import type { Statement } from '../../src/webhooks/ledger/statement.ts'
import type { CanonicalEvent } from '../../src/webhooks/normalize/canonical-event.ts'
import { DeadDelivery } from '../../src/webhooks/normalize/dead-delivery.ts'
import { eventsOf, type Sent } from './readings.ts'

/** A delivery as its vendor sends it, and what is read out of it; none where it is dead. */
export interface Told extends Sent {
  vendor: Vendor
  body: string
  events: CanonicalEvent[]
}

export function told(vendor: Vendor, body: object, sent: Sent = {}): Told {
  const text = JSON.stringify(body)
  try {
    return { vendor, body: text, ...sent, events: eventsOf(vendor, text, sent) }
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    return { vendor, body: text, ...sent, events: [] }
  }
}

/** What the books say at the end, whatever the way there. */
export interface Closing {
  /** Minor units of what counts, by currency; without those in which it is 0. */
  net: Record<string, bigint>
  /** Each entry that says something, by order and currency, and whether it counts. */
  entries: string[]
  /** By each order's first key. */
  states: string[]
}

/** Enters deliveries one after the other as the service does, with a ledger that is only added to. */
export function enterInMemory(deliveries: readonly Told[]): Closing {
  const rows: NewEntry[] = []
  const said = new Map<Told, Statement[]>()
  for (const [index, delivery] of deliveries.entries()) {
    const statements = delivery.events.flatMap((event): Statement[] =>
      event.entryKey === null ? [] : [{ ...event, entryKey: event.entryKey, eventId: String(index) }],
    )
    if (!said.has(delivery)) said.set(delivery, statements)
    for (const wanted of wantedEntries([...said.values()].flat())) {
      rows.push(...correctionsOf(wanted, bookedIn(rows, wanted.entryKey)))
    }
  }
  if (new Set(rows.map(({ entryKey }) => entryKey)).size < rows.length) throw new Error('two rows have one key')
  if (rows.some(({ amountMinor }) => amountMinor === 0n)) throw new Error('a row of nothing')
  return close(
    rows,
    deliveries.flatMap(({ events }) => events),
    [...said.values()].flat(),
  )
}

function bookedIn(rows: readonly NewEntry[], entryKey: string): BookedEntry | undefined {
  const own = rows.filter((row) => (row.correctsEntryKey ?? row.entryKey) === entryKey)
  return own.length === 0 ? undefined : { entryKey, rows: own.length, sums: netsOf(own) }
}

function netsOf(rows: readonly NewEntry[]): GroupEntry[] {
  const entryKeyOf = ({ correctsEntryKey, entryKey }: NewEntry) => correctsEntryKey ?? entryKey
  const groups = Map.groupBy(rows, (row) => [entryKeyOf(row), row.orderKey, row.currency].join(' '))
  return [...groups.values()]
    .map(([first, ...others]) => {
      const { orderKey, kind, currency, reversesEntryKey } = first as NewEntry
      const amountMinor = others.reduce((sum, row) => sum + row.amountMinor, (first as NewEntry).amountMinor)
      return { entryKey: entryKeyOf(first as NewEntry), orderKey, kind, currency, reversesEntryKey, amountMinor }
    })
    .filter(({ amountMinor }) => amountMinor !== 0n)
}

function close(
  rows: readonly NewEntry[],
  events: readonly CanonicalEvent[],
  statements: readonly Statement[],
): Closing {
  const links = events.flatMap(({ orderKey, sameAs }): Link[] => (sameAs === null ? [] : [[orderKey, sameAs]]))
  const orders = ordersOf(new Set(events.map(({ orderKey }) => orderKey)), links)
  const nets = netsOf(rows)
  const uncounted = new Set(
    orders.flatMap((keys) => (keys.length < 2 ? [] : findUncounted(nets.filter(inOrder(keys)), links))),
  )
  const net: Record<string, bigint> = {}
  for (const { entryKey, currency, amountMinor } of nets)
    if (!uncounted.has(entryKey)) net[currency] = (net[currency] ?? 0n) + amountMinor
  return {
    net: Object.fromEntries(Object.entries(net).filter(([, amountMinor]) => amountMinor !== 0n)),
    entries: nets
      .map(({ entryKey, orderKey, kind, amountMinor, currency }) =>
        [entryKey, orderKey, kind, amountMinor, currency, uncounted.has(entryKey) ? 'not counted' : ''].join(' '),
      )
      .sort(),
    states: orders.map((keys) => {
      const counted = nets.filter(inOrder(keys)).filter(({ entryKey }) => !uncounted.has(entryKey))
      const ends = statements.filter(
        ({ type, disputeKey }) => type === 'dispute_closed' && !uncounted.has(disputeKey ?? ''),
      )
      const cancelled = events.filter(({ type }) => type === 'order_cancelled')
      return `${keys[0]} ${orderStateOf(movementsOf(counted, ends.filter(inOrder(keys)), cancelled.filter(inOrder(keys))))}`
    }),
  }
}

function movementsOf(
  entries: readonly GroupEntry[],
  ends: readonly Statement[],
  cancelled: readonly CanonicalEvent[],
): Movement[] {
  const TYPES = { capture: 'payment_captured', refund: 'payment_refunded', dispute: 'payment_disputed' } as const
  const still = { disputeKey: null, outcome: null, amountMinor: 0n, occurredAt: new Date(0) }
  const moved = entries.flatMap(({ kind, entryKey, amountMinor }): Movement[] =>
    kind === 'dispute_reversal'
      ? []
      : [
          {
            ...still,
            type: TYPES[kind],
            disputeKey: kind === 'dispute' ? entryKey : null,
            amountMinor: amountMinor < 0n ? -amountMinor : amountMinor,
          },
        ],
  )
  const ended = [...Map.groupBy(ends, ({ disputeKey }) => disputeKey)].map(([disputeKey, own]): Movement => {
    const at = ({ versionAt }: Statement) => versionAt?.getTime() ?? -1
    const [last] = own.toSorted((a, b) => at(b) - at(a) || (a.outcome === 'lost' ? -1 : 1))
    return { ...still, type: 'dispute_closed', disputeKey, outcome: last?.outcome ?? null }
  })
  return [...moved, ...ended, ...cancelled.map((): Movement => ({ ...still, type: 'order_cancelled' }))]
}

function inOrder(keys: readonly string[]) {
  return ({ orderKey }: { orderKey: string }) => keys.includes(orderKey)
}

/** Keys that links join, directly or over others; each order and its keys sorted. */
function ordersOf(keys: ReadonlySet<string>, links: readonly Link[]): string[][] {
  const orders = new Map([...keys, ...links.flat()].map((key) => [key, new Set([key])]))
  for (const [a, b] of links) {
    const all = new Set([...(orders.get(a) ?? []), ...(orders.get(b) ?? [])])
    for (const key of all) orders.set(key, all)
  }
  return [...new Set(orders.values())].map((all) => [...all].filter((key) => keys.has(key)).sort()).sort()
}
