import type { OrderModel } from './model.ts'

interface Parameters extends Record<string, number | readonly number[]> {
  oldest: readonly number[]
  between: number
  newest: readonly number[]
}

const list = (initial: readonly number[], about: string) =>
  ({ kind: 'integers', initial, min: 0, max: 10_000, maxItems: 20, about }) as const

export const custom: OrderModel<Parameters> = {
  name: 'custom',
  version: '1.0.0',
  level: 'order',
  about: 'Weights of your own for the oldest touches, the newest touches and all those between them.',
  parameters: {
    oldest: list([3], 'Weights of the first touches, from the oldest on.'),
    between: {
      kind: 'integer',
      initial: 1,
      min: 0,
      max: 10_000,
      about: 'Weight of each touch that is in neither list.',
    },
    newest: list([3], 'Weights of the last touches, from the newest back; a touch in both lists has the sum of both.'),
  },
  // Touch 0 has at least oldest[0] and the last one newest[0], so no journey is left without any weight.
  contradiction: ({ oldest, newest }) =>
    (oldest[0] ?? 0) + (newest[0] ?? 0) === 0 ? 'The oldest or the newest touch has a weight above 0.' : null,
  weigh(journey, _conversionAtUs, { oldest, between, newest }) {
    return journey.map((_touch, index) => {
      const fromEnd = journey.length - 1 - index
      const isListed = index < oldest.length || fromEnd < newest.length
      return BigInt(isListed ? (oldest[index] ?? 0) + (newest[fromEnd] ?? 0) : between)
    })
  },
}
