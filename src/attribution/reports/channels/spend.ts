import type { TenantContext } from '../../../context.ts'
import type { Tx } from '../../../db/tenant.ts'
import { exponentOf } from '../../../money.ts'
import { listDays, type ReportWindow } from '../../../tenants/report-window/service.ts'
import { findRate, MAX_RATE_AGE_DAYS, toRateTable } from '../../exchange.ts'
import { listRates } from '../../rates/queries.ts'
import { type Dimension, listSpendCurrencies, type SpendRate, type SpendRow, sumSpend } from './queries.ts'

const DAY_MS = 86_400_000

export interface Spend {
  /** In the currency of the window. */
  rows: SpendRow[]
  /** What has no rate into it, by currency in order of its code. Minor units of each. */
  others: { currency: string; spendMinor: bigint }[]
}

/**
 * What the days of a window cost, in its currency: each day's spend in another one by the stored rate of that day, rounded once
 * for a channel and campaign, so that whatever they are summed by they sum to the same.
 */
export async function readSpend(
  tx: Tx,
  ctx: TenantContext,
  window: ReportWindow,
  dimension: Dimension,
): Promise<Spend> {
  const currencies = await listSpendCurrencies(tx, ctx.tenantId, window)
  const rates = currencies.length === 0 ? [] : await readSpendRates(tx, window, currencies)
  const rows = await sumSpend(tx, ctx.tenantId, window, { dimension, rates })
  const others = Map.groupBy(
    rows.filter(({ currency }) => currency !== window.currency),
    ({ currency }) => currency,
  )
  return {
    rows: rows.filter(({ currency }) => currency === window.currency),
    others: [...others]
      .map(([currency, ofOne]) => ({
        currency,
        spendMinor: ofOne.reduce((sum, { spendMinor }) => sum + spendMinor, 0n),
      }))
      .sort((a, b) => (a.currency < b.currency ? -1 : 1)),
  }
}

/** Of each day and currency for which there is one. */
async function readSpendRates(tx: Tx, window: ReportWindow, currencies: readonly string[]): Promise<SpendRate[]> {
  const { from, to, currency: into } = window
  const first = new Date(Date.parse(from) - MAX_RATE_AGE_DAYS * DAY_MS).toISOString().slice(0, 10)
  const table = toRateTable(await listRates(tx, { from: first, to }))
  return listDays(window).flatMap((day) =>
    currencies.flatMap((currency) => {
      const rate = findRate(table, currency, into, new Date(day))
      if (rate === null) return []
      const numerator = rate.numerator * 10n ** BigInt(exponentOf(into))
      return [{ day, currency, numerator, denominator: rate.denominator * 10n ** BigInt(exponentOf(currency)) }]
    }),
  )
}
