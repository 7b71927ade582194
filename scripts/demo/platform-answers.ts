// What the platform says about the day, read over HTTP.

import type { Client } from './client.ts'
import { MODELS, type Model } from './expected.ts'
import { inParallel } from './send.ts'

export interface Money {
  amount_minor: number
  currency: string
}

export interface Run {
  run_id: string
  model: Model
  model_version: string
  window_start: string
  window_end: string
  data_cutoff: string
  input_hash: string
  output_hash: string
  orders: number
  net_revenue: Money[]
}

export interface ChannelReport {
  model: Model
  model_version: string
  currency: string
  coverage: number | null
  conversions: number
  net_revenue: Money
  credited_revenue: Money
  over_refunded: Money
  channels: { channel: string; conversions: number; revenue: Money; share: number | null }[]
  other_currencies: { net_revenue: Money; conversions: number }[]
  runs: Run[]
}

export interface Realtime {
  since: string
  revenue: Money
  captured: Money
  refunded: Money
  orders: number
  other_currencies: Money[]
  verified: boolean
  sources: { vendor: string; entries: number }[]
}

export interface OrderCredits {
  order_id: string
  currency: string
  captured: Money
  refunded: Money
  over_refunded: Money
  net_revenue: Money
  models: {
    model: Model
    credits: { channel: string; touchpoint_event_id: string | null; conversions: number; revenue: Money }[]
  }[]
}

export interface RecomputeJob {
  job_id: string
  status: 'queued' | 'running' | 'succeeded' | 'failed'
  runs: Run[]
}

export type Reports = Map<string, Record<Model, ChannelReport>>

/** Reports of one UTC day by currency and model, and the ledger's total since that day began. */
export interface Observed {
  reports: Reports
  realtime: Realtime
}

export async function observe(
  client: Client,
  token: string,
  date: string,
  currencies: readonly string[],
): Promise<Observed> {
  const reports: Reports = new Map()
  for (const currency of currencies) {
    const byModel = {} as Record<Model, ChannelReport>
    await Promise.all(
      MODELS.map(async (model) => {
        const query = new URLSearchParams({ model, start_date: date, end_date: date, currency })
        byModel[model] = await client.get<ChannelReport>(`/api/attribution/channels?${query}`, token)
      }),
    )
    reports.set(currency, byModel)
  }
  const since = new URLSearchParams({ since: `${date}T00:00:00Z` })
  const realtime = await client.get<Realtime>(`/api/v1/revenue/realtime?${since}`, token)
  return { reports, realtime }
}

export async function readOrders(
  client: Client,
  token: string,
  ids: readonly string[],
  onAnswer: () => void,
): Promise<Map<string, OrderCredits>> {
  const orders = new Map<string, OrderCredits>()
  await inParallel(8, ids, async (id) => {
    const path = `/api/attribution/orders/${encodeURIComponent(id)}/credits`
    const { status, body } = await client.call('GET', path, {
      headers: { accept: 'application/json', authorization: `Bearer ${token}` },
    })
    if (status === 200) orders.set(id, body as OrderCredits)
    onAnswer()
  })
  return orders
}
