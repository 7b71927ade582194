import { halve } from './half-life.ts'
import type { OrderModel } from './model.ts'

interface Parameters extends Record<string, number> {
  half_life_touches: number
}

export const decayStep: OrderModel<Parameters> = {
  name: 'decay_step',
  version: '1.0.0',
  level: 'order',
  about: 'A touch earns half as much for each so many touches after it, whatever the time between them.',
  parameters: {
    half_life_touches: { kind: 'integer', initial: 1, min: 1, max: 1_000, about: 'Touches until half is left.' },
  },
  weigh: (journey, _conversionAtUs, { half_life_touches: touches }) =>
    journey.map((_touch, index) => halve(BigInt(journey.length - 1 - index), BigInt(touches))),
}
