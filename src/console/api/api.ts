import { createClientOf } from '../../../generated/client/index.js'
import * as rows from '../../../generated/client/operations.js'

/** Milliseconds. A reader who waits longer would rather know that nothing comes. */
const TIMEOUT_MS = 15_000

/** The operations that the page calls, and no others, so that only their rows are in the bundle. */
const USED = {
  login: rows.login,
  logout: rows.logout,
  getLiveness: rows.getLiveness,
  getRealtimeRevenueV1: rows.getRealtimeRevenueV1,
  getChannelAttribution: rows.getChannelAttribution,
  compareAttributionModels: rows.compareAttributionModels,
  getOrderCredits: rows.getOrderCredits,
  getReconciliationStatus: rows.getReconciliationStatus,
  listDeadEvents: rows.listDeadEvents,
  replayDeadEvents: rows.replayDeadEvents,
  getLlmUsage: rows.getLlmUsage,
  getWorkerHealth: rows.getWorkerHealth,
  getDetailedHealth: rows.getDetailedHealth,
  listFailedJobs: rows.listFailedJobs,
  logError: rows.logError,
}

export type Api = ReturnType<typeof createApi>
export type UsedOperation = keyof typeof USED

/** @param token asked before each request; null: nobody is signed in */
export function createApi(origin: string, token: () => string | null) {
  // Faults are shown at once with a button to try again: a page that retries in silence looks hung.
  return createClientOf(USED, { baseUrl: origin, token, retries: 0, timeoutMs: TIMEOUT_MS, credentials: 'omit' })
}
