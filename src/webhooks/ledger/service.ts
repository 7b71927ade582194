import { requestPublication } from '../../attribution/recompute/service.ts'
import type { TenantContext } from '../../context.ts'
import { isConstraintError } from '../../db/errors.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { attributionContextOf, toOrderTouches } from '../../events/channels/order-touches.ts'
import { getChannelRules } from '../../events/channels/service.ts'
import { storeTouchpoints } from '../../events/touchpoints.ts'
import { enqueue } from '../../queue/job.ts'
import { comesFirst, type MaybeJob } from '../../queue/once.ts'
import { recordDeadEvent } from '../ingest/queries.ts'
import { obeyPrivacyRequest } from '../jobs.ts'
import { type CanonicalEvent, toCanonicalEvents } from '../normalize/canonical-event.ts'
import { DeadDelivery } from '../normalize/dead-delivery.ts'
import { orderPartsOf } from '../normalize/order-parts.ts'
import { POLLED } from '../poll/lister.ts'
import { forgetErased } from '../privacy/erase.ts'
import { isPrivacyTopic } from '../privacy/request.ts'
import { findUncounted, groupKeyOf, type Link, MAX_LINKED_ORDERS } from './count-once.ts'
import { impliedByWholes } from './lists.ts'
import { orderStateOf, type Transition, transitionsOf } from './order-state.ts'
import {
  getEvents,
  insertCanonicalEvents,
  insertLedgerEntry,
  insertOrderFact,
  insertOrderParts,
  listBooked,
  listGroupEntries,
  listLinkedOrders,
  listMovements,
  listStatements,
  lockOrders,
  replaceGroup,
  type StoredEvent,
  tryLockOrders,
} from './queries.ts'
import { contradicts, correctionsOf, wantedEntries } from './settle.ts'
import type { Statement } from './statement.ts'

/**
 * Reads the canonical events out of stored deliveries and enters them: what an order is, and what money moved. Entering
 * twice has the effect of once, and the order of the deliveries none. What contradicts the ledger, or cannot be entered,
 * becomes a dead event.
 */
export async function normalizeEvents(ctx: TenantContext & MaybeJob, eventIds: string[]): Promise<void> {
  const events = await inTenant(ctx.db.main, ctx, (tx) => getEvents(tx, ctx.tenantId, eventIds))
  for (const event of events) await normalizeOne(ctx, event)
  await forgetErased(ctx, events)
}

async function normalizeOne(ctx: TenantContext & MaybeJob, event: StoredEvent): Promise<void> {
  if (isPrivacyTopic(event.vendor, event.topic)) {
    const { eventId } = event
    return inTenant(ctx.db.ingest, ctx, async (tx) => {
      if (await comesFirst(tx, ctx, 'obey')) await enqueue(tx, obeyPrivacyRequest, ctx, { eventId })
    })
  }
  let canonical: CanonicalEvent[]
  try {
    canonical = toCanonicalEvents(event)
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    await bury(ctx, event, error)
    return
  }
  if (canonical.length === 0 && orderPartsOf(event) === null) return
  let contradiction: string | null
  try {
    contradiction = await enterAlone(ctx, event, canonical)
  } catch (error) {
    if (!isConstraintError(error)) throw error
    ctx.log.warn({ err: error, eventId: event.eventId }, 'a stored delivery cannot be entered')
    const detail = 'A value of this delivery is outside of what the ledger can hold.'
    await bury(ctx, event, { class: 'poison', code: 'out_of_bounds', detail })
    return
  }
  if (contradiction === null) return
  await bury(ctx, event, { class: 'conflict', code: 'contradicts_ledger', detail: contradiction })
}

/** Somebody else enters what belongs to the same order, and only now it is known that it does. */
class JoinedMeanwhile extends Error {
  override name = 'JoinedMeanwhile'
}

/** How often it may become known anew that an order has more keys than were held. */
const MAX_ATTEMPTS = 5

async function enterAlone(
  ctx: TenantContext,
  event: StoredEvent,
  canonical: readonly CanonicalEvent[],
): Promise<string | null> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await inTenant(ctx.db.ingest, ctx, (tx) => enter(tx, ctx, event, canonical))
    } catch (error) {
      // Nothing was entered. The next attempt holds all keys from the start; the queue makes more of them.
      if (!(error instanceof JoinedMeanwhile) || attempt === MAX_ATTEMPTS) throw error
    }
  }
}

/**
 * All of a delivery, in one transaction with the publication that it calls for. What contradicts the ledger, or null: it is
 * told, and the books are the same as if it had come first.
 */
export async function enter(
  tx: Tx,
  ctx: TenantContext,
  event: StoredEvent,
  canonical: readonly CanonicalEvent[],
): Promise<string | null> {
  const { tenantId } = ctx
  const parts = orderPartsOf(event)
  const own = unique([...canonical.flatMap(({ orderKey, sameAs }) => [orderKey, sameAs]), parts?.orderKey ?? null])
  const held = new Set(await lockOrders(tx, tenantId, own))
  await insertCanonicalEvents(tx, tenantId, event.eventId, canonical)
  const joined = await joinOrders(tx, tenantId, own, held)
  await enterOrder(tx, ctx, event, canonical)
  if (parts !== null) await insertOrderParts(tx, tenantId, event.eventId, parts)
  const { contradiction, others } = await enterMoney(tx, ctx, event, canonical, { own: joined?.orderKeys ?? own, held })
  const groups = [joined, ...(await joinEach(tx, tenantId, others, held))]
  for (const group of groups) if (group !== null && group.orderKeys.length > 1) await countOnce(tx, tenantId, group)
  await requestPublication(tx, ctx)
  if (joined === null) return 'So many orders have a name of this one that it cannot be joined with them.'
  return contradiction === null
    ? null
    : `The entry ${contradiction} is in the ledger with another amount, currency, order or outcome.`
}

interface Joined {
  orderKeys: string[]
  links: Link[]
}

/** The keys of this order by all that is known now, each held; null when there are more than an order can have. Throws JoinedMeanwhile. */
async function joinOrders(tx: Tx, tenantId: string, own: readonly string[], held: Set<string>): Promise<Joined | null> {
  for (;;) {
    const joined = await listLinkedOrders(tx, tenantId, own)
    if (joined.orderKeys.length > MAX_LINKED_ORDERS) return null
    // Another transaction may have joined more of them before this one held its own.
    if (joined.orderKeys.every((orderKey) => held.has(orderKey))) return joined
    await holdAlso(tx, tenantId, joined.orderKeys, held)
  }
}

async function holdAlso(tx: Tx, tenantId: string, orderKeys: readonly string[], held: Set<string>): Promise<void> {
  const others = orderKeys.filter((orderKey) => !held.has(orderKey))
  if (others.length === 0) return
  if (!(await tryLockOrders(tx, tenantId, others))) throw new JoinedMeanwhile('the order has more keys by now')
  for (const orderKey of others) held.add(orderKey)
}

async function joinEach(
  tx: Tx,
  tenantId: string,
  orderKeys: readonly string[],
  held: Set<string>,
): Promise<(Joined | null)[]> {
  const groups = []
  for (const orderKey of orderKeys) groups.push(await joinOrders(tx, tenantId, [orderKey], held))
  return groups
}

/** That there is an order, and how its buyer came. A payment is the proof of one, too. */
async function enterOrder(
  tx: Tx,
  ctx: TenantContext,
  event: StoredEvent,
  canonical: readonly CanonicalEvent[],
): Promise<void> {
  const created = canonical.filter(({ type }) => type === 'order_created')
  const known = new Set(created.map(({ orderKey }) => orderKey))
  const paid = canonical.filter(
    ({ type, orderKey, amountMinor, counts }) =>
      type === 'payment_captured' && counts && amountMinor !== 0n && !known.has(orderKey),
  )
  for (const { orderKey, currency, occurredAt, identity } of [...created, ...paid]) {
    if (currency === null) continue
    await insertOrderFact(tx, ctx.tenantId, event.eventId, { orderKey, currency, orderedAt: occurredAt, identity })
  }
  const raw = attributionContextOf(event.vendor, event.topic, event.payload)
  const [order] = created
  if (order === undefined || raw.length === 0) return
  const rules = await getChannelRules(tx, ctx.tenantId)
  const { orderKey, occurredAt: orderedAt } = order
  await storeTouchpoints(tx, ctx, 'order', toOrderTouches(raw, { orderKey, orderedAt, rules }))
}

interface Entered {
  /** The key of the first entry that the delivery contradicts, or null. */
  contradiction: string | null
  /** Orders beside its own, of which the entries are too: another delivery names another order. */
  others: string[]
}

/** What the entries that the delivery is about, or bears on, shall be by all that is said of them. Throws JoinedMeanwhile. */
async function enterMoney(
  tx: Tx,
  ctx: TenantContext,
  event: StoredEvent,
  canonical: readonly CanonicalEvent[],
  { own, held }: { own: readonly string[]; held: Set<string> },
): Promise<Entered> {
  const { tenantId } = ctx
  const { eventId, vendor } = event
  const money = canonical.filter(({ entryKey }) => entryKey !== null)
  if (money.length === 0) return { contradiction: null, others: [] }
  const disputeKeys = unique(
    money.map(({ type, entryKey, disputeKey }) => (type === 'payment_disputed' ? entryKey : disputeKey)),
  )
  const entryKeys = unique([...money.map(({ entryKey }) => entryKey), ...disputeKeys])
  const said = await listStatements(tx, tenantId, { eventId, entryKeys, disputeKeys })
  const others = unique(said.map(({ orderKey }) => orderKey)).filter((orderKey) => !own.includes(orderKey))
  await holdAlso(tx, tenantId, others, held)
  const wanted = wantedEntries(said)
  const booked = await listBooked(
    tx,
    tenantId,
    wanted.map(({ entryKey }) => entryKey),
  )
  const source = event.externalId.startsWith(POLLED) ? 'poll' : 'webhook'
  for (const entry of wanted) {
    const known = booked.find(({ entryKey }) => entryKey === entry.entryKey)
    for (const row of correctionsOf(entry, known)) {
      // Another transaction has entered it for another order, and only now it is known what it says.
      if (!(await insertLedgerEntry(tx, tenantId, { vendor, source }, row)))
        throw new JoinedMeanwhile('the entry is of another order, too')
    }
  }
  return { contradiction: findContradiction(said, eventId, new Set(own)), others }
}

/** The key of the first entry of which the event says otherwise than another one, and nothing says which of them holds. */
function findContradiction(said: readonly Statement[], eventId: string, own: ReadonlySet<string>): string | null {
  const all = [...said.filter(({ list }) => list !== 'whole'), ...impliedByWholes(said)]
  const found = all.find((one) => {
    if (one.eventId !== eventId) return false
    const same = all.filter((other) => other.entryKey === one.entryKey)
    return contradicts(one, same) || same.some(({ orderKey }) => !own.has(orderKey))
  })
  return found?.entryKey ?? null
}

/** An order that deliveries tell of by several keys goes by one of them, and its money counts once. */
async function countOnce(tx: Tx, tenantId: string, { orderKeys, links }: Joined): Promise<void> {
  const { entries, members } = await listGroupEntries(tx, tenantId, orderKeys)
  if (members.length < 2) return
  const uncounted = findUncounted(entries, links)
  await replaceGroup(tx, tenantId, { groupKey: groupKeyOf(members), orderKeys: members, uncounted })
}

export interface OrderHistory {
  /** The key that the order goes by, where several vendors know it. */
  orderKey: string
  /** Of api-contracts/governance/ledger-states.yaml. */
  state: string
  transitions: Transition[]
}

/** The money state of an order and how it came to it; null for an order that no delivery has told of. */
export async function findOrderHistory(ctx: TenantContext, orderKey: string): Promise<OrderHistory | null> {
  const [found] = await inTenant(ctx.db.main, ctx, (tx) => listMovements(tx, ctx.tenantId, [orderKey]))
  if (found === undefined) return null
  const [groupKey, movements] = found
  return { orderKey: groupKey, state: orderStateOf(movements), transitions: transitionsOf(movements) }
}

function bury(
  ctx: TenantContext,
  event: StoredEvent,
  reason: Pick<DeadDelivery, 'class' | 'code' | 'detail'>,
): Promise<string> {
  const { vendor, endpointId, externalId, topic, bodySha256, payload } = event
  return inTenant(ctx.db.ingest, ctx, (tx) =>
    recordDeadEvent(tx, {
      tenantId: ctx.tenantId,
      vendor,
      endpointId,
      externalId,
      topic,
      class: reason.class,
      code: reason.code,
      detail: reason.detail,
      bodySha256,
      payload,
      sealedBody: null,
      correlationId: ctx.correlationId,
    }),
  )
}

function unique(keys: readonly (string | null)[]): string[] {
  return [...new Set(keys.filter((key) => key !== null))]
}
