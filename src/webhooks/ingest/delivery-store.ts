import type { Config } from '../../config.ts'
import type { DeliveryStore, NewDelivery } from '../../context.ts'
import type { Database } from '../../db/connect.ts'
import { isConstraintError, sqlState } from '../../db/errors.ts'
import { ProblemError } from '../../problem/problem.ts'
import { createGroupCommit, type GroupLimits } from './group-commit.ts'
import { insertDeliveries } from './queries.ts'

/** Sizes in bytes of bodies as they were sent; what is kept of them is smaller. */
const LIMITS: GroupLimits = { lanes: 2, maxItems: 128, maxSize: 4 * 1_048_576, worthwhile: 32 }

/** deadlock_detected: with whoever enters something else about the same deliveries; the halves meet nobody any more. */
const DEADLOCK = '40P01'

/**
 * Stores deliveries of all tenants, many in one transaction: what a delivery costs is mostly the flush of the log and
 * the round trip, and both are shared. `database` is app_ingest's.
 */
export function createDeliveryStore(database: Database, { maxWaitMs }: Config['ingest']): DeliveryStore {
  const group = createGroupCommit<NewDelivery, Awaited<ReturnType<DeliveryStore['store']>>>({
    ...LIMITS,
    write: (deliveries) => insertDeliveries(database, deliveries),
    sizeOf: ({ size }) => size,
    isOfOneItem: (error) => isConstraintError(error) || sqlState(error) === DEADLOCK,
    maxWaitMs,
    late: () =>
      new ProblemError('service_unavailable', 'Deliveries come faster than they can be stored. Try again shortly.'),
  })
  return { store: group.add }
}
