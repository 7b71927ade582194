import type { TenantContext } from '../../context.ts'
import type { Handlers, Reply, Request } from '../../contract.ts'
import { toWireMoney } from '../../money.ts'
import { getChannelReport } from './channels/service.ts'
import { compareModels } from './compare/service.ts'
import type { OtherCurrency } from './frame.ts'
import { listModels } from './models/service.ts'
import {
  type Channel,
  fromMicro,
  type ModelName,
  toWireBridge,
  toWireConfidence,
  toWireFigure,
  toWireModel,
  toWireParameters,
  toWireRun,
  toWireSpend,
} from './wire.ts'

const DEFAULT_LIMIT = 50

type Tier = Extract<Reply<'compareAttributionModels'>, { status: 200 }>['body']['identity_tiers'][number]['tier']

async function getChannelAttribution(
  ctx: TenantContext,
  { query }: Request<'getChannelAttribution'>,
): Promise<Reply<'getChannelAttribution'>> {
  const report = await getChannelReport(ctx, {
    ...toWindow(query),
    model: query.model ?? 'last_touch',
    basis: query.basis ?? 'order_date',
    groupBy: query.group_by ?? 'channel',
    convert: query.convert ?? false,
  })
  const { window, config, rest } = report
  const { currency } = window
  return {
    status: 200,
    body: {
      ...toWireModel(report.setting),
      parameters: toWireParameters(report.setting),
      start_date: window.from,
      end_date: window.to,
      time_zone: window.timeZone,
      currency,
      basis: report.basis,
      group_by: report.groupBy,
      converted: report.isConverted,
      as_of: report.asOf?.toISOString() ?? null,
      coverage: report.coverage,
      channel_rules_version: config.channelRulesVersion,
      revenue_definition_version: config.revenueDefinition.version,
      attribution_settings_version: config.attributionSettingsVersion,
      conversions: report.orders,
      net_revenue: toWireMoney(report.netMinor, currency),
      credited_revenue: toWireMoney(report.creditedMinor, currency),
      over_refunded: toWireMoney(report.overRefundedMinor, currency),
      ...(report.bridge !== null && { bridge: toWireBridge(report.bridge, currency) }),
      channels: report.channels.map((line) => ({
        channel: line.channel as Channel,
        ...toWireFigure(line, currency),
        spend: toWireSpend(line.spendMinor, currency),
        confidence: toWireConfidence(line.confidence),
      })),
      groups: report.groups.map((line) => ({
        channel: line.channel as Channel,
        campaign: line.campaign,
        date: line.day,
        ...toWireFigure(line, currency),
        spend: toWireSpend(line.spendMinor, currency),
      })),
      rest: {
        groups: rest.groups,
        conversions: fromMicro(rest.conversionMicro),
        revenue: toWireMoney(rest.revenueMinor, currency),
      },
      other_currencies: report.otherCurrencies.map(toOther),
      other_spend: report.otherSpend.map(({ currency, spendMinor }) => toWireMoney(spendMinor, currency)),
      runs: report.runs.map(toWireRun),
    },
  }
}

async function compareAttributionModels(
  ctx: TenantContext,
  { query }: Request<'compareAttributionModels'>,
): Promise<Reply<'compareAttributionModels'>> {
  const report = await compareModels(ctx, {
    ...toWindow(query),
    baseline: query.baseline ?? 'last_touch',
    basis: query.basis ?? 'order_date',
  })
  const { window, config } = report
  const { currency } = window
  const money = (amountMinor: bigint) => toWireMoney(amountMinor, currency)
  return {
    status: 200,
    body: {
      baseline: report.baseline as ModelName,
      start_date: window.from,
      end_date: window.to,
      time_zone: window.timeZone,
      currency,
      basis: report.basis,
      as_of: report.asOf?.toISOString() ?? null,
      coverage: report.coverage,
      channel_rules_version: config.channelRulesVersion,
      revenue_definition_version: config.revenueDefinition.version,
      attribution_settings_version: config.attributionSettingsVersion,
      conversions: report.orders,
      net_revenue: money(report.netMinor),
      over_refunded: money(report.overRefundedMinor),
      bridge: toWireBridge(report.bridge, currency),
      identity_tiers: report.tiers.map(({ tier, orders, netMinor }) => ({
        tier: tier as Tier,
        orders,
        net_revenue: money(netMinor),
      })),
      models: report.models.map(({ setting, creditedMinor, runIds }) => ({
        ...toWireModel(setting),
        parameters: toWireParameters(setting),
        credited_revenue: money(creditedMinor),
        run_ids: runIds,
      })),
      channels: report.channels.map(({ channel, spendMinor, figures }) => ({
        channel: channel as Channel,
        spend: toWireSpend(spendMinor, currency),
        figures: figures.map((figure) => ({
          model: figure.model as ModelName,
          ...toWireFigure(figure, currency),
          difference: figure.differenceMinor === null ? null : money(figure.differenceMinor),
          confidence: toWireConfidence(figure.confidence),
        })),
      })),
      other_currencies: report.otherCurrencies.map(toOther),
      other_spend: report.otherSpend.map(({ currency, spendMinor }) => toWireMoney(spendMinor, currency)),
    },
  }
}

async function listAttributionModels(
  ctx: TenantContext,
  { query }: Request<'listAttributionModels'>,
): Promise<Reply<'listAttributionModels'>> {
  const { items, nextCursor } = await listModels(ctx, { limit: query.limit ?? DEFAULT_LIMIT, cursor: query.cursor })
  return {
    status: 200,
    body: {
      items: items.map((setting) => ({
        ...toWireModel(setting),
        attribution_settings_version: setting.config.attributionSettingsVersion,
        title: toTitle(setting.model.name),
        description: setting.model.about,
        refusal: setting.model.level === 'channel' ? setting.model.refusal : null,
        parameters: toWireParameters(setting),
      })),
      next_cursor: nextCursor,
    },
  }
}

function toWindow(query: Request<'compareAttributionModels'>['query']) {
  return { from: query.start_date, to: query.end_date, timeZone: query.time_zone, currency: query.currency }
}

function toOther({ currency, netMinor, orders }: OtherCurrency) {
  return { net_revenue: toWireMoney(netMinor, currency), conversions: orders }
}

/** `last_non_direct` is called Last non direct. */
function toTitle(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ')
}

export const reportHandlers = {
  getChannelAttribution,
  compareAttributionModels,
  listAttributionModels,
} satisfies Partial<Handlers>
