import { describe, expect, test } from 'vitest'
import { linear } from '../models/linear.ts'
import { resolveParameters } from '../models/registry.ts'
import { timeDecay } from '../models/time-decay.ts'
import { MAX_FIGURES, MAX_STEPS, planResamples } from './budget.ts'
import { type JourneyRow, toJourneys } from './journeys.ts'
import { type MeasureRequest, measure } from './measure.ts'
import { measureInThread } from './thread.ts'

const MODELS = [linear, timeDecay].map((model) => ({ name: model.name, parameters: resolveParameters(model, {}) }))
const MARKOV = { order: 1, usesNulls: true, valueRule: 'reward' } as const
const HOUR_US = 3_600_000_000

/** The n-th of many visitors, who did what their number says. */
function visitorOf(n: number): JourneyRow {
  const channels = ['email', 'ads', 'direct'].filter((_, bit) => ((n % 7) + 1) & (1 << bit))
  const unit = String(n).padStart(6, '0')
  if (n % 3 === 0) return { unit, orderedAtUs: null, valueMinor: 0, channels: channels.join(), touchedAtUs: [] }
  const touchedAtUs = channels.map((_, place) => n * HOUR_US + place * HOUR_US)
  return { unit, orderedAtUs: (n + 100) * HOUR_US, valueMinor: 100 + n, channels: channels.join(), touchedAtUs }
}

function givenRequest(visitors: number): MeasureRequest {
  const journeys = toJourneys(Array.from({ length: visitors }, (_, n) => visitorOf(n)))
  return { journeys, orderModels: MODELS, markov: MARKOV, seed: 'tenant|window|all', coverage: 1 }
}

test('a thread gives the same bits as this process, and the same again', async () => {
  const { signal } = new AbortController()
  const here = JSON.stringify(measure(givenRequest(600)))
  expect(JSON.stringify(await measureInThread(givenRequest(600), signal))).toBe(here)
  expect(JSON.stringify(measure({ ...givenRequest(600), seed: 'tenant|other window|all' }))).not.toBe(here)
})

test('every share has its sample, shares sum to one, and intervals hold them', () => {
  const { replicates, models, diagnostics } = measure(givenRequest(2_000))
  expect(replicates).toBeGreaterThanOrEqual(200)
  expect(models.map(({ model }) => model)).toEqual(['linear', 'time_decay', 'markov'])
  expect(diagnostics).toMatchObject({
    visitors: 2_000,
    converting: 1_333,
    open: 667,
    too_large: [],
    markov: { states: 3, is_ok: true },
  })
  for (const { channels } of models) {
    expect(channels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12)
    for (const { share, interval, sampleSize, grade } of channels) {
      expect(sampleSize).toBeGreaterThan(700)
      expect(['A', 'B']).toContain(grade)
      expect(interval?.lower).toBeLessThan(share)
      expect(interval?.upper).toBeGreaterThan(share)
    }
  }
})

test('below a coverage of 0.6 nothing is better than C', () => {
  const grades = measure({ ...givenRequest(2_000), coverage: 0.59 }).models.flatMap(({ channels }) =>
    channels.map(({ grade }) => grade),
  )
  expect(new Set(grades)).toEqual(new Set(['C']))
})

test('too few visitors have a grade that says so, and no interval', () => {
  const channels = measure(givenRequest(9)).models.flatMap((model) => model.channels)
  expect(channels).toHaveLength(9)
  for (const { grade, interval, sampleSize } of channels) {
    expect([grade, interval]).toEqual(['D', null])
    expect(sampleSize).toBeLessThan(10)
  }
})

test('without any order there is nothing to share', () => {
  const journeys = toJourneys([visitorOf(0), visitorOf(3)])
  expect(measure({ ...givenRequest(0), journeys })).toMatchObject({
    replicates: 0,
    models: [],
    diagnostics: { open: 2, markov: null },
  })
  expect(measure(givenRequest(0))).toMatchObject({ replicates: 0, models: [] })
})

test('a chain that cannot be solved says why, and the other models have their figures', () => {
  const { models, diagnostics } = measure({ ...givenRequest(60), markov: { ...MARKOV, order: 4 } })
  expect(models.map(({ model }) => model)).toEqual(['linear', 'time_decay'])
  expect(diagnostics.markov).toEqual({ fault: 'bad_order' })
})

describe('the budget', () => {
  const estimator = (name: string, operations: number, channels = 1) => ({
    name,
    channels: Array.from({ length: channels }, (_, index) => String(index)),
    pathChannels: { from: new Int32Array(1), channel: new Int32Array(0), share: new Float64Array(0) },
    distinctOf: null,
    operations,
    estimate() {},
  })
  const none = {
    units: 0,
    unit: new Int32Array(0),
    paths: 0,
    path: new Int32Array(0),
    converts: new Uint8Array(0),
    value: new Float64Array(0),
  }
  const plan = (order: number, channel: number) => {
    const { estimators, maxReplicates } = planResamples(none, {
      orderLevel: [estimator('linear', order)],
      channelLevel: [estimator('markov', channel)],
    })
    return [estimators.map(({ name }) => name).join('+'), maxReplicates]
  }

  test.each<[about: string, order: number, channel: number, names: string, replicates: number]>([
    ['little data: as often as it takes', 1, 1, 'linear+markov', 2_000],
    ['the last that is resampled 2,000 times', MAX_STEPS / 2_000 - 1, 1, 'linear+markov', 2_000],
    ['more data: less often', MAX_STEPS / 1_000 - 1, 1, 'linear+markov', 1_000],
    ['the most that is resampled', MAX_STEPS / 200 - 1, 1, 'linear+markov', 200],
    ['a chain of too many states is left out', MAX_STEPS / 400, MAX_STEPS / 200, 'linear', 400],
    ['too much data: no intervals', MAX_STEPS / 199, 1, '', 0],
  ])('%s', (_about, order, channel, names, replicates) => {
    expect(plan(order, channel)).toEqual([names, replicates])
  })

  test('hundreds of channels are resampled less often: what is kept of all resamples is bounded', () => {
    const orderLevel = Array.from({ length: 10 }, (_, index) => estimator(String(index), 1, 500))
    expect(planResamples(none, { orderLevel, channelLevel: [] }).maxReplicates).toBe(MAX_FIGURES / 10_000)
  })

  test('whatever is left out has its figures and its samples, and no grade', () => {
    const whole = measure(givenRequest(600))
    const limited = measure({ ...givenRequest(600), maxSteps: 1 })
    expect(limited).toMatchObject({
      replicates: 0,
      diagnostics: { too_large: ['linear', 'time_decay', 'markov'], is_settled: null },
    })
    const figures = ({ models }: typeof whole) =>
      models.map(({ channels }) =>
        channels.map(({ conversions, value, share, sampleSize }) => [conversions, value, share, sampleSize]),
      )
    expect(figures(limited)).toEqual(figures(whole))
    for (const { channels } of limited.models)
      for (const { interval, grade } of channels) expect([interval, grade]).toEqual([null, null])
  })
})

test('a measurement ends when it is told to, with the reason', async () => {
  const stopped = new AbortController()
  const measuring = measureInThread(givenRequest(20_000), stopped.signal)
  stopped.abort(new Error('enough'))
  await expect(measuring).rejects.toThrow('enough')
  await expect(measureInThread(givenRequest(9), stopped.signal)).rejects.toThrow('enough')
})
