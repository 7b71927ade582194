import type { OrderModel } from './model.ts'

interface Parameters extends Record<string, number> {
  first: number
  middle: number
  last: number
}

const share = (initial: number, about: string) => ({ kind: 'integer', initial, min: 0, max: 10_000, about }) as const

/**
 * With two touches the share of the middle is halved between them (30/30/40 gives 45/55), which stays linear in the
 * weights; other tools scale the two outer shares instead. With 40/20/40 both give 50/50.
 */
export const position: OrderModel<Parameters> = {
  name: 'position',
  version: '1.0.0',
  level: 'order',
  about: 'The first and the last touch earn fixed shares, and those between them divide the rest evenly.',
  parameters: {
    first: share(40, 'Share of the first touch, relative to the other two.'),
    middle: share(20, 'Share of all touches between them together.'),
    last: share(40, 'Share of the last touch.'),
  },
  contradiction: ({ first, middle, last }) =>
    first + middle + last === 0 ? 'At least one of first, middle and last is above 0.' : null,
  weigh(journey, _conversionAtUs, parameters) {
    const [first, middle, last] = [BigInt(parameters.first), BigInt(parameters.middle), BigInt(parameters.last)]
    if (journey.length === 1) return [1n]
    if (journey.length === 2) return [2n * first + middle, 2n * last + middle]
    const between = BigInt(journey.length - 2)
    return journey.map((_touch, index) => {
      if (index === 0) return first * between
      return index === journey.length - 1 ? last * between : middle
    })
  },
}
