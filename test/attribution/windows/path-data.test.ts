import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PUBLISHED_MODELS } from '../../../scripts/verify/attribution/bootstrap.ts'
import { readCsv } from '../../../scripts/verify/attribution/csv.ts'
import { readPathData } from '../../../scripts/verify/attribution/path-data.ts'
import { listLiveEditions } from '../../../src/attribution/engine/editions/queries.ts'
import { findWindowRun, measureWindow } from '../../../src/attribution/windows/service.ts'
import { inTenant } from '../../../src/db/tenant.ts'
import { startPlatform } from '../../support/platform.ts'
import { referenceData } from '../../support/reference-data.ts'
import { connectAs } from '../../support/rows.ts'
import { type StoredJourney, storeJourneys, visitor } from '../../support/window-journeys.ts'
import { bringUp, workerContext } from '../../support/worker.ts'

const folder = referenceData()
/** Published names of models, and ours. */
const MODELS: Readonly<Record<string, string>> = { ...PUBLISHED_MODELS, markov_o1_null: 'markov' }
const WINDOW = { from: '2026-03-01', to: '2026-03-31', timeZone: 'UTC', currency: 'USD', isConverted: false }
const END = Date.parse('2026-03-20T12:00:00Z')

/** A visitor for each conversion of a row and then for each null, rows in the order of the file, as its resamples are published. */
function toJourneys(file: string): StoredJourney[] {
  let n = 0
  return readPathData(file).flatMap(({ channels, conversions, nulls }) => {
    const touches = channels.map((channel, place) => ({
      channel,
      at: new Date(END + (place - channels.length) * 60_000),
    }))
    return Array.from({ length: conversions + nulls }, (_, index): StoredJourney => {
      n += 1
      const orders = index < conversions ? [{ key: String(n), at: new Date(END), amountMinor: 100 }] : []
      return { identity: visitor(n), touches, orders }
    })
  })
}

test.skipIf(folder === null)(
  "a tenant with the journeys of PathData gets its published Markov conversions and resamples' bits",
  { timeout: 180_000 },
  async ({ onTestFinished }) => {
    const data = join(folder as string, 'data/attribution')
    const platform = await startPlatform(onTestFinished)
    const { tenantId } = platform.tenant
    const admin = await connectAs(platform.database, 'admin', onTestFinished)
    await storeJourneys(admin, tenantId, toJourneys(join(data, 'pathdata')))
    const ctx = workerContext(platform, platform.tenant, onTestFinished)
    await bringUp(ctx)
    const { signal } = new AbortController()
    await measureWindow(ctx, WINDOW, { signal, seed: 'pathdata|boot', replicates: 500 })
    const run = await inTenant(ctx.db.main, ctx, async (tx) => {
      const { editionId = '' } =
        (await listLiveEditions(tx, tenantId)).find(({ status }) => status === 'published') ?? {}
      return findWindowRun(tx, tenantId, { ...WINDOW, editionId })
    })
    expect(run).toMatchObject({ orders: 19_785, replicates: 500, coverage: 1 })
    expect(run?.diagnostics).toMatchObject({ visitors: 88_387, converting: 19_785, open: 68_602, touches: 378_209 })
    expect(run?.diagnostics.markov).toMatchObject({ states: 12, is_ok: true })
    const find = (model: string, channel: string | undefined) =>
      run?.models.find((one) => one.model === model)?.channels.find((one) => one.channel === channel)

    const credits = readCsv(join(data, 'pathdata/expected_attribution.csv')).filter(
      ({ model }) => model === 'markov_o1_null_rewardvalue',
    )
    expect(credits).toHaveLength(12)
    for (const { channel, conversions } of credits) {
      const micro = Number(find('markov', channel)?.conversionMicro)
      expect(Math.abs(micro / 1e6 - Number(conversions)), channel).toBeLessThanOrEqual(1e-6)
    }
    const resampled = readCsv(join(data, 'diagnostics/expected_poisson_bootstrap_pathdata_B500.csv'))
    expect(resampled).toHaveLength(12 * Object.keys(MODELS).length)
    let intervals = 0
    for (const row of resampled) {
      const found = find(MODELS[row.model ?? ''] ?? '', row.channel)
      const about = `${row.model} ${row.channel}`
      expect(Math.abs((found?.share ?? Number.NaN) - Number(row.share_point)), about).toBeLessThanOrEqual(1e-9)
      // Fewer than ten visitors have no interval.
      if (found?.grade === 'D') continue
      intervals += 1
      expect(Math.abs((found?.lower ?? Number.NaN) - Number(row['share_p2.5'])), about).toBeLessThanOrEqual(1e-9)
      expect(Math.abs((found?.upper ?? Number.NaN) - Number(row['share_p97.5'])), about).toBeLessThanOrEqual(1e-9)
    }
    expect(intervals).toBeGreaterThan(50)
  },
)
