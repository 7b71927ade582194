import { defineJob } from '../queue/job.ts'

/** What the release before reads of such a job, whose workers may take one of ours: that it has nothing to do. */
export const NOTHING_NAMED = { from: '', to: '', orderKeys: '' } as const

/**
 * Publishes what was stored since the last publication; what that is, the stored changes say. The wait makes one piece of
 * work of a burst. Jobs of the release before name something, which means nothing any more.
 */
export const recomputeTouched = defineJob<typeof NOTHING_NAMED>({
  name: 'attribution.recompute_touched',
  queue: 'attribution',
  delaySeconds: 1,
})

/** Asks for the publication of what has waited for minutes, by the clock. */
export const startPublications = defineJob<Record<string, never>>({
  name: 'attribution.start_publications',
  queue: 'housekeeping',
})

/** Carries out a recompute that a member asked for. */
export const runRecompute = defineJob<{ jobId: string }>({
  name: 'attribution.run_recompute',
  queue: 'attribution',
  isMembersOwn: true,
})
