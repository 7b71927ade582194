import { defineJob } from '../queue/job.ts'
import { URGENT } from '../queue/queues.ts'

/** Reads the facts out of a stored delivery. Enqueued by internal.ingest_webhook_event (migration 0004), by this name. */
export const normalizeEvent = defineJob<{ eventId: string }>({ name: 'webhooks.normalize_event', queue: 'webhook' })

/** Does what a vendor asks for about personal data, such as an erasure. Enqueued where the delivery is normalised. */
export const obeyPrivacyRequest = defineJob<{ eventId: string }>({
  name: 'webhooks.obey_privacy_request',
  queue: 'maintenance',
  priority: URGENT,
})

/** Asks for a scan of what every tenant has stored, by the clock. */
export const startPersonalDataScan = defineJob<Record<string, never>>({
  name: 'webhooks.start_personal_data_scan',
  queue: 'maintenance',
})

/** Looks for personal data in what a tenant has stored of what came in. */
export const scanStoredData = defineJob<Record<string, never>>({
  name: 'webhooks.scan_stored_data',
  queue: 'maintenance',
})

/** Reads the dead events that a run took once more, some seconds' worth of them. */
export const replayDeadEvents = defineJob<{ replayId: string }>({
  name: 'webhooks.replay_dead_events',
  queue: 'webhook',
  isMembersOwn: true,
})

/** Asks for the polls of all tenants, by the clock. */
export const startPolls = defineJob<Record<string, never>>({ name: 'webhooks.start_polls', queue: 'maintenance' })

/** Compares what a tenant's vendors list with what was delivered. */
export const pollEndpoints = defineJob<Record<string, never>>({ name: 'webhooks.poll_endpoints', queue: 'poll' })

/** Asks for a look at whoever may have fallen silent, by the clock. */
export const startSilenceWatch = defineJob<Record<string, never>>({
  name: 'webhooks.start_silence_watch',
  queue: 'maintenance',
})

/** Looks for endpoints of a tenant at which nothing arrives any more. */
export const watchEndpoints = defineJob<Record<string, never>>({ name: 'webhooks.watch_endpoints', queue: 'poll' })
