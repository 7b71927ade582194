import { hash, randomUUID } from 'node:crypto'
import type { RequestContext, TenantContext, Vendor } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import type { Outbound } from '../../outbound.ts'
import { enqueue } from '../../queue/job.ts'
import { recordAudit } from '../../tenants/audit.ts'
import { pollEndpoints } from '../jobs.ts'
import { createClient } from './client.ts'
import { compare } from './compare.ts'
import { type EndpointReader, openEndpoint } from './credential.ts'
import { sumFindings } from './finding.ts'
import { PollError } from './lister.ts'
import { listers } from './listers/index.ts'
import { type Origins, VENDOR_ORIGINS } from './origins.ts'
import {
  type Finding,
  insertFindings,
  listPolledEndpoints,
  listPolledTenants,
  type PolledEndpoint,
  passWindow,
  skipTo,
} from './queries.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** What changed a moment ago may still be on its way as a delivery. */
const SETTLED_AFTER_MS = 10 * MINUTE_MS
/** Vendors' clocks and lists lag: each poll reads this much again. */
const OVERLAP_MS = 15 * MINUTE_MS
/** Of an endpoint that was never polled. */
const FIRST_REACH_MS = 7 * DAY_MS
/** One list at a time reaches this far, so that its end is soon a cursor. */
const WINDOW_MS = DAY_MS
/** As Stripe keeps events. */
const MAX_REACH_MS = 30 * DAY_MS
/** Less than there is between two polls of a tenant. */
const SPREAD_S = 540

export interface PollRequest {
  vendor?: Vendor | undefined
  /** By default where the last poll ended. */
  since?: Date | undefined
  /** Tells what is missing and stores nothing. */
  isDry: boolean
}

export interface PollMeans {
  /** How vendors are reached, and where. */
  send: Outbound
  origins?: Origins
  signal?: AbortSignal
}

export interface GapReport {
  endpointId: string
  vendor: Vendor
  since: Date
  until: Date
  topics: Finding[]
  /** Where more was wanted than a poll reaches back: from when on nobody has looked, until `since`. */
  unreachedSince: Date | null
  /** Why the list did not come to its end; null when it did. */
  fault: PollError | null
}

/**
 * Queues the polls of all tenants with a credential, spread over the time until the next ones. A tenant whose last poll is
 * still waiting or at work gets no other (the queue is exclusive).
 */
export async function requestPolls(ctx: RequestContext, signal: AbortSignal): Promise<void> {
  for (const tenantId of await listPolledTenants(ctx.db.main.lookup)) {
    signal.throwIfAborted()
    const scope = { tenantId, correlationId: randomUUID() }
    // The same for a tenant each time, so that its polls are as far apart as the clock's.
    const delaySeconds = hash('sha256', tenantId, 'buffer').readUInt32BE() % SPREAD_S
    await inTenant(ctx.db.main, scope, (tx) => enqueue(tx, pollEndpoints, scope, {}, delaySeconds))
  }
}

/**
 * Compares what the vendors list with what their deliveries brought, one report for each endpoint, and stores what is
 * missing as if it had been delivered: the same reading, the same ledger, counted once whichever comes first; what cannot be
 * read becomes a dead event. An endpoint that cannot be polled holds up no other. Can be stopped and repeated.
 */
export async function pollTenant(ctx: TenantContext, request: PollRequest, means: PollMeans): Promise<GapReport[]> {
  const { tenantId } = ctx
  const endpoints = await inTenant(ctx.db.ingest, ctx, (tx) => listPolledEndpoints(tx, tenantId, request.vendor))
  const reports: GapReport[] = []
  for (const endpoint of endpoints) reports.push(await pollEndpoint(ctx, endpoint, request, means))
  return reports
}

/** One poll of one endpoint. */
interface Poll extends Span {
  runId: string
  endpoint: PolledEndpoint
  isDry: boolean
  unreachedSince: Date | null
  /** Gets a cursor by this poll if it has none. */
  isFirst: boolean
  /** The cursor leaves out what is not reached; whoever names a time of their own leaves it where it is. */
  isSkipping: boolean
}

interface Span {
  since: Date
  until: Date
}

function planPoll(ctx: TenantContext, endpoint: PolledEndpoint, { since: asked, isDry }: PollRequest): Poll {
  const now = ctx.clock().getTime()
  const earliest = now - MAX_REACH_MS
  const first = now - FIRST_REACH_MS
  const open = asked?.getTime() ?? endpoint.polledUntil?.getTime() ?? first
  const isUnreached = open < earliest
  return {
    runId: randomUUID(),
    endpoint,
    isDry,
    since: new Date(Math.max(asked === undefined ? open - OVERLAP_MS : open, earliest)),
    until: new Date(now - SETTLED_AFTER_MS),
    unreachedSince: isUnreached ? new Date(open) : null,
    isFirst: open <= first,
    isSkipping: isUnreached && asked === undefined,
  }
}

async function pollEndpoint(
  ctx: TenantContext,
  endpoint: PolledEndpoint,
  request: PollRequest,
  means: PollMeans,
): Promise<GapReport> {
  const { endpointId, vendor } = endpoint
  const poll = planPoll(ctx, endpoint, request)
  const { since, until, unreachedSince } = poll
  const findings: Finding[] = []
  const report = (fault: PollError | null): GapReport => {
    return { endpointId, vendor, since, until, topics: sumFindings(findings), unreachedSince, fault }
  }
  if (endpoint.credential === null) return report(new PollError('no_access', 'no credential is set for this endpoint'))
  try {
    const reader = await openEndpoint(ctx, endpoint, endpoint.credential, means.origins ?? VENDOR_ORIGINS)
    for (let from = since.getTime(); from < until.getTime(); from += WINDOW_MS) {
      const window = { since: new Date(from), until: new Date(Math.min(from + WINDOW_MS, until.getTime())) }
      await readWindow(ctx, reader, poll, { window, means, findings })
    }
    return report(null)
  } catch (error) {
    if (means.signal?.aborted) throw error
    const about = { endpointId, vendor }
    if (error instanceof PollError)
      ctx.log.warn({ ...about, fault: error.code, reason: error.message }, 'an endpoint could not be polled')
    else ctx.log.error({ ...about, err: error }, 'the poll of an endpoint failed')
    return report(error instanceof PollError ? error : new PollError('failed', 'the poll failed', { cause: error }))
  }
}

/** What is found is written with the cursor, or without it where the list breaks off: what was stored will be known then. */
async function readWindow(
  ctx: TenantContext,
  reader: EndpointReader,
  poll: Poll,
  { window, means, findings }: { window: Span; means: PollMeans; findings: Finding[] },
): Promise<void> {
  const found = new Map<string, Finding>()
  const client = createClient(reader.access.origin, means.send, means.signal)
  try {
    for await (const listed of listers[poll.endpoint.vendor].list(client, reader.access, window)) {
      means.signal?.throwIfAborted()
      await compare(ctx, { ...poll, reader, found }, listed)
    }
  } catch (error) {
    findings.push(...found.values())
    await finishWindow(ctx, poll, { ...window, isWhole: false }, found).catch((lost) =>
      ctx.log.error({ err: lost, endpointId: poll.endpoint.endpointId }, 'what a poll found could not be written down'),
    )
    throw error
  }
  findings.push(...found.values())
  await finishWindow(ctx, poll, { ...window, isWhole: true }, found)
}

async function finishWindow(
  ctx: TenantContext,
  { isDry, runId, endpoint: { endpointId, vendor }, isFirst, isSkipping, since, unreachedSince }: Poll,
  window: Span & { isWhole: boolean },
  found: ReadonlyMap<string, Finding>,
): Promise<void> {
  if (isDry) return
  const { tenantId } = ctx
  const gaps = [...found.values()].filter(({ missing, unreadable }) => missing > 0 || unreadable > 0)
  await inTenant(ctx.db.ingest, ctx, async (tx) => {
    await insertFindings(tx, { tenantId, runId, endpointId, ...window }, gaps)
    if (!window.isWhole) return
    if (isSkipping && (await skipTo(tx, tenantId, endpointId, since))) {
      await recordAudit(tx, {
        actor: ctx.principal,
        action: 'webhook_endpoint.not_polled',
        subject: `webhook_endpoint:${endpointId}`,
        details: { vendor, since: unreachedSince?.toISOString() ?? null, until: since.toISOString() },
      })
    }
    await passWindow(tx, { tenantId, endpointId, ...window, isFirst })
  })
}
