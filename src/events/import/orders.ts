import type { TenantContext } from '../../context.ts'
import type { Tx } from '../../db/tenant.ts'
import { MAX_IMPORT_AGE_MS } from '../clock.ts'
import { type Amount, type SentConversion, storeConversions } from '../conversions/service.ts'
import { loadTouchHasher } from '../touchpoints.ts'
import { type ImportKind, isOutcome, type Outcome, readItem, toContent, withStored } from './kind.ts'
import type { Row } from './rows.ts'
import { CellError, readAmount, readMatch, requireCell, requireTime } from './values.ts'

/** A number of an order may look like a telephone number; their alphabet has no address. */
const IDS = ['order_id', 'conversion_id']
const PARTS = ['tax', 'shipping', 'tip', 'discount'] as const

/** Purchases and refunds, as `ingestConversions` takes them. */
export const orders: ImportKind = {
  columns: {
    required: ['order_id', 'occurred_at', 'currency'],
    optional: [
      'kind',
      'conversion_id',
      'visitor_id',
      ...['total', ...PARTS].flatMap((part) => [part, `${part}_minor`]),
    ],
  },
  batchSize: 500,
  isReplaced: false,
  store,
}

async function store(tx: Tx, ctx: TenantContext, rows: readonly Row[]): Promise<Outcome[]> {
  const items = rows.map((row) => readItem(row, readOrder, IDS))
  const good = items.filter((item): item is SentConversion => !isOutcome(item))
  const hasher = await loadTouchHasher(tx, ctx)
  const stored = await storeConversions(tx, ctx, { source: 'import', maxAgeMs: MAX_IMPORT_AGE_MS, hasher }, good)
  const outcomes = stored.map(({ result, code }, index): Outcome => {
    const sent = good[index] as SentConversion
    const of = `${sent.kind === 'purchase' ? 'captured' : 'refunded'} ${sent.total.currency}`
    const item = { id: sent.conversionId, content: toContent(sent), sums: [[of, sent.total.amountMinor]] as const }
    return { result, code, detail: null, sums: result === 'accepted' ? item.sums : [], item }
  })
  return withStored(items, outcomes)
}

function readOrder({ read }: Row): SentConversion {
  const kind =
    readMatch(read, 'kind', /^(?:purchase|refund)$/, 'purchase or refund') === 'refund' ? 'refund' : 'purchase'
  const orderId = requireCell(read, 'order_id')
  readMatch(read, 'order_id', /^[A-Za-z0-9_-]{1,128}$/, 'made of 1 to 128 letters, digits, _ and -')
  const conversionId = readMatch(read, 'conversion_id', ID, `made of ${ID_MEANING}`)
  if (conversionId === null && kind === 'refund') throw new CellError('conversion_id is empty, which a refund needs')
  const currency = requireCell(read, 'currency')
  readMatch(read, 'currency', /^[A-Z]{3}$/, 'a code of three upper-case letters')
  const amount = (name: string): Amount | null => {
    const amountMinor = readAmount(read, name, currency)
    return amountMinor === null ? null : { amountMinor, currency }
  }
  const total = amount('total')
  if (total === null) throw new CellError('total and total_minor are both empty')
  const [tax = null, shipping = null, tip = null, discount = null] = PARTS.map(amount)
  return {
    conversionId: conversionId ?? orderId,
    kind,
    orderId,
    occurredAt: requireTime(read, 'occurred_at'),
    total,
    tax,
    shipping,
    tip,
    discount,
    visitorId: readMatch(read, 'visitor_id', ID, `made of ${ID_MEANING}`),
  }
}

export const ID = /^[A-Za-z0-9._:-]{1,128}$/
export const ID_MEANING = '1 to 128 letters, digits, . _ : and -'
