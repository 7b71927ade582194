import type { Logger } from 'pino'
import type { DeliveryTimes } from '../../context.ts'
import type { Lookup } from '../../db/connect.ts'
import { createUses, type RunningUses } from '../../tenants/uses.ts'
import { type EndpointUse, recordDeliveries } from './queries.ts'

export interface RunningDeliveryTimes extends DeliveryTimes, Omit<RunningUses<EndpointUse>, 'note'> {}

/** When endpoints took their last delivery. Only what was verified is noted. */
export function createDeliveryTimes({ lookup, log }: { lookup: Lookup; log: Logger }): RunningDeliveryTimes {
  const write = (uses: readonly EndpointUse[]) => recordDeliveries(lookup, uses)
  const uses = createUses<EndpointUse>({ what: 'when endpoints took their last delivery', write, log })
  return {
    ...uses,
    note: (tenantId, endpointId, at) => uses.note(endpointId, { tenantId, endpointId, deliveredAt: at }),
  }
}
