import { compare } from '../../../compare.ts'
import { UNATTRIBUTED } from '../../engine/order.ts'
import { roundHalfAway } from '../../rounding.ts'
import type { CreditRow, SpendRow } from './queries.ts'

/** What a channel, or a part of one, has earned by one model. */
export interface Earned {
  /** Millionths of an order. */
  conversionMicro: bigint
  revenueMinor: bigint
}

export interface ChannelFigure extends Earned {
  channel: string
  campaign: string | null
  day: string | null
  /** Null: none is known. */
  spendMinor: bigint | null
}

/** Credits by the model at `place` of their arrays. */
export function sumEarned(rows: readonly CreditRow[], place: number): Earned {
  return rows.reduce<Earned>(
    (sum, row) => ({
      conversionMicro: sum.conversionMicro + (row.conversionMicro[place] ?? 0n),
      revenueMinor: sum.revenueMinor + (row.revenueMinor[place] ?? 0n),
    }),
    { conversionMicro: 0n, revenueMinor: 0n },
  )
}

/** The same credits without their campaigns and days. */
export function toChannels(rows: readonly CreditRow[]): CreditRow[] {
  const byChannel = Map.groupBy(rows, ({ currency, channel, tier, isOrdered, isMoved }) =>
    JSON.stringify([currency, channel, tier, isOrdered, isMoved]),
  )
  return [...byChannel.values()].map((ofOne) => {
    const [first] = ofOne as [CreditRow]
    const sums = first.revenueMinor.map((_, place) => sumEarned(ofOne, place))
    return {
      ...first,
      campaign: null,
      day: null,
      revenueMinor: sums.map(({ revenueMinor }) => revenueMinor),
      conversionMicro: sums.map(({ conversionMicro }) => conversionMicro),
    }
  })
}

/** One figure for each channel (and campaign, or day) that has a credit by the model or spend, unordered. */
export function toFigures(rows: readonly CreditRow[], spend: readonly SpendRow[], place: number): ChannelFigure[] {
  const earned = Map.groupBy(rows, keyOf)
  const spent = Map.groupBy(spend, keyOf)
  return [...new Set([...earned.keys(), ...spent.keys()])].flatMap((key) => {
    const ofKey = earned.get(key) ?? []
    const spendRows = spent.get(key)
    const sum = sumEarned(ofKey, place)
    const hasCredit = ofKey.some((row) => row.revenueMinor[place] !== 0n || row.conversionMicro[place] !== 0n)
    const [named] = [...ofKey, ...(spendRows ?? [])]
    if (named === undefined || (!hasCredit && spendRows === undefined)) return []
    const { channel, campaign, day } = named
    const spendMinor = spendRows?.reduce((total, row) => total + row.spendMinor, 0n) ?? null
    return [{ channel, campaign, day, ...sum, spendMinor }]
  })
}

function keyOf({ channel, campaign, day }: Pick<ChannelFigure, 'channel' | 'campaign' | 'day'>): string {
  return JSON.stringify([channel, campaign, day])
}

/** The highest revenue first, then by name. */
export function byRevenue(a: ChannelFigure, b: ChannelFigure): number {
  if (a.revenueMinor !== b.revenueMinor) return a.revenueMinor > b.revenueMinor ? -1 : 1
  return compare(a.channel, b.channel) || compare(a.campaign ?? '', b.campaign ?? '')
}

/** By day, then the highest revenue first. */
export function byDay(a: ChannelFigure, b: ChannelFigure): number {
  return compare(a.day ?? '', b.day ?? '') || byRevenue(a, b)
}

/** What of the revenue has a touch; null where it is not a part of a whole. */
export function coverageOf(rows: readonly CreditRow[], place: number): number | null {
  const touched = sumEarned(
    rows.filter(({ channel }) => channel !== UNATTRIBUTED),
    place,
  )
  return ratioOf(touched.revenueMinor, sumEarned(rows, place).revenueMinor)
}

/** `part / whole`, or null where the whole is not above 0 or the part is not within it. */
export function ratioOf(part: bigint, whole: bigint): number | null {
  return whole > 0n && part >= 0n && part <= whole ? Number(part) / Number(whole) : null
}

/** The share of each revenue in their sum; null for all where one is below 0 or the sum is not above it. */
export function sharesOf(revenuesMinor: readonly bigint[]): (number | null)[] {
  const total = revenuesMinor.reduce((sum, revenue) => sum + revenue, 0n)
  const isWhole = total > 0n && revenuesMinor.every((revenue) => revenue >= 0n)
  return revenuesMinor.map((revenue) => (isWhole ? ratioOf(revenue, total) : null))
}

/** Revenue for each unit of spend, to four decimals; null where spend is unknown or 0. */
export function roasOf({
  revenueMinor,
  spendMinor,
}: Pick<ChannelFigure, 'revenueMinor' | 'spendMinor'>): number | null {
  if (spendMinor === null || spendMinor === 0n) return null
  return Number(roundHalfAway(revenueMinor * 10_000n, spendMinor)) / 10_000
}

/** Spend for each conversion in minor units, rounded half up; null where spend is unknown or nothing is credited. */
export function cpaOf({
  conversionMicro,
  spendMinor,
}: Pick<ChannelFigure, 'conversionMicro' | 'spendMinor'>): bigint | null {
  if (spendMinor === null || conversionMicro <= 0n) return null
  return roundHalfAway(spendMinor * 1_000_000n, conversionMicro)
}
