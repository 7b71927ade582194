import { defineJob } from '../queue/job.ts'

/** Closes failed jobs that nobody cared for, and forgets old runs of schedules; by the clock. */
export const tidyJobs = defineJob<Record<string, never>>({ name: 'jobs.tidy', queue: 'housekeeping' })
