import { defineJob } from '../queue/job.ts'

/**
 * Recomputes the days that new data touched. The wait makes one piece of work of a burst. `from` and `to` (RFC 3339,
 * empty if there are none) bound the times of new touches and orders; `orderKeys` are separated by spaces.
 */
export const recomputeTouched = defineJob<{ from: string; to: string; orderKeys: string }>({
  name: 'attribution.recompute_touched',
  queue: 'attribution',
  delaySeconds: 1,
})

/** Carries out a recompute that a member asked for. */
export const runRecompute = defineJob<{ jobId: string }>({
  name: 'attribution.run_recompute',
  queue: 'attribution',
  isMembersOwn: true,
})
