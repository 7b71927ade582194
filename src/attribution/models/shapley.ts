import type { ModelTouch, OrderModel } from './model.ts'

/**
 * The game in which a set of channels is worth what the journeys inside it brought in has this closed form, whatever
 * the number of channels: a journey's worth divided evenly over its distinct channels. Google Ads Data Hub uses it too.
 * Source: Zhao, Mahboobi and Bagheri, "Shapley Value Methods for Attribution Modeling in Online Advertising" (2018),
 * https://arxiv.org/abs/1804.05327
 */
export const shapley: OrderModel<Record<never, never>> = {
  name: 'shapley',
  version: '1.0.0',
  level: 'order',
  about: 'Every distinct channel of a journey earns the same, divided evenly over its touches.',
  parameters: {},
  weigh: shareByChannel,
}

/** 1 / (how often the channel occurs), on the scale of their least common multiple. */
export function shareByChannel(journey: readonly ModelTouch[]): readonly bigint[] {
  const times = new Map<string, number>()
  for (const { channel } of journey) times.set(channel, (times.get(channel) ?? 0) + 1)
  const counts = new Set(times.values())
  let scale = 1n
  for (const count of counts) scale = (scale / greatestCommonDivisor(scale, BigInt(count))) * BigInt(count)
  const weights = new Map<number | undefined, bigint>()
  for (const count of counts) weights.set(count, scale / BigInt(count))
  return journey.map(({ channel }) => weights.get(times.get(channel)) ?? 0n)
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b)
}
