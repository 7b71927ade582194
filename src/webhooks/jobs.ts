import { defineJob } from '../queue/job.ts'

/** Reads the facts out of a stored delivery. Enqueued by internal.ingest_webhook_event (migration 0004), by this name. */
export const normalizeEvent = defineJob<{ eventId: string }>({ name: 'webhooks.normalize_event', queue: 'webhook' })
