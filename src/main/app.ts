import { attributionHandlers } from '../attribution/handlers.ts'
import { attributionTasks } from '../attribution/tasks.ts'
import { authHandlers } from '../auth/handlers.ts'
import { authenticateBearer } from '../auth/service.ts'
import type { Handlers } from '../contract.ts'
import { eventHandlers } from '../events/handlers.ts'
import { healthHandlers } from '../health/handlers.ts'
import type { Authenticator, CorsPolicy, Limits, SchemeName, StoredAnswer } from '../http/bind.ts'
import type { Task } from '../queue/job.ts'
import { revenueHandlers } from '../revenue/handlers.ts'
import { createOriginLookup } from '../tenants/allowed-origins.ts'
import { authenticateKey } from '../tenants/api-keys/authenticate.ts'
import { tenantHandlers } from '../tenants/handlers.ts'
import { createIdempotencyStore } from '../tenants/idempotency/service.ts'
import { createRateLimiter } from '../tenants/limits/rate-limiter.ts'
import { webhookHandlers } from '../webhooks/handlers.ts'
import { authenticateDelivery } from '../webhooks/service.ts'
import { webhookTasks } from '../webhooks/tasks.ts'
import { notImplementedHandlers } from './not-implemented.ts'

/** Total: an operation of the contract without a handler does not compile. */
export const handlers: Handlers = {
  ...notImplementedHandlers,
  ...attributionHandlers,
  ...authHandlers,
  ...eventHandlers,
  ...healthHandlers,
  ...revenueHandlers,
  ...tenantHandlers,
  ...webhookHandlers,
}

/** One for each security scheme of what is implemented; the server does not start when one is missing. */
export const authenticators: Partial<Record<SchemeName, Authenticator>> = {
  bearerAuth: (ctx, { headers }) => authenticateBearer(ctx, headers.authorization),
  tenantKey: (ctx, { headers }) => authenticateKey(ctx, single(headers['x-skeldir-tenant-key'])),
  stripeSignature: async (ctx, { params, headers, readBody }) =>
    authenticateDelivery(ctx, 'stripe', params.endpoint_key, headers, await readBody()),
  shopifySignature: async (ctx, { params, headers, readBody }) =>
    authenticateDelivery(ctx, 'shopify', params.endpoint_key, headers, await readBody()),
}

/** One for each server: it remembers for some seconds what the tenants allow. */
export function createCorsPolicy(): CorsPolicy {
  return createOriginLookup()
}

/** One for each server: it holds permits that it has leased. */
export function createLimits(): Limits {
  return { rates: createRateLimiter(), answers: createIdempotencyStore<StoredAnswer>() }
}

export const tasks: readonly Task[] = [...attributionTasks, ...webhookTasks]

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
