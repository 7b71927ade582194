import type { ModelParameters, OrderModel } from './models/model.ts'
import { toShares } from './models/shares.ts'
import { type AggregatedPath, type ChannelCredit, listChannels } from './paths.ts'

/**
 * What each channel earned of aggregated paths by a model that shares out each journey by itself. Paths have no times:
 * a model that asks for them sees all touches at the moment of the conversion. One row for each channel, by channel.
 */
export function creditPaths(
  model: OrderModel,
  paths: readonly AggregatedPath[],
  parameters: ModelParameters,
): ChannelCredit[] {
  const credits = new Map<string, ChannelCredit>(
    listChannels(paths).map((channel) => [channel, { channel, conversions: 0, value: 0 }]),
  )
  for (const { channels, conversions, value } of paths) {
    if (conversions === 0) continue
    const journey = channels.map((channel) => ({ channel, occurredAtUs: 0n }))
    const shares = toShares(model.weigh(journey, 0n, parameters))
    for (const [index, channel] of channels.entries()) {
      const credit = credits.get(channel) as ChannelCredit
      credit.conversions += conversions * (shares[index] ?? 0)
      credit.value += value * (shares[index] ?? 0)
    }
  }
  return [...credits.values()]
}
