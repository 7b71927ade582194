import { requestPublic } from '../outbound.ts'
import { runs, runsAt, type Task } from '../queue/job.ts'
import { giveBackReplay, runReplay } from './dead-events/replay/service.ts'
import {
  normalizeEvent,
  obeyPrivacyRequest,
  pollEndpoints,
  replayDeadEvents,
  scanStoredData,
  startPersonalDataScan,
  startPolls,
  startSilenceWatch,
  watchEndpoints,
} from './jobs.ts'
import { normalizeEvents } from './ledger/service.ts'
import { requestSilenceWatch, watchSilence } from './poll/alarm.ts'
import { pollTenant, requestPolls } from './poll/service.ts'
import { requestScans, scanTenant } from './privacy/scan.ts'
import { obeyRequest } from './privacy/service.ts'

export const webhookTasks: Task[] = [
  runs(normalizeEvent, (ctx, { eventId }) => normalizeEvents(ctx, [eventId])),
  runs(
    replayDeadEvents,
    (ctx, { replayId }, signal) => runReplay(ctx, replayId, signal),
    (ctx, { replayId }) => giveBackReplay(ctx, replayId),
  ),
  runs(obeyPrivacyRequest, (ctx, { eventId }, signal) => obeyRequest(ctx, eventId, signal)),
  runsAt(startPersonalDataScan, requestScans),
  runs(scanStoredData, (ctx, _args, signal) => scanTenant(ctx, signal)),
  runsAt(startPolls, requestPolls),
  runs(
    pollEndpoints,
    async (ctx, _args, signal) => void (await pollTenant(ctx, { isDry: false }, { send: requestPublic, signal })),
  ),
  runsAt(startSilenceWatch, requestSilenceWatch),
  runs(watchEndpoints, async (ctx) => void (await watchSilence(ctx, { send: requestPublic }))),
]
