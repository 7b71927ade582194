import { defineJob } from '../../queue/job.ts'

/** Asks for the retention of every tenant, by the clock. */
export const startRetention = defineJob<Record<string, never>>({
  name: 'tenants.start_retention',
  queue: 'maintenance',
})

/** One tenant's. */
export const applyRetention = defineJob<Record<string, never>>({
  name: 'tenants.apply_retention',
  queue: 'maintenance',
})
