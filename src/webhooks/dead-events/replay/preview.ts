import type { TenantContext } from '../../../context.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import { lockOrders } from '../../ledger/queries.ts'
import { joinAll } from './components.ts'
import { type Judged, judge, READ_AT_ONCE } from './kept.ts'
import {
  listDirectLinks,
  listOrdersOfEntries,
  listPending,
  type Outcome,
  type PendingFilter,
  type Sums,
  sumOrders,
  tryHoldPreview,
} from './queries.ts'
import type { Judgement, KeptEvent } from './read-again.ts'
import { MAX_MATCHED, requireSpan } from './service.ts'
import { takeAgain } from './take-again.ts'

/** Beyond this somebody waits in vain: the answer is a narrower filter. */
const TIME_LIMIT_MS = 20_000
/** Dead events in one transaction that is undone: it holds their orders for as long as it takes. */
const BATCH = 50
/** Another transaction may hold an order; it is not waited for longer than this. */
const RETRY_AFTER_S = 5

export interface ReplayPreview {
  matched: number
  recovered: number
  duplicates: number
  stillDead: number
  /** After less before, for each currency in which something changes, by its code. */
  changes: Sums[]
}

/**
 * What a run would do to what counts as revenue, found by doing it: the same code in transactions that are undone. Dead
 * events that may bear on each other (of one order, by whatever name, one movement or one delivery) share a transaction,
 * so that the sum over all is what the run gives. Throws `validation_failed` where it takes longer than 20 seconds, and
 * `rate_limited` while another one of the tenant is at work.
 */
export async function previewReplay(asked: TenantContext, filter: PendingFilter): Promise<ReplayPreview> {
  requireSpan(filter)
  // Nothing is done, so an Idempotency-Key has nothing to remember before the answer itself.
  const { beforeCommit: _, ...ctx } = asked
  const startedMs = performance.now()
  const requireTime = (matched: number) => {
    if (performance.now() - startedMs > TIME_LIMIT_MS) throw tooSlow(matched)
  }
  const ids = await inTenant(ctx.db.main, ctx, (tx) => listPending(tx, ctx.tenantId, filter, MAX_MATCHED))
  const matched = ids.length
  const plans: Plan[] = []
  for (const chunk of chunksOf(
    ids.map(({ deadEventId }) => deadEventId),
    READ_AT_ONCE,
  )) {
    requireTime(matched)
    plans.push(...(await judge(ctx, chunk)).map(({ kept, judgement }) => planOf(kept, judgement)))
  }
  const preview: ReplayPreview = { matched, recovered: 0, duplicates: 0, stillDead: 0, changes: [] }
  const sums = new Map<string, Sums>()
  for (const batch of batchesOf(await join(ctx, plans))) {
    requireTime(matched)
    const { outcomes, before, after } = await rehearse(ctx, batch)
    for (const { outcome } of outcomes) preview[COUNTERS[outcome]] += 1
    for (const row of after) add(sums, row, 1n)
    for (const row of before) add(sums, row, -1n)
  }
  const changes = [...sums.values()].filter(
    ({ capturedMinor, refundedMinor, disputedMinor }) =>
      capturedMinor !== 0n || refundedMinor !== 0n || disputedMinor !== 0n,
  )
  return { ...preview, changes: changes.toSorted((a, b) => (a.currency < b.currency ? -1 : 1)) }
}

const COUNTERS = { recovered: 'recovered', duplicate: 'duplicates', still_dead: 'stillDead' } as const

interface Plan {
  deadEventId: string
  orderKeys: string[]
  entryKeys: string[]
  /** Whatever two plans have in common joins them. */
  names: string[]
}

function planOf({ deadEventId, endpoint }: KeptEvent, { delivery, ...judgement }: Judgement): Plan {
  const canonical = 'canonical' in judgement ? judgement.canonical : []
  const keysOf = (keys: readonly (string | null)[]) => [...new Set(keys.filter((key) => key !== null))]
  const orderKeys = keysOf(canonical.flatMap(({ orderKey, sameAs }) => [orderKey, sameAs]))
  const entryKeys = keysOf(canonical.flatMap(({ entryKey, disputeKey }) => [entryKey, disputeKey]))
  const id = delivery === null ? deadEventId : `${endpoint.endpointId} ${delivery.externalId}`
  const names = [`delivery ${id}`, ...orderKeys.map(orderName), ...entryKeys.map((key) => `entry ${key}`)]
  return { deadEventId, orderKeys, entryKeys, names }
}

interface Component {
  plans: Plan[]
  /** All orders that these dead events may change. */
  orderKeys: string[]
}

/** Which plans may bear on each other, through each other or through what is stored. */
async function join(ctx: TenantContext, plans: readonly Plan[]): Promise<Component[]> {
  const links: [string, string][] = plans.flatMap(({ names: [first = '', ...others] }) =>
    others.map((name): [string, string] => [first, name]),
  )
  const known = new Set(plans.flatMap(({ orderKeys }) => orderKeys))
  const entryKeys = [...new Set(plans.flatMap((plan) => plan.entryKeys))]
  await inTenant(ctx.db.main, ctx, async (tx) => {
    const ofEntries = await listOrdersOfEntries(tx, ctx.tenantId, entryKeys)
    for (const { entryKey, orderKey } of ofEntries) links.push([`entry ${entryKey}`, orderName(orderKey)])
    for (let fresh = unique([...known, ...ofEntries.map(({ orderKey }) => orderKey)]); fresh.length > 0; ) {
      for (const key of fresh) known.add(key)
      const direct = await listDirectLinks(tx, ctx.tenantId, fresh)
      for (const { orderKey, other } of direct) links.push([orderName(orderKey), orderName(other)])
      fresh = unique(direct.map(({ other }) => other)).filter((key) => !known.has(key))
    }
  })
  const rootOf = joinAll(links)
  const orders = Map.groupBy(known, (key) => rootOf(orderName(key)))
  const groups = Map.groupBy(plans, ({ names: [first = ''] }) => rootOf(first))
  return [...groups].map(([root, members]) => ({ plans: members, orderKeys: orders.get(root) ?? [] }))
}

/** Whole components: a large one is a batch of its own. */
function batchesOf(components: readonly Component[]): Component[] {
  const batches: Component[] = []
  let open: Component = { plans: [], orderKeys: [] }
  for (const { plans, orderKeys } of components) {
    open = { plans: [...open.plans, ...plans], orderKeys: [...open.orderKeys, ...orderKeys] }
    if (open.plans.length < BATCH) continue
    batches.push(open)
    open = { plans: [], orderKeys: [] }
  }
  return open.plans.length === 0 ? batches : [...batches, open]
}

interface Rehearsal {
  outcomes: Outcome[]
  before: Sums[]
  after: Sums[]
}

/** Carries what it found out of the transaction that it undoes. */
class Undone extends Error {
  override name = 'Undone'
  readonly rehearsal: Rehearsal
  constructor(rehearsal: Rehearsal) {
    super('a rehearsal is undone')
    this.rehearsal = rehearsal
  }
}

async function rehearse(ctx: TenantContext, { plans, orderKeys }: Component): Promise<Rehearsal> {
  const judged: Judged[] = []
  for (const chunk of chunksOf(
    plans.map(({ deadEventId }) => deadEventId),
    READ_AT_ONCE,
  ))
    judged.push(...(await judge(ctx, chunk)))
  try {
    return await inTenant(ctx.db.ingest, ctx, async (tx): Promise<never> => {
      if (!(await tryHoldPreview(tx, ctx.tenantId))) throw atWork()
      throw new Undone(await act(tx, ctx, judged, orderKeys))
    })
  } catch (error) {
    if (error instanceof Undone) return error.rehearsal
    throw error
  }
}

async function act(
  tx: Tx,
  ctx: TenantContext,
  judged: readonly Judged[],
  orderKeys: readonly string[],
): Promise<Rehearsal> {
  const { tenantId } = ctx
  // All at once and in one order, so that it never waits in a circle with the jobs that enter deliveries.
  if (orderKeys.length > 0) await lockOrders(tx, tenantId, orderKeys)
  const before = await sumOrders(tx, tenantId, orderKeys)
  const outcomes: Outcome[] = []
  for (const { kept, judgement } of judged) outcomes.push(await takeAgain(tx, ctx, kept, judgement))
  return { outcomes, before, after: await sumOrders(tx, tenantId, orderKeys) }
}

function add(sums: Map<string, Sums>, { currency, ...row }: Sums, sign: 1n | -1n): void {
  const sum = sums.get(currency) ?? { currency, capturedMinor: 0n, refundedMinor: 0n, disputedMinor: 0n }
  sums.set(currency, {
    currency,
    capturedMinor: sum.capturedMinor + sign * row.capturedMinor,
    refundedMinor: sum.refundedMinor + sign * row.refundedMinor,
    disputedMinor: sum.disputedMinor + sign * row.disputedMinor,
  })
}

function orderName(orderKey: string): string {
  return `order ${orderKey}`
}

function unique(keys: readonly string[]): string[] {
  return [...new Set(keys)]
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size))
}

function tooSlow(matched: number): ProblemError {
  const detail = `A preview of ${matched} dead events takes longer than ${TIME_LIMIT_MS / 1_000} s: narrow the filter, such as by since and until.`
  return new ProblemError('validation_failed', 'The filter fits too much for a preview.', {
    errors: [{ pointer: '/body/filter', code: 'too_slow', detail }],
  })
}

function atWork(): ProblemError {
  return new ProblemError('rate_limited', 'Another preview of this tenant is at work. Try again shortly.', {
    headers: { 'Retry-After': String(RETRY_AFTER_S) },
  })
}
