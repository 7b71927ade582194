import { defineJob } from '../../queue/job.ts'

/** Asks for the retention of every tenant, by the clock. */
export const startRetention = defineJob<Record<string, never>>({
  name: 'tenants.start_retention',
  queue: 'maintenance',
})

/** Removes what is of no tenant and has had its time, by the clock. */
export const removeExpiredTokens = defineJob<Record<string, never>>({
  name: 'tenants.remove_expired',
  queue: 'housekeeping',
})

/** One tenant's. */
export const applyRetention = defineJob<Record<string, never>>({
  name: 'tenants.apply_retention',
  queue: 'maintenance',
})
