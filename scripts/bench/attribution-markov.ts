import { listLiveEditions } from '../../src/attribution/engine/editions/queries.ts'
import { toJourneys } from '../../src/attribution/windows/journeys.ts'
import { type Measurement, measure } from '../../src/attribution/windows/measure.ts'
import { markovOptionsOf } from '../../src/attribution/windows/models.ts'
import { readSpan } from '../../src/attribution/windows/queries.ts'
import { readLedger, readWindow } from '../../src/attribution/windows/read.ts'
import { type ReportWindow, seedOf } from '../../src/attribution/windows/window.ts'
import type { TenantContext } from '../../src/context.ts'
import { inTenant, type Tx } from '../../src/db/tenant.ts'

const REPLICATES = 200

export interface MarkovCost {
  touches: number
  conversions: number
  /** Journeys without an order. */
  open: number
  /** The journeys from the database, as the worker's role. */
  readMs: number
  /** What the other models' credits sum to. */
  ledgerMs: number
  /** The chain, its removal effects and 200 resamples of them. */
  markovMs: number
  /** The highest memory of the process up to then. */
  markovPeakMb: number
  /** The same with every model of the edition, as a run has it. */
  allMs: number
}

/** What a run over a window costs, in this process: `ctx` is a worker's, of a tenant whose orders are published. */
export async function measureMarkov(ctx: TenantContext, window: ReportWindow): Promise<MarkovCost> {
  const { tenantId } = ctx
  const { config, journeys, readMs, ledgerMs } = await inTenant(
    ctx.db.main,
    ctx,
    (tx) => readPublished(tx, tenantId, window),
    { executionContext: 'worker', isSnapshot: true },
  )
  const request = {
    journeys,
    markov: markovOptionsOf(config),
    seed: seedOf(tenantId, window),
    coverage: 1,
    replicates: REPLICATES,
  }
  const markov = timed(() => measure({ ...request, orderModels: [] }))
  const markovPeakMb = process.resourceUsage().maxRSS / 1_024
  const all = timed(() => measure({ ...request, orderModels: config.models }))
  const { touches, converting: conversions, open } = markov.measured.diagnostics
  return { touches, conversions, open, readMs, ledgerMs, markovMs: markov.ms, markovPeakMb, allMs: all.ms }
}

async function readPublished(tx: Tx, tenantId: string, window: ReportWindow) {
  const started = performance.now()
  const edition = (await listLiveEditions(tx, tenantId)).find(({ status }) => status === 'published')
  if (edition === undefined) throw new Error('nothing is published')
  const { editionId, config } = edition
  const span = await readSpan(tx, window)
  const { lookbackDays, pathTransform, models } = config
  const asked = { ...window, ...span, editionId, lookbackDays, pathTransform }
  const { journeys: rows, orders } = await readWindow(tx, tenantId, asked)
  const journeys = toJourneys(rows)
  const readMs = performance.now() - started
  await readLedger(tx, tenantId, { ...window, editionId, models: models.length }, orders)
  return { config, journeys, readMs, ledgerMs: performance.now() - started - readMs }
}

function timed(work: () => Measurement): { ms: number; measured: Measurement } {
  const started = performance.now()
  const measured = work()
  return { ms: performance.now() - started, measured }
}
