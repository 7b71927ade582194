import type { TenantContext } from '../../context.ts'
import { inTenant, type Tx } from '../../db/tenant.ts'
import { enqueue, type JobScope } from '../../queue/job.ts'
import { getTenant } from '../../tenants/queries.ts'
import { type Edition, listLiveEditions } from '../engine/editions/queries.ts'
import { measureAskedWindows, measureWindows } from './jobs.ts'
import { hashJourneys, toJourneys, type WindowJourneys } from './journeys.ts'
import { describeModels, describeTransform, markovOf, markovOptionsOf } from './models.ts'
import {
  findPublishedWindow,
  hasMoreTouches,
  insertWindowRun,
  listAskedWindows,
  listWindowChannels,
  publishWindow,
  readSpan,
  setAsked,
  type WindowRunRow,
  type WindowSpan,
} from './queries.ts'
import { type ReadWindow, readLedger, readWindow } from './read.ts'
import { type ChannelRow, hashRows, type LedgerChannel, toRows, type WindowTotals } from './rows.ts'
import { measureInThread } from './thread.ts'
import { defaultWindows, describeWindow, type ReportWindow, seedOf } from './window.ts'

export type { WindowRunRow } from './queries.ts'
export type { ReportWindow } from './window.ts'

/** Windows that were asked for are measured for so long after each publication. */
const ASKED_DAYS = 7
/** And at most so many, those asked for last: a run costs seconds where there is much. */
const MAX_ASKED = 20
/** After which a job leaves the rest to the next one: those asked for longest ago, and a report that needs one asks again. */
const TURN_MS = 300_000
/** That may lie in a window and the lookback before it: all that is read of them is held in memory. */
const MAX_TOUCHES = 3_000_000
/** Of what this module computes from the same rows: a change in it is a new one. */
const VERSION = '1.0.0'

const WORKER = { executionContext: 'worker' } as const

export type WindowChannel = Omit<ChannelRow, 'model'>

export interface WindowRun extends WindowRunRow {
  /** Every order-level model of the edition, then Markov where the window has a chain. */
  models: { model: string; modelVersion: string; channels: WindowChannel[] }[]
}

/** What was measured of a window in an edition, or undefined where nothing was. */
export async function findWindowRun(
  tx: Tx,
  tenantId: string,
  window: ReportWindow & { editionId: string },
): Promise<WindowRun | undefined> {
  const run = await findPublishedWindow(tx, tenantId, window)
  if (run === undefined) return undefined
  const config = (await listLiveEditions(tx, tenantId)).find(({ editionId }) => editionId === window.editionId)?.config
  if (config === undefined) return undefined
  const byModel = Map.groupBy(await listWindowChannels(tx, tenantId, run.windowRunId), ({ model }) => model)
  const models = [...config.models, markovOf(config)].map(({ name, version }) => ({
    model: name,
    modelVersion: version,
    channels: (byModel.get(name) ?? []).map(({ model: _model, ...channel }) => channel),
  }))
  return { ...run, models: models.filter(({ channels }) => channels.length > 0) }
}

/**
 * Notes that a report is about this window, so that it is measured for some days, and wakes the worker where the window has no
 * run of the edition that answers, or one from before its last publication.
 */
export async function askForWindow(tx: Tx, scope: JobScope, window: ReportWindow): Promise<void> {
  const { tenantId } = scope
  const edition = await findPublishedEdition(tx, tenantId)
  if (edition === undefined) return
  const run = await findPublishedWindow(tx, tenantId, { ...window, editionId: edition.editionId })
  const isBehind = run === undefined || run.publication < edition.publications
  await setAsked(tx, tenantId, window, isBehind ? (run?.checkedAt ?? null) : null)
  if (isBehind) await enqueue(tx, measureAskedWindows, scope, {})
}

/** Has the windows of a tenant measured some time after a publication, in the transaction of that. */
export async function requestMeasurement(tx: Tx, scope: JobScope): Promise<void> {
  await enqueue(tx, measureWindows, scope, {})
}

/**
 * Measures the windows that are always measured and those that were asked for lately. What was published of a window answers
 * until its new run is whole, and where the data of a window are the same it stays. Stops when `signal` aborts.
 */
export function measureAll(ctx: TenantContext, signal: AbortSignal): Promise<void> {
  return measureEach(ctx, signal, async (tx, edition) => {
    const windows = defaultWindows(ctx.clock(), await getTenant(tx, ctx.tenantId))
    const known = new Set(windows.map(describeWindow))
    const asked = await listAsked(tx, ctx.tenantId, edition)
    return [...windows, ...asked.filter((window) => !known.has(describeWindow(window)))]
  })
}

/** Measures the windows that somebody waits for. */
export function measureAsked(ctx: TenantContext, signal: AbortSignal): Promise<void> {
  return measureEach(ctx, signal, async (tx, edition) =>
    (await listAsked(tx, ctx.tenantId, edition)).filter(({ isWaiting }) => isWaiting),
  )
}

function listAsked(tx: Tx, tenantId: string, { editionId, publications }: Edition) {
  return listAskedWindows(tx, tenantId, { editionId, publications, days: ASKED_DAYS, limit: MAX_ASKED })
}

async function measureEach(
  ctx: TenantContext,
  signal: AbortSignal,
  list: (tx: Tx, edition: Edition) => Promise<ReportWindow[]>,
): Promise<void> {
  const windows = await inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      const edition = await findPublishedEdition(tx, ctx.tenantId)
      return edition === undefined ? [] : list(tx, edition)
    },
    WORKER,
  )
  const endsAt = performance.now() + TURN_MS
  const failures: unknown[] = []
  for (const window of windows) {
    signal.throwIfAborted()
    if (performance.now() > endsAt) break
    await measureWindow(ctx, window, { signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      failures.push(error)
    })
  }
  // One window that cannot be measured holds up no other.
  if (failures.length > 0) throw failures[0]
}

export interface MeasureOptions {
  signal: AbortSignal
  /** By default that of the tenant and the window. */
  seed?: string
  /** As many resamples, and no more; by default as many as the intervals need and the budget allows. */
  replicates?: number
  /** A window with more touches is left alone. Default MAX_TOUCHES. */
  maxTouches?: number
}

/** Measures one window by the edition that answers, and publishes what comes of it; nothing where no edition has it. */
export async function measureWindow(ctx: TenantContext, window: ReportWindow, options: MeasureOptions): Promise<void> {
  const { tenantId } = ctx
  const { signal, replicates, seed = seedOf(tenantId, window), maxTouches = MAX_TOUCHES } = options
  const inputs = await inTenant(ctx.db.main, ctx, (tx) => readInputs(tx, ctx, { window, seed, maxTouches }), {
    ...WORKER,
    isSnapshot: true,
  })
  if (inputs === undefined) return
  const { edition, span, dataCutoff, ledger, totals, journeys, inputSha256 } = inputs
  const { editionId, publications: publication, config } = edition
  const pointer = { window, editionId, publication }
  const { published } = inputs
  if (published?.inputHash === inputSha256.toString('hex')) {
    const { windowRunId } = published
    await inTenant(ctx.db.main, ctx, (tx) => publishWindow(tx, tenantId, { ...pointer, windowRunId }), WORKER)
    return
  }
  const coverage = coverageOf(totals)
  const request = { journeys, orderModels: config.models, markov: markovOptionsOf(config), seed, coverage }
  const measured = await measureInThread({ ...request, ...(replicates !== undefined && { replicates }) }, signal)
  const channels = toRows(measured, { orderModels: config.models.map(({ name }) => name), ledger, totals })
  await inTenant(
    ctx.db.main,
    ctx,
    async (tx) => {
      const windowRunId = await insertWindowRun(tx, {
        tenantId,
        editionId,
        window: { ...window, ...span },
        dataCutoff,
        totals,
        coverage,
        replicates: measured.replicates,
        seed,
        inputSha256,
        outputSha256: hashRows(channels),
        diagnostics: measured.diagnostics,
        channels,
      })
      await publishWindow(tx, tenantId, { ...pointer, windowRunId })
    },
    WORKER,
  )
}

interface Inputs extends Pick<ReadWindow, 'dataCutoff' | 'totals'> {
  edition: Edition
  span: WindowSpan
  ledger: LedgerChannel[]
  journeys: WindowJourneys
  inputSha256: Buffer
  published: WindowRunRow | undefined
}

async function readInputs(
  tx: Tx,
  { tenantId, log }: TenantContext,
  { window, seed, maxTouches }: { window: ReportWindow; seed: string; maxTouches: number },
): Promise<Inputs | undefined> {
  const edition = await findPublishedEdition(tx, tenantId)
  if (edition === undefined) return undefined
  const { editionId, config } = edition
  // What is converted is in the edition's currency: another one is the next edition's.
  if (window.isConverted && window.currency !== config.reportingCurrency) return undefined
  const span = await readSpan(tx, window)
  // A day that a zone left out, when the date line moved, has no moment.
  if (span.startsAt >= span.endsAt) return undefined
  const { lookbackDays, models, pathTransform } = config
  if (await hasMoreTouches(tx, tenantId, { ...span, lookbackDays }, maxTouches)) {
    log.warn({ window: describeWindow(window), maxTouches }, 'a window has too many touches to be measured')
    return undefined
  }
  const asked = { ...window, ...span, editionId, lookbackDays, pathTransform }
  const { dataCutoff, totals, orders, journeys: rows } = await readWindow(tx, tenantId, asked)
  const journeys = toJourneys(rows)
  const ledger = await readLedger(tx, tenantId, { ...window, editionId, models: models.length }, orders)
  const published = await findPublishedWindow(tx, tenantId, { ...window, editionId })
  const inputSha256 = hashInputs(edition, { seed, ledger, totals, journeys })
  return { edition, span, dataCutoff, totals, ledger, journeys, inputSha256, published }
}

/** Of everything that the figures follow from. */
function hashInputs(
  { config }: Edition,
  { seed, ledger, totals, journeys }: { seed: string } & Pick<Inputs, 'ledger' | 'totals' | 'journeys'>,
): Buffer {
  const money = JSON.stringify([totals, ledger], (_name, value) => (typeof value === 'bigint' ? String(value) : value))
  return hashJourneys(
    journeys,
    `windows/${VERSION} ${seed}\n${config.lookbackDays} days\n${describeTransform(config)}\n${describeModels(config)}\n${money}`,
  )
}

/** Share of the net revenue that has a touch; null where that is nothing. */
function coverageOf({ netMinor, attributedMinor }: WindowTotals): number | null {
  return netMinor > 0n ? Number(attributedMinor) / Number(netMinor) : null
}

async function findPublishedEdition(tx: Tx, tenantId: string): Promise<Edition | undefined> {
  return (await listLiveEditions(tx, tenantId)).find(({ status }) => status === 'published')
}
