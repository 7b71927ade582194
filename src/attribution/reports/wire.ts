import type { Reply } from '../../contract.ts'
import { toWireMoney } from '../../money.ts'
import type { BasisBridge } from '../../revenue/daily/days.ts'
import type { EditionConfig } from '../engine/editions/config.ts'
import type { ModelParameters } from '../models/model.ts'
import { cpaOf, roasOf } from './channels/figures.ts'
import type { ChannelLine } from './channels/lines.ts'
import type { Confidence } from './confidence.ts'
import type { ModelSetting } from './models/service.ts'
import type { RunRow } from './runs/queries.ts'

type ChannelReply = Extract<Reply<'getChannelAttribution'>, { status: 200 }>['body']
export type Channel = ChannelReply['channels'][number]['channel']
export type ModelName = ChannelReply['model']
export type Parameters = ChannelReply['parameters']

/** Millionths to a decimal: exact to the sixth digit. */
export function fromMicro(micro: bigint): number {
  return Number(micro) / 1_000_000
}

export function toWireRun(run: RunRow) {
  return {
    run_id: run.runId,
    model: run.model as ModelName,
    model_version: run.modelVersion,
    edition: run.edition,
    version: run.version,
    previous_run_id: run.previousRunId,
    cause: run.cause,
    window_start: run.windowStart.toISOString(),
    window_end: run.windowEnd.toISOString(),
    data_cutoff: run.dataCutoff.toISOString(),
    input_hash: run.inputHash,
    output_hash: run.outputHash,
    orders: run.orders,
    orders_changed: run.ordersChanged,
    net_revenue: run.totals.map(({ netMinor, currency }) => toWireMoney(BigInt(netMinor), currency)),
    changes: run.changes.map(({ channel, currency, revenueMinor, conversionMicro }) => ({
      channel: channel as Channel,
      revenue: toWireMoney(BigInt(revenueMinor), currency),
      conversions: fromMicro(BigInt(conversionMicro)),
    })),
  }
}

export function toWireBridge(bridge: BasisBridge, currency: string) {
  const money = (amountMinor: bigint) => toWireMoney(amountMinor, currency)
  return {
    order_date: money(bridge.orderDateMinor),
    refunds_after_window: money(bridge.afterWindowMinor),
    refunds_of_earlier_orders: money(bridge.ofOtherOrdersMinor),
    refund_date: money(bridge.refundDateMinor),
  }
}

/** What a channel earned and cost, without its name. */
export function toWireFigure(line: Omit<ChannelLine, 'confidence'>, currency: string) {
  const cpaMinor = cpaOf(line)
  return {
    conversions: fromMicro(line.conversionMicro),
    revenue: toWireMoney(line.revenueMinor, currency),
    share: line.share,
    roas: roasOf(line),
    cpa: cpaMinor === null ? null : toWireMoney(cpaMinor, currency),
  }
}

export function toWireSpend(spendMinor: bigint | null, currency: string) {
  return spendMinor === null ? null : toWireMoney(spendMinor, currency)
}

export function toWireConfidence(confidence: Confidence | null) {
  if (confidence === null) return null
  const { sampleSize, grade, interval } = confidence
  const level = 0.95 as const
  const method = 'poisson_bootstrap' as const
  return { sample_size: sampleSize, grade, interval: interval === null ? null : { ...interval, level, method } }
}

export function toWireModel({ model, version }: ModelSetting) {
  return { model: model.name as ModelName, model_version: version, order_level: model.level === 'order' }
}

/** Under the contract's names, weights of `position` as parts of one. */
export function toWireParameters({ model, parameters, config }: ModelSetting): Parameters {
  return {
    lookback_days: config.lookbackDays,
    ...toWireTransform(config.pathTransform),
    reset_on_conversion: true,
    ...PARAMETERS[model.name]?.(parameters),
  }
}

function toWireTransform({ name, version, parameters: { channel, touches } }: EditionConfig['pathTransform']) {
  return {
    path_transform: name as Parameters['path_transform'],
    path_transform_version: version,
    ...(channel !== undefined && { path_transform_channel: channel as Parameters['path_transform_channel'] & string }),
    ...(touches !== undefined && { path_transform_touches: Number(touches) }),
  }
}

/** Of the models that have parameters of their own; one that is added here is added to the contract too. */
const PARAMETERS: Readonly<Record<string, (parameters: ModelParameters) => Partial<Parameters>>> = {
  last_non_direct: ({ direct_channel: channel }) => ({
    direct_channel: channel as Parameters['direct_channel'] & string,
  }),
  position: ({ first, middle, last }) => {
    const sum = Number(first) + Number(middle) + Number(last)
    return {
      first_weight: Number(first) / sum,
      middle_weight: Number(middle) / sum,
      last_weight: Number(last) / sum,
    }
  },
  time_decay: ({ half_life_hours: hours }) => ({ half_life_hours: Number(hours) }),
  time_decay_bucketed: ({ rate_percent: rate, bucket_hours: hours }) => ({
    rate_percent: Number(rate),
    bucket_hours: Number(hours),
  }),
  decay_step: ({ half_life_touches: touches }) => ({ half_life_touches: Number(touches) }),
  custom: ({ oldest, between, newest }) => ({
    oldest_weights: [...(oldest as readonly number[])],
    between_weight: Number(between),
    newest_weights: [...(newest as readonly number[])],
  }),
  markov: ({ order, uses_nulls: usesNulls, value_rule: rule }) => ({
    markov_order: Number(order),
    with_nulls: usesNulls === true,
    value_rule: rule === 'share' ? 'share' : 'reward',
  }),
}
