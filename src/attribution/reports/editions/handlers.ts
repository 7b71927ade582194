import type { TenantContext } from '../../../context.ts'
import type { Handlers, Reply, Request } from '../../../contract.ts'
import { toWireMoney } from '../../../money.ts'
import { type Channel, fromMicro, type ModelName } from '../wire.ts'
import { type Amounts, type Edition, getEditionChanges, listEditions } from './service.ts'

const DEFAULT_LIMIT = 20

async function listAttributionEditions(
  ctx: TenantContext,
  { query }: Request<'listAttributionEditions'>,
): Promise<Reply<'listAttributionEditions'>> {
  const { items, nextCursor } = await listEditions(ctx, { limit: query.limit ?? DEFAULT_LIMIT, cursor: query.cursor })
  return {
    status: 200,
    body: {
      items: items.map(({ edition, previous, differences }) => ({
        edition: edition.number,
        status: toStatus(edition),
        created_at: edition.createdAt.toISOString(),
        published_at: edition.publishedAt?.toISOString() ?? null,
        superseded_at: edition.supersededAt?.toISOString() ?? null,
        previous,
        differences,
      })),
      next_cursor: nextCursor,
    },
  }
}

function toStatus({ status, publishedAt }: Edition['edition']) {
  return status === 'superseded' && publishedAt === null ? 'given_up' : status
}

async function getAttributionEditionChanges(
  ctx: TenantContext,
  { params, query }: Request<'getAttributionEditionChanges'>,
): Promise<Reply<'getAttributionEditionChanges'>> {
  const found = await getEditionChanges(ctx, {
    number: params.edition_number,
    against: query.against,
    from: query.start_date,
    to: query.end_date,
  })
  return {
    status: 200,
    body: {
      edition: found.number,
      against: found.against,
      start_date: found.from,
      end_date: found.to,
      time_zone: 'UTC',
      as_of: found.asOf?.toISOString() ?? null,
      differences: found.differences,
      figures: found.figures.map(({ model, currency, channels }) => ({
        model: model as ModelName,
        currency,
        channels: channels.map(({ channel, before, byEdition, byData, after }) => ({
          channel: channel as Channel,
          before: toFigure(before, currency),
          by_edition: toFigure(byEdition, currency),
          by_data: toFigure(byData, currency),
          after: toFigure(after, currency),
        })),
      })),
    },
  }
}

function toFigure({ revenueMinor, conversionMicro }: Amounts, currency: string) {
  return { revenue: toWireMoney(revenueMinor, currency), conversions: fromMicro(conversionMicro) }
}

export const editionHandlers = { listAttributionEditions, getAttributionEditionChanges } satisfies Partial<Handlers>
