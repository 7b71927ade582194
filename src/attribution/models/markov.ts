import { attributeMarkov, type ValueRule } from '../markov/attribute.ts'
import { MAX_ORDER } from '../markov/structure.ts'
import type { ChannelModel } from './model.ts'

interface Parameters extends Record<string, number | boolean | string> {
  order: number
  uses_nulls: boolean
  value_rule: ValueRule
}

export const markov: ChannelModel<Parameters> = {
  name: 'markov',
  version: '1.0.0',
  level: 'channel',
  about: 'A channel earns by the part of all conversions that the chain of all journeys would lose without it.',
  refusal:
    'A Markov model credits channels, not orders: a channel can earn less than the orders that it closed alone, so no division of single orders adds up to it.',
  parameters: {
    order: { kind: 'integer', initial: 1, min: 1, max: MAX_ORDER, about: 'Channels that are remembered at each step.' },
    uses_nulls: { kind: 'flag', initial: true, about: 'Whether journeys that did not convert count.' },
    value_rule: {
      kind: 'choice',
      initial: 'reward',
      values: ['reward', 'share'],
      about: 'Whether value follows what the removal costs in value, or in conversions.',
    },
  },
  attribute: (paths, { order, uses_nulls: usesNulls, value_rule: valueRule }) =>
    attributeMarkov(paths, { order, usesNulls, valueRule }).channels.map(({ channel, conversions, value }) => ({
      channel,
      conversions,
      value,
    })),
}
