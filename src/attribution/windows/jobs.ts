import { defineJob } from '../../queue/job.ts'

/**
 * Measures the windows of a tenant that a publication changed. The wait makes one of a day of small publications: intervals
 * and Markov's shares need not be newer than a quarter of an hour, and each measurement is kept.
 */
export const measureWindows = defineJob<Record<string, never>>({
  name: 'attribution.measure_windows',
  queue: 'measure',
  delaySeconds: 900,
})

/** Measures the windows for which somebody waits. A job of its own name: while one of the other waits, no second is added. */
export const measureAskedWindows = defineJob<Record<string, never>>({
  name: 'attribution.measure_asked_windows',
  queue: 'measure',
})
