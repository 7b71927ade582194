import type { RequestContext, TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { countItems, type ItemKind } from '../metrics/service.ts'
import { collectTouchpoints } from './collect/service.ts'
import { type Amount, ingestConversions as storeConversions } from './conversions/service.ts'
import { ingestTouchpoints as ingest } from './service.ts'
import { readSpendCsv } from './spend/csv.ts'
import { type SentSpend, ingestSpend as storeSpend } from './spend/service.ts'

async function ingestTouchpoints(
  ctx: TenantContext,
  { body }: Request<'ingestTouchpoints'>,
): Promise<Reply<'ingestTouchpoints'>> {
  const results = await ingest(
    ctx,
    body.touchpoints.map((item) => ({
      eventId: item.event_id,
      visitorId: item.visitor_id,
      sessionId: item.session_id ?? null,
      occurredAt: new Date(item.occurred_at),
      channel: item.channel,
      source: item.source ?? null,
      medium: item.medium ?? null,
      campaign: item.campaign ?? null,
    })),
  )
  const counts = countResults(ctx, 'touchpoint', results)
  return {
    status: 200,
    body: {
      ...counts,
      results: results.map(({ eventId, result, code }) => ({ event_id: eventId, result, code })),
    },
  }
}

async function collectBrowserTouchpoints(
  ctx: RequestContext,
  { body, headers, rawBody }: Request<'collectBrowserTouchpoints'>,
): Promise<Reply<'collectBrowserTouchpoints'>> {
  // The server reads JSON that is called text too.
  if (typeof body === 'string') throw new TypeError('a text that is JSON was not read')
  const { origin, 'sec-gpc': gpc, dnt } = headers
  const results = await collectTouchpoints(
    ctx,
    {
      key: body.key,
      visitorId: body.visitor_id,
      sessionId: body.session_id ?? null,
      sentAt: body.sent_at === undefined ? null : new Date(body.sent_at),
      touchpoints: body.touchpoints.map((item) => ({
        eventId: item.event_id,
        occurredAt: new Date(item.occurred_at),
        pageUrl: item.page_url,
        referrer: item.referrer ?? null,
      })),
    },
    { origin, isUnlinked: gpc === '1' || dnt === '1', bytes: rawBody.length },
  )
  const counts = countResults(ctx, 'browser_touchpoint', results)
  return {
    status: 200,
    headers: { 'Access-Control-Allow-Origin': origin as string, Vary: 'Origin' },
    body: {
      ...counts,
      results: results.map(({ eventId, result, code }) => ({ event_id: eventId, result, code })),
    },
  }
}

async function ingestConversions(
  ctx: TenantContext,
  { body }: Request<'ingestConversions'>,
): Promise<Reply<'ingestConversions'>> {
  const results = await storeConversions(
    ctx,
    body.conversions.map((item) => ({
      conversionId: item.conversion_id,
      kind: item.kind,
      orderId: item.order_id,
      occurredAt: new Date(item.occurred_at),
      total: fromWireMoney(item.total),
      tax: item.tax === undefined ? null : fromWireMoney(item.tax),
      shipping: item.shipping === undefined ? null : fromWireMoney(item.shipping),
      tip: item.tip === undefined ? null : fromWireMoney(item.tip),
      discount: item.discount === undefined ? null : fromWireMoney(item.discount),
      visitorId: item.visitor_id ?? null,
    })),
  )
  const counts = countResults(ctx, 'conversion', results)
  return {
    status: 200,
    body: {
      ...counts,
      results: results.map(({ conversionId, result, code }) => ({ conversion_id: conversionId, result, code })),
    },
  }
}

async function ingestSpend(ctx: TenantContext, { body, query }: Request<'ingestSpend'>): Promise<Reply<'ingestSpend'>> {
  const rows = typeof body === 'string' ? readSpendCsv(body) : body.spend.map(fromWireSpend)
  const results = await storeSpend(ctx, rows, query.time_zone)
  countItems(ctx, 'spend', {
    accepted: count(results, 'accepted') + count(results, 'replaced'),
    duplicates: count(results, 'unchanged'),
    rejected: count(results, 'rejected'),
  })
  return {
    status: 200,
    body: {
      accepted: count(results, 'accepted'),
      replaced: count(results, 'replaced'),
      unchanged: count(results, 'unchanged'),
      rejected: count(results, 'rejected'),
      results: results.map(({ result, code }, index) => ({ row: index + 1, result, code })),
    },
  }
}

/** As the answer has them, and for the metrics. */
function countResults(ctx: RequestContext, kind: ItemKind, results: readonly { result: string }[]) {
  const counts = {
    accepted: count(results, 'accepted'),
    duplicates: count(results, 'duplicate'),
    rejected: count(results, 'rejected'),
  }
  countItems(ctx, kind, counts)
  return counts
}

function count(results: readonly { result: string }[], of: string): number {
  return results.filter(({ result }) => result === of).length
}

type WireSpend = Exclude<Request<'ingestSpend'>['body'], string>['spend'][number]

function fromWireSpend(row: WireSpend): SentSpend {
  return {
    day: row.date,
    channel: row.channel,
    source: row.source,
    campaign: row.campaign ?? null,
    ...fromWireMoney(row.amount),
    impressions: row.impressions === undefined ? null : BigInt(row.impressions),
    clicks: row.clicks === undefined ? null : BigInt(row.clicks),
  }
}

function fromWireMoney({ amount_minor, currency }: WireSpend['amount']): Amount {
  return { amountMinor: BigInt(amount_minor), currency }
}

export const eventHandlers = {
  collectBrowserTouchpoints,
  ingestConversions,
  ingestSpend,
  ingestTouchpoints,
} satisfies Partial<Handlers>
