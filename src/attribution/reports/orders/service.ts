import type { TenantContext } from '../../../context.ts'
import { inTenant, type Tx } from '../../../db/tenant.ts'
import { ProblemError } from '../../../problem/problem.ts'
import { SNAPSHOT } from '../frame.ts'
import { type Figures, type ModelSetting, readFigures, requireOrderLevel, settingOf } from '../models/service.ts'
import {
  findOrder,
  listOrderCredits,
  listOrderRuns,
  listTouches,
  type OrderCreditRow,
  type OrderRow,
} from './queries.ts'
import { type ExplainedTouch, explainTouches } from './touches.ts'

/** Of the touches around an order, as the contract has it. */
const TOUCH_LIMITS = { before: 900, after: 100 }

/** Minor units of `currency`. */
export interface OrderCredits {
  orderedAt: Date
  currency: string
  capturedMinor: bigint
  /** All that was taken back, what is beyond the captured amount included. */
  refundedMinor: bigint
  overRefundedMinor: bigint
  netMinor: bigint
  identityTier: string
  config: Figures['config']
  /** When the data of the order's runs were read. */
  asOf: Date | null
  touches: ExplainedTouch[]
  /** In the order of the edition. */
  models: ModelCredits[]
}

export interface ModelCredits {
  setting: ModelSetting
  runId: string
  credits: CreditLine[]
}

export interface CreditLine extends Omit<OrderCreditRow, 'revenueMinor' | 'conversionMicro'> {
  revenueMinor: bigint
  conversionMicro: bigint
}

/**
 * Which touches an order's revenue went to, by all order-level models or by one of them, and which were left out. Throws
 * `not_found` for an order that has not been attributed, and `model_not_order_level`.
 */
export function getOrderCredits(
  ctx: TenantContext,
  { orderKey, model }: { orderKey: string; model: string | undefined },
): Promise<OrderCredits> {
  return inTenant(ctx.db.main, ctx, (tx) => readOrderCredits(tx, ctx, { orderKey, model }), SNAPSHOT)
}

/** As `getOrderCredits`, in the transaction of the caller. */
export async function readOrderCredits(
  tx: Tx,
  ctx: TenantContext,
  { orderKey, model }: { orderKey: string; model: string | undefined },
): Promise<OrderCredits> {
  const { tenantId } = ctx
  const { edition, config } = await readFigures(tx, tenantId)
  if (model !== undefined) requireOrderLevel(config, model)
  const editionId = edition?.editionId
  const order = editionId === undefined ? undefined : await findOrder(tx, tenantId, { editionId, orderKey })
  if (editionId === undefined || order === undefined) throw notFound()
  const money = moneyOf(order)
  const { currency } = money
  const found = { editionId, ...order }
  const rows = await listOrderCredits(tx, tenantId, found, { currency, models: config.models.length })
  const runs = await listOrderRuns(tx, tenantId, found)
  const { lookbackDays } = config
  const stored = await listTouches(tx, tenantId, found, { lookbackDays, limits: TOUCH_LIMITS })
  return {
    ...money,
    orderedAt: order.orderedAt,
    identityTier: order.identityTier,
    config,
    asOf: runs[0] === undefined ? null : new Date(Math.max(...runs.map(({ dataCutoff }) => dataCutoff.getTime()))),
    touches: explainTouches(stored, rows, config.pathTransform),
    models: config.models.flatMap(({ name }, place) => {
      const run = runs.find((one) => one.model === name)
      if (run === undefined || (model !== undefined && model !== name)) return []
      return [{ setting: settingOf(config, name), runId: run.runId, credits: linesOf(rows, place) }]
    }),
  }
}

/** In the currency of the first capture, as far as the order tells. */
function moneyOf({ currencies, capturedMinor, refundedMinor, overRefundedMinor }: OrderRow) {
  const at = Math.max(
    0,
    capturedMinor.findIndex((captured) => BigInt(captured) > 0n),
  )
  const [captured, applied, over] = [capturedMinor, refundedMinor, overRefundedMinor].map((list) =>
    BigInt(list[at] ?? 0),
  )
  return {
    currency: currencies[at] as string,
    capturedMinor: captured as bigint,
    refundedMinor: (applied as bigint) + (over as bigint),
    overRefundedMinor: over as bigint,
    netMinor: (captured as bigint) - (applied as bigint),
  }
}

/** What the model at `place` gives each touch; those that it gives nothing are left out. */
function linesOf(rows: readonly OrderCreditRow[], place: number): CreditLine[] {
  return rows.flatMap(({ revenueMinor: revenues, conversionMicro: conversions, ...row }) => {
    const [revenueMinor, conversionMicro] = [revenues[place] ?? 0n, conversions[place] ?? 0n]
    return revenueMinor === 0n && conversionMicro === 0n ? [] : [{ ...row, revenueMinor, conversionMicro }]
  })
}

function notFound(): ProblemError {
  return new ProblemError('not_found', 'There is nothing at this address.')
}
