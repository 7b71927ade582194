import { defineJob } from '../queue/job.ts'

/** Brings all views up to their data; by the clock, each minute. */
export const refreshAll = defineJob<Record<string, never>>({ name: 'rollups.refresh', queue: 'housekeeping' })

/** The same half a minute later: the clock counts in minutes. */
export const refreshAgain = defineJob<Record<string, never>>({ name: 'rollups.refresh_again', queue: 'housekeeping' })
