import { halve } from './half-life.ts'
import type { OrderModel } from './model.ts'

interface Parameters extends Record<string, number> {
  half_life_hours: number
}

const HOUR_US = 3_600_000_000n

export const timeDecay: OrderModel<Parameters> = {
  name: 'time_decay',
  version: '1.0.0',
  level: 'order',
  about: 'A touch earns half as much for each half-life that lies between it and the conversion.',
  parameters: {
    half_life_hours: { kind: 'integer', initial: 168, min: 1, max: 8_760, about: 'Hours; 168 are seven days.' },
  },
  // Only ratios count, so ages are those before the newest touch: it has the full weight however old it is.
  weigh(journey, conversionAtUs, { half_life_hours: hours }) {
    const newest = journey.at(-1)?.occurredAtUs ?? conversionAtUs
    return journey.map(({ occurredAtUs }) => halve(newest - occurredAtUs, BigInt(hours) * HOUR_US))
  },
}
