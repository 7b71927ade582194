import type { TenantContext } from '../../../context.ts'
import type { Handlers, Reply, Request } from '../../../contract.ts'
import { isChannel } from '../../../events/known-channels.ts'
import { toWireMoney } from '../../../money.ts'
import { ProblemError } from '../../../problem/problem.ts'
import { UNATTRIBUTED } from '../../engine/order.ts'
import { type ExplanationPart, explainChannel, explainOrder } from '../explain/service.ts'
import { type Channel, fromMicro, type ModelName, toWireConfidence, toWireParameters } from '../wire.ts'
import { type CreditLine, getOrderCredits as readCredits } from './service.ts'
import type { ExplainedTouch } from './touches.ts'

type OrderReply = Extract<Reply<'getOrderCredits'>, { status: 200 }>['body']
type Touch = OrderReply['touchpoints'][number]

async function getOrderCredits(
  ctx: TenantContext,
  { params, query }: Request<'getOrderCredits'>,
): Promise<Reply<'getOrderCredits'>> {
  const order = await readCredits(ctx, { orderKey: params.order_id, model: query.model })
  const { currency, config } = order
  return {
    status: 200,
    body: {
      order_id: params.order_id,
      ordered_at: order.orderedAt.toISOString(),
      currency,
      captured: toWireMoney(order.capturedMinor, currency),
      refunded: toWireMoney(order.refundedMinor, currency),
      over_refunded: toWireMoney(order.overRefundedMinor, currency),
      net_revenue: toWireMoney(order.netMinor, currency),
      identity_tier: order.identityTier as OrderReply['identity_tier'],
      lookback_days: config.lookbackDays,
      channel_rules_version: config.channelRulesVersion,
      revenue_definition_version: config.revenueDefinition.version,
      attribution_settings_version: config.attributionSettingsVersion,
      touchpoints: order.touches.map(toTouch),
      models: order.models.map(({ setting, runId, credits }) => ({
        model: setting.model.name as ModelName,
        model_version: setting.version,
        parameters: toWireParameters(setting),
        run_id: runId,
        credits: credits.map((credit) => toCredit(credit, currency)),
      })),
    },
  }
}

function toCredit(row: CreditLine, currency: string) {
  return {
    position: row.touchExternalId === null ? null : row.position + 1,
    channel: row.channel as Channel,
    touchpoint_event_id: row.touchExternalId,
    touched_at: row.touchedAt?.toISOString() ?? null,
    weight: fromMicro(row.conversionMicro),
    conversions: fromMicro(row.conversionMicro),
    revenue: toWireMoney(row.revenueMinor, currency),
  }
}

function toTouch({ externalId, channel, touchedAt, position, exclusion }: ExplainedTouch) {
  return {
    touchpoint_event_id: externalId,
    channel: channel as Touch['channel'],
    touched_at: touchedAt.toISOString(),
    position,
    exclusion,
  }
}

async function explainAttributionEntity(
  ctx: TenantContext,
  { params, query }: Request<'explainAttributionEntity'>,
): Promise<Reply<'explainAttributionEntity'>> {
  const request = {
    model: query.model ?? 'last_touch',
    from: query.start_date,
    to: query.end_date,
    timeZone: query.time_zone,
    currency: query.currency,
    basis: query.basis ?? 'order_date',
  }
  const { entity_type: kind, entity_id: id } = params
  const explained = await explain(ctx, { kind, id }, request)
  const { currency, setting, config } = explained
  const money = (amountMinor: bigint) => toWireMoney(amountMinor, currency)
  return {
    status: 200,
    body: {
      entity_type: kind,
      entity_id: id,
      explanation: explained.text,
      model: setting.model.name as ModelName,
      model_version: setting.version,
      parameters: toWireParameters(setting),
      start_date: explained.from,
      end_date: explained.to,
      time_zone: explained.timeZone,
      currency,
      basis: explained.basis,
      as_of: explained.asOf.toISOString(),
      coverage: explained.coverage,
      channel_rules_version: config.channelRulesVersion,
      revenue_definition_version: config.revenueDefinition.version,
      attribution_settings_version: config.attributionSettingsVersion,
      lookback_days: config.lookbackDays,
      total: money(explained.totalMinor),
      parts: explained.parts.map((part) => toPart(part, currency)),
      rest: { parts: explained.rest.parts, amount: money(explained.rest.amountMinor) },
      touchpoints: explained.touches.map(toTouch),
      citations: explained.citations.map(({ metric, amountMinor, number, source }) => ({
        metric,
        amount: amountMinor === null ? null : money(amountMinor),
        number,
        source,
      })),
      ...(kind === 'channel_performance' && { confidence: toWireConfidence(explained.confidence) }),
    },
  }
}

/** A discrepancy between a platform's claim and the ledger is not known yet, so there is none of any id. */
function explain(
  ctx: TenantContext,
  { kind, id }: { kind: string; id: string },
  request: Parameters<typeof explainOrder>[2],
) {
  if (kind === 'attribution_score') return explainOrder(ctx, id, request)
  if (kind === 'channel_performance' && (isChannel(id) || id === UNATTRIBUTED)) return explainChannel(ctx, id, request)
  throw new ProblemError('not_found', 'There is nothing at this address.')
}

function toPart(part: ExplanationPart, currency: string) {
  return {
    kind: part.kind,
    channel: part.channel as Channel,
    ...(part.orderKey !== null && { order_id: part.orderKey }),
    ...(part.touchExternalId !== null && { touchpoint_event_id: part.touchExternalId }),
    ...(part.weight !== null && { weight: part.weight }),
    conversions: fromMicro(part.conversionMicro),
    amount: toWireMoney(part.amountMinor, currency),
  }
}

export const orderHandlers = { getOrderCredits, explainAttributionEntity } satisfies Partial<Handlers>
