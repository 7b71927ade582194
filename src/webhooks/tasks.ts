import { requestPublic } from '../outbound.ts'
import { runs, runsAt, type Task } from '../queue/job.ts'
import { runReplay } from './dead-events/replay/service.ts'
import {
  normalizeEvent,
  obeyPrivacyRequest,
  pollEndpoints,
  replayDeadEvents,
  startPolls,
  startSilenceWatch,
  watchEndpoints,
} from './jobs.ts'
import { normalizeEvents } from './ledger/service.ts'
import { requestSilenceWatch, watchSilence } from './poll/alarm.ts'
import { pollTenant, requestPolls } from './poll/service.ts'
import { obeyRequest } from './privacy/service.ts'

/** What is missing is found within half an hour: ten minutes to settle, ten until the poll, and up to ten of a tenant's delay. */
const EACH_TEN_MINUTES = '*/10 * * * *'
const EACH_QUARTER = '7-59/15 * * * *'

export const webhookTasks: Task[] = [
  runs(normalizeEvent, (ctx, { eventId }) => normalizeEvents(ctx, [eventId])),
  runs(replayDeadEvents, (ctx, { replayId }, signal) => runReplay(ctx, replayId, signal)),
  runs(obeyPrivacyRequest, (ctx, { eventId }, signal) => obeyRequest(ctx, eventId, signal)),
  runsAt(startPolls, EACH_TEN_MINUTES, requestPolls),
  runs(
    pollEndpoints,
    async (ctx, _args, signal) => void (await pollTenant(ctx, { isDry: false }, { send: requestPublic, signal })),
  ),
  runsAt(startSilenceWatch, EACH_QUARTER, requestSilenceWatch),
  runs(watchEndpoints, async (ctx) => void (await watchSilence(ctx, { send: requestPublic }))),
]
