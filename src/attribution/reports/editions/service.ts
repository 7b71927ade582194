import { compare } from '../../../compare.ts'
import type { TenantContext } from '../../../context.ts'
import { decodeCursor, encodeCursor } from '../../../cursor.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import type { Page } from '../../../tenants/page.ts'
import { openWindow } from '../../../tenants/report-window/service.ts'
import { ATTRIBUTION_MODELS } from '../../models/registry.ts'
import { SNAPSHOT } from '../frame.ts'
import { type Difference, differencesOf } from './differences.ts'
import {
  type DaySpan,
  type EditionRow,
  findAnsweringEdition,
  findCutoff,
  findEditionBefore,
  listEditionsBelow,
  type MovedRow,
  sumEdition,
  sumRunChanges,
} from './queries.ts'

export interface Edition {
  edition: EditionRow
  previous: number | null
  differences: Difference[]
}

/** The newest first. Throws `validation_failed` for a cursor of another list. */
export function listEditions(
  ctx: TenantContext,
  { limit, cursor }: { limit: number; cursor: string | undefined },
): Promise<Page<Edition>> {
  const { tenantId } = ctx
  const scope = { operationId: 'listAttributionEditions', tenantId }
  const [below = null] = decodeCursor<[number]>(ctx.keys, scope, cursor) ?? []
  return inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      const rows = await listEditionsBelow(tx, tenantId, { below, limit: limit + 1 })
      const items: Edition[] = []
      for (const edition of rows.slice(0, limit)) {
        const previous = await findEditionBefore(tx, tenantId, edition.number)
        items.push({ edition, previous: previous?.number ?? null, differences: compareEditions(previous, edition) })
      }
      const last = items.at(-1)
      const hasMore = rows.length > limit && last !== undefined
      return { items, nextCursor: hasMore ? encodeCursor(ctx.keys, scope, [last.edition.number]) : null }
    },
    SNAPSHOT,
  )
}

/** Minor units and millionths. */
export interface Amounts {
  revenueMinor: bigint
  conversionMicro: bigint
}

/** `before`, `byEdition` and `byData` sum to `after`. */
export interface ChannelChange {
  channel: string
  before: Amounts
  byEdition: Amounts
  byData: Amounts
  after: Amounts
}

export interface EditionChanges {
  number: number
  /** Null: none answered before. */
  against: number | null
  from: string
  to: string
  asOf: Date | null
  differences: Difference[]
  figures: { model: string; currency: string; channels: ChannelChange[] }[]
}

/**
 * What an edition has more or less than an earlier one, for orders of these UTC days. Throws `not_found` for an edition that has
 * never answered, and `validation_failed` for one to compare with that is none before it, or days that are no span.
 */
export function getEditionChanges(
  ctx: TenantContext,
  {
    number,
    against,
    from,
    to,
  }: { number: number; against: number | undefined; from: string | undefined; to: string | undefined },
): Promise<EditionChanges> {
  const { tenantId } = ctx
  return inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      const window = await openWindow(tx, ctx, { from, to, timeZone: 'UTC', currency: undefined })
      const edition = await findAnsweringEdition(tx, tenantId, number)
      if (edition === undefined) throw new ProblemError('not_found', 'There is nothing at this address.')
      const former = await findFormer(tx, tenantId, { number, against })
      const before = former === undefined ? [] : await listFigures(tx, tenantId, former, window)
      const after = await listFigures(tx, tenantId, edition, window)
      const moved = await sumRunChanges(tx, tenantId, { edition, ...window })
      return {
        number,
        against: former?.number ?? null,
        from: window.from,
        to: window.to,
        asOf: await findCutoff(tx, tenantId, { editionId: edition.editionId, ...window }),
        differences: compareEditions(former, edition),
        figures: toFigures({ before, after, moved }),
      }
    },
    SNAPSHOT,
  )
}

function compareEditions(former: EditionRow | undefined, edition: EditionRow): Difference[] {
  return former === undefined ? [] : differencesOf(former.config, edition.config)
}

async function findFormer(
  tx: Tx,
  tenantId: string,
  { number, against }: { number: number; against: number | undefined },
): Promise<EditionRow | undefined> {
  if (against === undefined) return findEditionBefore(tx, tenantId, number)
  const former = against < number ? await findAnsweringEdition(tx, tenantId, against) : undefined
  if (former !== undefined) return former
  throw new ProblemError('validation_failed', 'There is no such edition to compare with.', {
    errors: [
      {
        pointer: '/query/against',
        code: 'edition',
        detail: `No edition ${against} has answered before ${number} did.`,
      },
    ],
  })
}

async function listFigures(tx: Tx, tenantId: string, edition: EditionRow, span: DaySpan): Promise<MovedRow[]> {
  const { editionId, config } = edition
  const rows = await sumEdition(tx, tenantId, { editionId, models: config.models.length, ...span })
  return rows.flatMap(({ channel, currency, revenueMinor, conversionMicro }) =>
    config.models.map(({ name: model }, place) => ({
      model,
      channel,
      currency,
      revenueMinor: revenueMinor[place] ?? 0n,
      conversionMicro: conversionMicro[place] ?? 0n,
    })),
  )
}

function toFigures(rows: Record<'before' | 'after' | 'moved', readonly MovedRow[]>): EditionChanges['figures'] {
  const { before, after, moved } = rows
  const all = [...before, ...after, ...moved]
  const currencies = [...new Set(all.map(({ currency }) => currency))].sort(compare)
  return ATTRIBUTION_MODELS.flatMap(({ name: model }) =>
    currencies.flatMap((currency) => {
      const isOfIt = (row: MovedRow) => row.model === model && row.currency === currency
      const channels = [...new Set(all.filter(isOfIt).map(({ channel }) => channel))].sort(compare)
      if (channels.length === 0) return []
      const of = (list: readonly MovedRow[], channel: string) =>
        list.find((row) => isOfIt(row) && row.channel === channel) ?? { revenueMinor: 0n, conversionMicro: 0n }
      return [
        {
          model,
          currency,
          channels: channels
            .map((channel) => toChange(channel, of(before, channel), of(after, channel), of(moved, channel)))
            .filter(isAnything),
        },
      ]
    }),
  )
}

function toChange(channel: string, before: Amounts, after: Amounts, byData: Amounts): ChannelChange {
  const byEdition = {
    revenueMinor: after.revenueMinor - byData.revenueMinor - before.revenueMinor,
    conversionMicro: after.conversionMicro - byData.conversionMicro - before.conversionMicro,
  }
  return { channel, before, byEdition, byData, after }
}

function isAnything({ before, byEdition, byData, after }: ChannelChange): boolean {
  return [before, byEdition, byData, after].some(
    ({ revenueMinor, conversionMicro }) => revenueMinor !== 0n || conversionMicro !== 0n,
  )
}
