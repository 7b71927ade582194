/*
 * Checked by the compiler only (`npm run check`): each `@ts-expect-error` fails the check as soon as its mistake compiles.
 */
import type { RequestContext, TenantContext } from '../../src/context.ts'
import type { Handlers, Reply, Request } from '../../src/contract.ts'

declare const handlers: Handlers

export const complete: Handlers = { ...handlers }

const { getLiveness: _left, ...withoutOne } = handlers
// @ts-expect-error an operation of the contract has no handler
export const missingOperation: Handlers = withoutOne

export async function liveness(_ctx: RequestContext): Promise<Reply<'getLiveness'>> {
  return { status: 200, body: { status: 'alive' } }
}

export async function wrongStatus(_ctx: RequestContext): Promise<Reply<'getLiveness'>> {
  // @ts-expect-error the contract declares no 201
  return { status: 201, body: { status: 'alive' } }
}

export async function problemStatus(_ctx: RequestContext): Promise<Reply<'getLiveness'>> {
  // @ts-expect-error problems are thrown, not returned
  return { status: 406, body: { status: 'alive' } }
}

export async function wrongField(_ctx: RequestContext): Promise<Reply<'getLiveness'>> {
  // @ts-expect-error `status` is a constant of the contract
  return { status: 200, body: { status: 'well' } }
}

export async function extraField(_ctx: RequestContext): Promise<Reply<'getLiveness'>> {
  // @ts-expect-error a field that the contract does not have would leak
  return { status: 200, body: { status: 'alive', secret: 1 } }
}

export async function missingBody(_ctx: RequestContext): Promise<Reply<'getLiveness'>> {
  // @ts-expect-error the status has a body
  return { status: 200 }
}

async function needsTenant(ctx: TenantContext): Promise<Reply<'getLiveness'>> {
  return { status: 200, body: { status: ctx.tenantId as 'alive' } }
}
// @ts-expect-error a public operation has no tenant
export const tenantOnPublic: Handlers['getLiveness'] = needsTenant

export async function tenantOperation(ctx: TenantContext): Promise<Reply<'getRealtimeRevenueV1'>> {
  return { status: 304, headers: { ETag: `"${ctx.tenantId}"`, 'Cache-Control': 'private, no-cache' } }
}
export const tenantOnPrivate: Handlers['getRealtimeRevenueV1'] = tenantOperation

export async function bodyOnEmpty(_ctx: TenantContext): Promise<Reply<'getRealtimeRevenueV1'>> {
  // @ts-expect-error 304 has no body
  return { status: 304, headers: { ETag: '"a"', 'Cache-Control': 'private, no-cache' }, body: {} }
}

type Created = Extract<Reply<'createWebhookEndpoint'>, { status: 201 }>
declare const created: Created
export const location: string = created.headers.Location
// @ts-expect-error the contract requires Location on 201
export const noLocation: Created = { status: 201, body: created.body }

declare const request: Request<'createWebhookEndpoint'>
export const vendor: 'stripe' | 'shopify' | 'paypal' | 'woocommerce' = request.body.vendor
// @ts-expect-error no such member in the request
export const noMember = request.body.colour
// @ts-expect-error the operation has no such path parameter
export const noParameter = request.params.endpoint_id

declare const delivery: Request<'receiveStripeWebhook'>
export const key: string = delivery.params.endpoint_key
// @ts-expect-error vendor bodies are read from the raw bytes
export const parsed: object = delivery.body
