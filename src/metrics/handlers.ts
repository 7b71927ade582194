import type { TenantContext } from '../context.ts'
import type { Handlers, Reply, Request } from '../contract.ts'
import { getMetrics as readMetrics } from './service.ts'

const OPENMETRICS = 'application/openmetrics-text; version=1.0.0'

async function getMetrics(ctx: TenantContext, { prefers }: Request<'getMetrics'>): Promise<Reply<'getMetrics'>> {
  const isOpen = prefers === OPENMETRICS
  return {
    status: 200,
    headers: isOpen ? { 'Content-Type': OPENMETRICS } : {},
    body: await readMetrics(ctx, isOpen ? 'openmetrics' : 'prometheus'),
  }
}

export const metricsHandlers = { getMetrics } satisfies Partial<Handlers>
