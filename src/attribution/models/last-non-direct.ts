import type { OrderModel } from './model.ts'

interface Parameters extends Record<string, string> {
  direct_channel: string
}

export const lastNonDirect: OrderModel<Parameters> = {
  name: 'last_non_direct',
  version: '1.0.0',
  level: 'order',
  about: 'The newest touch that is not direct earns everything; the newest of all where every touch is direct.',
  parameters: {
    direct_channel: { kind: 'text', initial: 'direct', maxLength: 100, about: 'The channel that is passed over.' },
  },
  weigh(journey, _conversionAtUs, { direct_channel: direct }) {
    const found = journey.findLastIndex(({ channel }) => channel !== direct)
    const winner = found === -1 ? journey.length - 1 : found
    return journey.map((_touch, position) => (position === winner ? 1n : 0n))
  },
}
