// Types of the client, held by `npm run check`; test/client/package.test.ts compiles them again as a consumer would.

import { fixture, type fixtures, requests } from '../../generated/client/fixtures.js'
import {
  type Arguments,
  createClient,
  createClientOf,
  type Data,
  type Problem,
  type Result,
  SkeldirProblem,
  unwrap,
} from '../../generated/client/index.js'
import { login } from '../../generated/client/operations.js'
import { verifyPaypal, verifyShopify, verifyStripe, verifyWebhook } from '../../generated/client/webhooks.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_proof: Equal<A, B>): void {}

const api = createClient({ baseUrl: 'https://api.example.com' })

export async function results(): Promise<void> {
  const revenue = await api.getRealtimeRevenueV1()
  same<typeof revenue.status, 200 | 304 | 401 | 406 | 422 | 429 | 503>(true)
  same<typeof revenue.ok, boolean>(true)
  // @ts-expect-error: nothing is known of the data before the status is looked at
  void revenue.data.captured
  if (revenue.ok) {
    same<typeof revenue.status, 200>(true)
    same<typeof revenue.problem, undefined>(true)
    same<typeof revenue.data.captured.amount_minor, number>(true)
    same<typeof revenue.headers.etag, string>(true)
    // @ts-expect-error: the field is not in the contract
    void revenue.data.total
    // @ts-expect-error: the header is not declared for 200
    void revenue.headers['retry-after']
  } else if (revenue.status === 304) {
    same<typeof revenue.data, undefined>(true)
    same<typeof revenue.problem, undefined>(true)
  } else {
    same<typeof revenue.mediaType, 'application/problem+json'>(true)
    same<typeof revenue.data, undefined>(true)
  }
  if (revenue.status === 503) same<typeof revenue.headers, { 'retry-after': number; 'x-correlation-id': string }>(true)
  // @ts-expect-error: the operation does not answer 404
  void (revenue.status === 404)
}

export async function problems(): Promise<void> {
  const result = await api.login({ body: { email: 'a@example.com', password: 'secret' } })
  if (result.status === 401) same<typeof result.problem.code, 'unauthorized'>(true)
  if (result.status === 409) {
    void (result.problem.code === 'tenant_selection_required')
    // @ts-expect-error: the code belongs to another status
    void (result.problem.code === 'unauthorized')
  }
  if (!result.ok) {
    same<typeof result.problem.status, 400 | 401 | 406 | 409 | 413 | 415 | 422 | 429 | 503>(true)
    same<typeof result.problem.errors, Problem['errors']>(true)
  }
}

export async function mediaTypes(): Promise<void> {
  const result = await api.exportRevenue()
  if (!result.ok) return
  if (result.mediaType === 'text/csv') same<typeof result.data, string>(true)
  else if (result.mediaType === 'application/json')
    same<typeof result.data.rows extends readonly object[] ? 1 : 0, 1>(true)
  else same<typeof result.data, Blob>(true)
  const metrics = await api.getMetrics()
  if (metrics.ok && metrics.mediaType === 'text/plain; version=0.0.4') same<typeof metrics.data, string>(true)
  const gone = await api.revokeSession({ params: { session_id: 'x' } })
  if (gone.ok) same<typeof gone.data, undefined>(true)
}

export async function callArguments(): Promise<void> {
  // @ts-expect-error: the path parameter is missing
  await api.revokeSession()
  // @ts-expect-error: the path parameter is missing
  await api.revokeSession({ params: {} })
  // @ts-expect-error: the body is missing
  await api.login({})
  // @ts-expect-error: the password is missing
  await api.login({ body: { email: 'a@example.com' } })
  // @ts-expect-error: the required header is missing
  await api.updateTenantSettings({ body: {} })
  await api.updateTenantSettings({ body: {}, headers: { 'if-match': '"1"' } })
  await api.getRealtimeRevenueV1({ query: { since: undefined } })
  // @ts-expect-error: the query parameter does not exist
  await api.getRealtimeRevenueV1({ query: { until: '2026-01-01' } })
  // @ts-expect-error: not one of the vendors
  await api.listDeadEvents({ query: { vendor: 'ebay' } })
  // @ts-expect-error: the operation has no body
  await api.listSessions({ body: {} })
  await api.ingestSpend({ body: 'date,channel\n', contentType: 'text/csv' })
  // @ts-expect-error: text needs its media type named
  await api.ingestSpend({ body: 'date,channel\n' })
  // @ts-expect-error: not a media type of the operation
  await api.ingestSpend({ body: '<a/>', contentType: 'text/xml' })
  await api.receiveStripeWebhook({ params: { endpoint_key: 'k' }, body: new Uint8Array([123, 125]) })
  same<Arguments<'getLiveness'>['params'], undefined>(true)
}

export async function lists(): Promise<void> {
  for await (const event of api.iterate('listDeadEvents')) same<typeof event.dead_event_id, string>(true)
  for await (const page of api.pages('listDeadEvents')) same<typeof page, Data<'listDeadEvents'>>(true)
  // @ts-expect-error: not a list
  api.pages('getTenant')
  // @ts-expect-error: not a filter of the list
  api.iterate('listSessions', { query: { vendor: 'stripe' } })
}

export async function helpers(): Promise<void> {
  const some = createClientOf({ login }, { baseUrl: 'https://api.example.com' })
  await some.login({ body: { email: 'a@example.com', password: 'secret' } })
  // @ts-expect-error: the client was made without it
  await some.logout()
  const body = unwrap(await api.getTenant())
  same<typeof body, Data<'getTenant'>>(true)
  const error: unknown = new Error()
  if (error instanceof SkeldirProblem) same<typeof error.status, number>(true)
  same<Extract<Result<'getTenant'>, { ok: true }>['status'], 200>(true)
  // @ts-expect-error: the operation does not exist
  void api.getNothing
}

export async function webhooks(): Promise<void> {
  const stripe = await verifyStripe({ body: '', headers: new Headers(), secrets: 'whsec_x' })
  if (stripe.ok) {
    const { event } = stripe
    if (event.topic === 'charge.succeeded') same<typeof event.payload.type, 'charge.succeeded'>(true)
    else if (event.topic === null) same<typeof event.name, string>(true)
    // @ts-expect-error: a topic of another vendor
    void (event.topic === 'orders/paid')
  } else {
    void (stripe.reason === 'timestamp_out_of_tolerance')
    // @ts-expect-error: only PayPal has certificates
    void (stripe.reason === 'unusable_certificate')
  }
  const shopify = await verifyWebhook('shopify', { body: '', headers: {}, secrets: ['x'] })
  if (shopify.ok && shopify.event.topic === 'refunds/create') void shopify.event.payload.transactions
  const again = await verifyShopify({ body: '', headers: {}, secrets: ['x'] })
  same<typeof shopify, typeof again>(true)
  // @ts-expect-error: PayPal signs with a certificate, not with a secret
  await verifyPaypal({ body: '', headers: {}, secrets: 'x' })
}

export function examples(): void {
  same<ReturnType<typeof fixture<'getTenant', 200>>, Data<'getTenant'>>(true)
  const csv: string = fixture('exportRevenue', 200, { mediaType: 'text/csv' })
  void csv
  // @ts-expect-error: the operation does not answer 404
  fixture('getTenant', 404)
  // @ts-expect-error: there is no example of this name
  fixture('getTenant', 200, { name: 'nothing' })
  void api.login(Object.values(requests.login)[0] as Arguments<'login'>)
  same<(typeof fixtures.getTenant)[401]['application/problem+json']['unauthorized']['code'], string>(false)
}
