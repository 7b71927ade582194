import { compare } from '../../compare.ts'
import type { AppContext } from '../../context.ts'
import { inTenant } from '../../db/tenant.ts'
import { nowhere } from '../../tenants/operator.ts'
import type { StatedRate } from './file.ts'
import { insertRates, lockRates } from './queries.ts'

/** Rates in one statement: some 2 MB. */
const CHUNK = 20_000

export interface LoadedRates {
  added: number
  /** Known with another rate: the new one holds, and the former stays on record. */
  corrected: number
  unchanged: number
}

/**
 * Stores rates, all of them or none. What is known is not stored again, so that loading a file twice has the effect of once.
 * Where anything is new, orders are computed again that it can change. `ctx.db.main` is app_rw.
 */
export function loadRates(
  ctx: AppContext,
  rates: readonly StatedRate[],
  onProgress: (done: number) => void = () => {},
): Promise<LoadedRates> {
  // Publications wait for a load from its first new rate on: of a history that is loaded every day, that is the last one.
  const byDay = rates.toSorted((a, b) => compare(a.asOf, b.asOf))
  return inTenant(ctx.db.main, nowhere(), async (tx) => {
    await lockRates(tx)
    const loaded: LoadedRates = { added: 0, corrected: 0, unchanged: 0 }
    for (let start = 0; start < byDay.length; start += CHUNK) {
      const chunk = byDay.slice(start, start + CHUNK)
      const { added, corrected } = await insertRates(
        tx,
        chunk.map(({ line: _, ...rate }) => rate),
      )
      loaded.added += added
      loaded.corrected += corrected
      loaded.unchanged += chunk.length - added - corrected
      onProgress(start + chunk.length)
    }
    return loaded
  })
}
