import { type Handler, notImplemented, type OperationId } from '../contract.ts'

/**
 * The one list of what the contract has and the server does not yet: operationId to the number of the issue that
 * builds it. Each is answered 501, carries `x-stability: draft`, and leaves this list with its handler and its tests.
 */
export const notImplementedOperations = {
  approveInvestigation: 'later',
  cancelInvestigation: 'later',
  completeProviderOAuthCallback: 'later',
  createBudgetOptimization: 'later',
  createExportJob: 'later',
  createInvestigation: 'later',
  disconnectProviderOAuth: 'later',
  downloadExport: 'later',
  exportCSV: 'later',
  exportExcel: 'later',
  exportJSON: 'later',
  exportRevenue: 'later',
  getBudgetRecommendation: 'later',
  getEntityExplanation: 'later',
  getExportJob: 'later',
  getInvestigationStatus: 'later',
  getLlmUsage: 'later',
  getPlatformConnection: 'later',
  getPlatformReconciliationStatus: 'later',
  getProviderOAuthRefreshState: 'later',
  getProviderOAuthStatus: 'later',
  getReconciliationStatus: 'later',
  getSync: 'later',
  initiateProviderOAuthAuthorization: 'later',
  listDiscrepancies: 'later',
  triggerSync: 'later',
  updateLlmPolicy: 'later',
  upsertPlatformConnection: 'later',
  upsertPlatformCredentials: 'later',
} as const satisfies Partial<Record<OperationId, number | 'later'>>

type NotImplemented = keyof typeof notImplementedOperations

export const notImplementedHandlers = Object.fromEntries(
  Object.keys(notImplementedOperations).map((operationId) => [operationId, notImplemented]),
) as unknown as { [Id in NotImplemented]: Handler<Id> }
