import type { TenantContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { cleanText } from '../channels/utm.ts'
import { readSpendRow, SPEND_COLUMNS } from '../spend/csv.ts'
import { MAX_IMPORT_AGE_DAYS, type SentSpend, storeSpend } from '../spend/service.ts'
import { type ImportKind, isOutcome, type Outcome, readItem, rejected, toContent, withStored } from './kind.ts'
import type { Row } from './rows.ts'

/** What advertising cost, as `ingestSpend` takes it. */
export const spend: ImportKind = { columns: SPEND_COLUMNS, batchSize: 1_000, isReplaced: true, store }

async function store(
  tx: Tx,
  ctx: TenantContext,
  rows: readonly Row[],
  { timeZone }: { timeZone: string },
): Promise<Outcome[]> {
  const items = rows.map((row) =>
    readItem(row, ({ read }): SentSpend | Outcome => {
      const item = readSpendRow(read)
      return typeof item === 'string' ? rejected(item) : item
    }),
  )
  const good = items.filter((item): item is SentSpend => !isOutcome(item))
  const stored = await storeSpend(tx, ctx, { timeZone, maxAgeDays: MAX_IMPORT_AGE_DAYS }, good)
  const outcomes = stored.map(({ result, code }, index): Outcome => {
    const { day, channel, source, campaign, currency, ...figures } = good[index] as SentSpend
    const id = toContent([day, channel, cleanText(source), cleanText(campaign ?? ''), currency])
    const item = { id, content: toContent(figures), sums: [[`spent ${currency}`, figures.amountMinor]] as const }
    return { result, code, detail: null, sums: result === 'accepted' || result === 'replaced' ? item.sums : [], item }
  })
  return withStored(items, outcomes)
}
