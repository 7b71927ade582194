import fc from 'fast-check'
import type {
  ModelParameters,
  ModelTouch,
  OrderModel,
  ParameterRule,
  ParameterValue,
} from '../../../src/attribution/models/model.ts'
import { ATTRIBUTION_MODELS } from '../../../src/attribution/models/registry.ts'
import type { AggregatedPath } from '../../../src/attribution/paths.ts'

export const orderModels = ATTRIBUTION_MODELS.filter((model): model is OrderModel => model.level === 'order')

const CHANNELS = ['a', 'b', 'c', 'd', 'direct', 'e', 'f', 'g', 'h', 'i', 'j', 'k']

/** Oldest first, within 90 days before the conversion at 0; several may be at the same moment. */
export const journey: fc.Arbitrary<ModelTouch[]> = fc
  .array(
    fc.record({
      channel: fc.constantFrom(...CHANNELS),
      occurredAtUs: fc.bigInt({ min: -90n * 86_400_000_000n, max: 0n }),
    }),
    { minLength: 1, maxLength: 20 },
  )
  .map((touches) => touches.sort((a, b) => Number(a.occurredAtUs - b.occurredAtUs)))

function parameterOf(rule: ParameterRule): fc.Arbitrary<ParameterValue> {
  switch (rule.kind) {
    case 'integer':
      return fc.integer({ min: rule.min, max: rule.max })
    case 'integers':
      return fc.array(fc.integer({ min: rule.min, max: rule.max }), { maxLength: rule.maxItems })
    case 'flag':
      return fc.boolean()
    case 'choice':
      return fc.constantFrom(...rule.values)
    case 'text':
      return fc.constantFrom(rule.initial, 'a')
  }
}

/** Any model that shares out single orders, with any parameters that it takes. */
export const orderModel: fc.Arbitrary<{ model: OrderModel; parameters: ModelParameters }> = fc
  .constantFrom(...orderModels)
  .chain((model) =>
    fc
      .record(Object.fromEntries(Object.entries(model.parameters).map(([name, rule]) => [name, parameterOf(rule)])))
      .filter((parameters) => (model.contradiction?.(parameters) ?? null) === null)
      .map((parameters) => ({ model, parameters })),
  )

/** Aggregated paths over the first `channels` channels, some of which never convert. */
export function paths({
  channels,
  rows,
  touches,
}: {
  channels: number
  rows: number
  touches: number
}): fc.Arbitrary<AggregatedPath[]> {
  const row = fc
    .record({
      channels: fc.array(fc.constantFrom(...CHANNELS.slice(0, channels)), { minLength: 1, maxLength: touches }),
      conversions: fc.nat({ max: 5 }),
      price: fc.nat({ max: 1_000 }),
      nulls: fc.nat({ max: 5 }),
    })
    .map(({ price, ...path }) => ({ ...path, value: path.conversions * price }))
  return fc.array(row, { minLength: 1, maxLength: rows })
}
