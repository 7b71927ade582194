import { createHash } from 'node:crypto'
import type { TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { keepDead, storeDelivery } from '../ingest/service.ts'
import { listStatements } from '../ledger/queries.ts'
import { wantedEntries } from '../ledger/settle.ts'
import { type CanonicalEvent, toCanonicalEvents } from '../normalize/canonical-event.ts'
import { DeadDelivery } from '../normalize/dead-delivery.ts'
import type { Delivery, DeliveryInput } from '../normalize/delivery.ts'
import { readDelivery } from '../normalize/read-delivery.ts'
import type { EndpointReader } from './credential.ts'
import { addMissing, emptyFinding } from './finding.ts'
import { type ListedDelivery, POLLED } from './lister.ts'
import { listers } from './listers/index.ts'
import { type Finding, findKnown, isDead, isStored, type PolledEndpoint } from './queries.ts'

/** What holds for all that one poll of an endpoint finds. */
export interface Comparison {
  endpoint: PolledEndpoint
  reader: EndpointReader
  isDry: boolean
  /** By topic. */
  found: Map<string, Finding>
}

/**
 * Holds a thing that the vendor lists against what deliveries said, and stores what is missing. What cannot be read, or not
 * stored, becomes a dead event and stops nothing.
 */
export async function compare(ctx: TenantContext, comparison: Comparison, listed: ListedDelivery): Promise<void> {
  const { endpoint, isDry } = comparison
  if (endpoint.mode === 'test') return
  const thing = toThing(comparison, listed)
  const read = readListed(ctx, thing.input)
  if (read instanceof DeadDelivery) return bury(ctx, comparison, thing, read)
  const { delivery, facts } = read
  if (facts.length === 0 || delivery.isTest) return
  const finding = findingOf(comparison, thing)
  finding.listed += 1
  const ids = idsOf(endpoint, thing, delivery.externalId)
  const missing = await inTenant(ctx.db.ingest, ctx, async (tx) =>
    (await isUnknown(tx, ctx, { ...endpoint, ids }, facts)) ? differenceOf(tx, ctx, thing.externalId, facts) : null,
  )
  if (missing === null) {
    finding.seen += 1
    return
  }
  finding.missing += 1
  for (const { currency, amountMinor } of missing) addMissing(finding, currency, amountMinor)
  if (isDry) return
  const { externalId, bodySha256, input } = thing
  const { tenantId, correlationId } = ctx
  const { vendor, endpointId } = endpoint
  const base = { tenantId, vendor, endpointId, bodySha256, correlationId, isTest: false, size: input.rawBody.length }
  try {
    await storeDelivery(ctx, { ...delivery, externalId }, base)
    finding.recovered += 1
  } catch (error) {
    if (!(error instanceof DeadDelivery)) throw error
    await bury(ctx, comparison, thing, error)
  }
}

/** What is listed, as if it had been delivered. */
interface Thing {
  topic: string
  input: DeliveryInput
  /** Over topic and content: one thing that is listed tells of several topics, and each is a delivery of its own. */
  bodySha256: Buffer
  externalId: string
}

function toThing({ endpoint, reader }: Comparison, listed: ListedDelivery): Thing {
  const { vendor, shopDomain } = endpoint
  const rawBody = Buffer.from(JSON.stringify(listed.body))
  const bodySha256 = createHash('sha256').update(listed.topic).update('\n').update(rawBody).digest()
  // A list has no headers. Any id will do, since it is not used; the shop is the one that was asked.
  const shop = shopDomain === null ? {} : { 'x-shopify-shop-domain': shopDomain }
  const headers = { 'x-shopify-webhook-id': 'poll', ...shop, ...listed.headers }
  const { identityOf, hashClickId } = reader
  return {
    topic: listed.topic.slice(0, MAX_TOPIC) || UNNAMED,
    input: { vendor, rawBody, headers, endpoint, identityOf, hashClickId },
    bodySha256,
    externalId: `${POLLED}${bodySha256.toString('hex')}`,
  }
}

const MAX_TOPIC = 100
const UNNAMED = 'none'

/** Under which it may have been stored before. */
function idsOf({ vendor }: PolledEndpoint, { externalId }: Thing, deliveryId: string | null): string[] {
  return listers[vendor].hasIds && deliveryId !== null ? [externalId, deliveryId] : [externalId]
}

function findingOf({ found }: Comparison, { topic }: Thing): Finding {
  const finding = found.get(topic) ?? emptyFinding(topic)
  found.set(topic, finding)
  return finding
}

async function bury(ctx: TenantContext, comparison: Comparison, thing: Thing, dead: DeadDelivery): Promise<void> {
  const { endpoint, isDry } = comparison
  const { vendor, endpointId } = endpoint
  const { tenantId, correlationId } = ctx
  const ids = idsOf(endpoint, thing, dead.externalId)
  if (await inTenant(ctx.db.ingest, ctx, (tx) => isDead(tx, tenantId, endpointId, ids))) return
  findingOf(comparison, thing).unreadable += 1
  if (isDry) return
  const { externalId, bodySha256, input } = thing
  const { topic, payload } = dead
  const base = {
    tenantId,
    vendor,
    endpointId,
    bodySha256,
    correlationId,
    headers: input.headers,
    rawBody: input.rawBody,
  }
  await keepDead(ctx, new DeadDelivery(dead, { externalId, topic, payload }), base)
}

/** Reading is pure: whatever else it throws is a fault of ours in this one thing, and a better release reads it again. */
function readListed(
  ctx: TenantContext,
  input: DeliveryInput,
): { delivery: Delivery; facts: CanonicalEvent[] } | DeadDelivery {
  try {
    const delivery = readDelivery(input)
    const { topic, payload } = delivery
    return { delivery, facts: toCanonicalEvents({ vendor: input.vendor, topic, payload }) }
  } catch (error) {
    if (error instanceof DeadDelivery) return error
    ctx.log.error({ err: error, vendor: input.vendor }, 'what a vendor lists stops its reader')
    return new DeadDelivery({ class: 'poison', code: 'reader_failed', detail: 'Reading it failed.', cause: error })
  }
}

/** False, too, where the delivery or an earlier poll stored it and a worker has yet to enter it. */
async function isUnknown(
  tx: Tx,
  { tenantId }: TenantContext,
  { endpointId, ids }: { endpointId: string; ids: readonly string[] },
  facts: readonly CanonicalEvent[],
): Promise<boolean> {
  const known = await findKnown(tx, tenantId, facts)
  return known.includes(false) && !(await isStored(tx, tenantId, endpointId, ids))
}

/** What the books would say with these facts, less what they say without. */
async function differenceOf(
  tx: Tx,
  { tenantId }: TenantContext,
  eventId: string,
  facts: readonly CanonicalEvent[],
): Promise<{ currency: string; amountMinor: bigint }[]> {
  const listed = facts.flatMap(({ entryKey, ...fact }) => (entryKey === null ? [] : [{ ...fact, entryKey, eventId }]))
  const said = await listStatements(tx, tenantId, {
    eventId: null,
    listKeys: listed.flatMap(({ listKey }) => listKey ?? []),
    entryKeys: listed.map(({ entryKey }) => entryKey),
    disputeKeys: listed.flatMap(
      ({ type, entryKey, disputeKey }) => (type === 'payment_disputed' ? entryKey : disputeKey) ?? [],
    ),
  })
  const [before, after] = [wantedEntries(said), wantedEntries([...said, ...listed])]
  return [...after, ...before.map((entry) => ({ ...entry, amountMinor: -entry.amountMinor }))]
}
