import type { Confidence } from '../confidence.ts'
import { type ChannelFigure, sharesOf, toFigures } from './figures.ts'
import type { SpendRow } from './queries.ts'

export interface ChannelLine extends ChannelFigure {
  /** Null where it is not a part of a whole. */
  share: number | null
  confidence: Confidence | null
}

/** Each with its part of their sum. */
export function withShares<Figure extends ChannelFigure>(
  figures: readonly Figure[],
): (Figure & { share: number | null })[] {
  const shares = sharesOf(figures.map(({ revenueMinor }) => revenueMinor))
  return figures.map((figure, index) => ({ ...figure, share: shares[index] ?? null }))
}

/** Of a model that answers for windows as a whole, with what the channels cost. */
export function figuresOf(
  channels: readonly { channel: string; conversionMicro: bigint; revenueMinor: bigint }[],
  spend: readonly SpendRow[],
): ChannelFigure[] {
  const rows = channels.map(({ channel, conversionMicro, revenueMinor }) => ({
    currency: '',
    channel,
    tier: 'none',
    campaign: null,
    day: null,
    isOrdered: true,
    isMoved: true,
    revenueMinor: [revenueMinor],
    conversionMicro: [conversionMicro],
  }))
  return toFigures(rows, spend, 0)
}
