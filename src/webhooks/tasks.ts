import { runs, type Task } from '../queue/job.ts'
import { normalizeEvent } from './jobs.ts'
import { normalizeEvents } from './service.ts'

export const webhookTasks: Task[] = [runs(normalizeEvent, (ctx, { eventId }) => normalizeEvents(ctx, [eventId]))]
