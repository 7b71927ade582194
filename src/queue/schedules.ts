export interface Schedule {
  /** When it runs, in UTC, as cron has it. */
  cron: string
  /** A sentence for operators. */
  does: string
}

/**
 * Everything that is done by the clock, by the name of its job. One leader of all processes adds the jobs; a time that nobody
 * saw is caught up with once. Whatever is not in this list has no schedule: rows of an older release are removed.
 */
export const schedules = {
  // While most shops sleep.
  'tenants.start_retention': { cron: '17 3 * * *', does: 'asks for the retention of every tenant' },
  'tenants.remove_expired': {
    cron: '37 * * * *',
    does: 'removes counters of log-ins and revocations of tokens that have had their time',
  },
  // Sundays.
  'webhooks.start_personal_data_scan': {
    cron: '41 4 * * 0',
    does: 'asks for a look through what every tenant has stored for personal data',
  },
  // What is missing is found within half an hour: ten minutes to settle, ten until the poll, and up to ten of a tenant's delay.
  'webhooks.start_polls': { cron: '*/10 * * * *', does: 'asks for a comparison with what the vendors list' },
  'webhooks.start_silence_watch': { cron: '7-59/15 * * * *', does: 'looks for endpoints that have fallen silent' },
  // A wake-up is queued with the data, so this finds what was there before the engine, and new rates of exchange.
  'attribution.start_publications': {
    cron: '3-59/5 * * * *',
    does: 'asks for the figures of tenants whose data has waited for minutes',
  },
  'rollups.refresh': { cron: '* * * * *', does: 'brings the views up to their data, now and half a minute later' },
  'jobs.tidy': {
    cron: '23 * * * *',
    does: 'closes what has waited for a quarter of a year, and forgets old runs of schedules',
  },
} as const satisfies Record<string, Schedule>

export type ScheduleName = keyof typeof schedules

export function isScheduleName(name: string): name is ScheduleName {
  return Object.hasOwn(schedules, name)
}
