import { attributionHandlers } from '../attribution/handlers.ts'
import { attributionTasks } from '../attribution/tasks.ts'
import { windowTasks } from '../attribution/windows/tasks.ts'
import { authHandlers } from '../auth/handlers.ts'
import { authenticateBearer } from '../auth/service.ts'
import type { AppContext, Vendor } from '../context.ts'
import type { Handlers } from '../contract.ts'
import { errorHandlers } from '../errors/handlers.ts'
import { eventHandlers } from '../events/handlers.ts'
import { healthHandlers } from '../health/handlers.ts'
import type { Answered, Authenticator, CorsPolicy, Limits, SchemeName, StoredAnswer } from '../http/bind.ts'
import { jobHandlers } from '../jobs/handlers.ts'
import { jobTasks } from '../jobs/tasks.ts'
import { metricsHandlers } from '../metrics/handlers.ts'
import { countAnswer } from '../metrics/service.ts'
import { isMetricsToken } from '../metrics/token.ts'
import { NO_TENANT } from '../no-tenant.ts'
import type { Task } from '../queue/job.ts'
import { revenueHandlers } from '../revenue/handlers.ts'
import { rollupTasks } from '../rollups/tasks.ts'
import { createOriginLookup } from '../tenants/allowed-origins.ts'
import { authenticateKey } from '../tenants/api-keys/authenticate.ts'
import { tenantHandlers } from '../tenants/handlers.ts'
import { createIdempotencyStore } from '../tenants/idempotency/service.ts'
import { createRateLimiter } from '../tenants/limits/rate-limiter.ts'
import { retentionTasks } from '../tenants/retention/tasks.ts'
import { authenticateDelivery } from '../webhooks/endpoints/authenticate.ts'
import { webhookHandlers } from '../webhooks/handlers.ts'
import { webhookTasks } from '../webhooks/tasks.ts'
import { notImplementedHandlers } from './not-implemented.ts'

/** Total: an operation of the contract without a handler does not compile. */
export const handlers: Handlers = {
  ...notImplementedHandlers,
  ...attributionHandlers,
  ...authHandlers,
  ...errorHandlers,
  ...eventHandlers,
  ...healthHandlers,
  ...jobHandlers,
  ...metricsHandlers,
  ...revenueHandlers,
  ...tenantHandlers,
  ...webhookHandlers,
}

/** One for each security scheme of what is implemented; the server does not start when one is missing. */
export const authenticators: Partial<Record<SchemeName, Authenticator>> = {
  bearerAuth: (ctx, { headers }) => authenticateBearer(ctx, headers.authorization),
  metricsToken: async ({ config }, { headers }) =>
    isMetricsToken(headers.authorization, config.metrics.token) ? { kind: 'scraper', tenantId: NO_TENANT } : null,
  tenantKey: (ctx, { headers }) => authenticateKey(ctx, single(headers['x-skeldir-tenant-key'])),
  stripeSignature: signatureOf('stripe'),
  shopifySignature: signatureOf('shopify'),
  paypalSignature: signatureOf('paypal'),
  woocommerceSignature: signatureOf('woocommerce'),
}

/** One for each server: it remembers for some seconds what the tenants allow. */
export function createCorsPolicy(): CorsPolicy {
  return createOriginLookup()
}

/** Counts the answers of a server for its metrics. */
export function createObserver(ctx: AppContext): (answer: Answered) => void {
  return (answer) => countAnswer(ctx, answer)
}

/** One for each server: it holds permits that it has leased. */
export function createLimits(): Limits {
  return { rates: createRateLimiter(), answers: createIdempotencyStore<StoredAnswer>() }
}

export const tasks: readonly Task[] = [
  ...attributionTasks,
  ...jobTasks,
  ...retentionTasks,
  ...rollupTasks,
  ...webhookTasks,
  ...windowTasks,
]

/** Where the path names no endpoint, the operation asks for a key too, which names the tenant. */
function signatureOf(vendor: Vendor): Authenticator {
  return async (ctx, { params, headers, readBody }) => {
    const address = { endpointKey: params.endpoint_key, tenantKey: headers['x-skeldir-tenant-key'] }
    return authenticateDelivery(ctx, vendor, address, { headers, rawBody: await readBody() })
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
