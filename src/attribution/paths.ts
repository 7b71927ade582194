/**
 * Journeys that took the same channels in the same order, counted together. Several rows may hold the same path;
 * splitting a row changes no result.
 */
export interface AggregatedPath {
  /** Oldest first, at least one. */
  channels: readonly string[]
  /** How many of them converted: whole, 0 or more. */
  conversions: number
  /** What those brought in all, in any one unit (minor units, say): 0 or more, and 0 without conversions. */
  value: number
  /** How many did not convert: whole, 0 or more. */
  nulls: number
}

/** What a channel earned; the sum over the channels is that of the paths. */
export interface ChannelCredit {
  channel: string
  conversions: number
  value: number
}

/** The channels that the paths name, in code unit order: the order of every result. */
export function listChannels(paths: readonly { channels: readonly string[] }[]): string[] {
  const names = new Set<string>()
  for (const { channels } of paths) for (const channel of channels) names.add(channel)
  return [...names].sort()
}
