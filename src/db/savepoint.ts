import { sql } from 'kysely'
import { isConstraintError } from './errors.ts'
import type { Tx } from './tenant.ts'

/** Undoes what `work` wrote when it throws; the transaction goes on. */
export async function inSavepoint<T>(tx: Tx, work: () => Promise<T>): Promise<T> {
  await sql`savepoint one`.execute(tx)
  try {
    const result = await work()
    await sql`release savepoint one`.execute(tx)
    return result
  } catch (error) {
    await sql`rollback to savepoint one`.execute(tx)
    // Or one around this one, which has the same name, would be hidden by it.
    await sql`release savepoint one`.execute(tx)
    throw error
  }
}

/**
 * Stores items by one statement. Where the database refuses what some of them hold, by halves, so that those are refused
 * alone; each half is as `store` answers it. Throws whatever is no fault of an item.
 */
export async function storeSparing<T, R>(
  tx: Tx,
  items: readonly T[],
  store: (items: readonly T[]) => Promise<R>,
): Promise<{ stored: { items: readonly T[]; result: R }[]; refused: { item: T; error: unknown }[] }> {
  if (items.length === 0) return { stored: [], refused: [] }
  try {
    return { stored: [{ items, result: await inSavepoint(tx, () => store(items)) }], refused: [] }
  } catch (error) {
    if (!isConstraintError(error)) throw error
    if (items.length === 1) return { stored: [], refused: items.map((item) => ({ item, error })) }
    const middle = items.length >> 1
    const first = await storeSparing(tx, items.slice(0, middle), store)
    const second = await storeSparing(tx, items.slice(middle), store)
    return { stored: [...first.stored, ...second.stored], refused: [...first.refused, ...second.refused] }
  }
}
