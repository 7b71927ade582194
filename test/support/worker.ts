import type { ChildProcess } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type pg from 'pg'
import { bringUpToDate, recomputeSpan } from '../../src/attribution/engine/service.ts'
import { ATTRIBUTION_MODELS } from '../../src/attribution/models/registry.ts'
import type { TenantContext } from '../../src/context.ts'
import { connect } from '../../src/db/connect.ts'
import { type Answer, signStripe, type TestPlatform, type TestTenant } from './platform.ts'
import type { OnTestFinished } from './rows.ts'

/** Of models whose credits are computed order by order, in the order in which they are stored. */
export const ORDER_MODELS = ATTRIBUTION_MODELS.filter(({ level }) => level === 'order').map(({ name }) => name)

const SECRET = 'whsec_only_for_tests'
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** A ULID that is always the same for the same name. */
export function ulid(name: string): string {
  const bytes = createHash('sha256').update(name).digest()
  return `0${[...bytes.subarray(0, 25)].map((byte) => CROCKFORD[byte % 32]).join('')}`
}

export interface TouchInput {
  id: string
  visitor: string
  at: Date
  channel: string
}

/** One thing that happens to a shop, as it is sent to the platform. */
export type Happening =
  | { kind: 'touch'; touch: TouchInput }
  | { kind: 'payment'; order: string; visitor: string | null; at: Date; amount: number; currency?: string }
  | { kind: 'charge'; order: string; visitor: string | null; at: Date; amount: number; currency?: string }
  | { kind: 'refund'; order: string; at: Date; from: number; to: number; currency?: string }

export interface Shop {
  tenant: TestTenant
  /** Sends happenings over HTTP one after the other, in the order given. Throws when one is not taken. */
  send: (happenings: readonly Happening[]) => Promise<Answer[]>
  /** Sends touches in one request. */
  sendTouches: (touches: readonly TouchInput[]) => Promise<Answer>
}

/** A tenant with a Stripe endpoint. */
export async function givenShop(platform: TestPlatform, tenant: TestTenant = platform.tenant): Promise<Shop> {
  const { body } = await platform.call('createWebhookEndpoint', {
    token: tenant.tokens.manager,
    body: { vendor: 'stripe', name: 'Test', secret: SECRET },
  })
  const sendTouches = (touches: readonly TouchInput[]) =>
    platform.call('ingestTouchpoints', {
      headers: { 'x-skeldir-tenant-key': tenant.apiKey },
      body: {
        touchpoints: touches.map(({ id, visitor, at, channel }) => ({
          event_id: id,
          visitor_id: ulid(visitor),
          occurred_at: at.toISOString(),
          channel,
        })),
      },
    })
  const sendOne = (happening: Happening) => {
    if (happening.kind === 'touch') return sendTouches([happening.touch])
    const event = JSON.stringify(toStripeEvent(happening))
    return platform.call('receiveStripeWebhook', {
      params: { endpoint_key: body.endpoint_key },
      headers: { 'content-type': 'application/json', ...signStripe(event, SECRET) },
      body: event,
    })
  }
  const send = async (happenings: readonly Happening[]) => {
    const answers: Answer[] = []
    for (const happening of happenings) {
      const answer = await sendOne(happening)
      const isTaken = answer.status === 200 && answer.body.result !== 'dead' && !(answer.body.rejected > 0)
      if (!isTaken) throw new Error(`not taken: ${answer.status} ${answer.text}`)
      answers.push(answer)
    }
    return answers
  }
  return { tenant, send, sendTouches }
}

const seconds = (at: Date) => Math.floor(at.getTime() / 1000)
const idOf = (...parts: unknown[]) => createHash('sha256').update(parts.join('/')).digest('hex').slice(0, 24)

function toStripeEvent(happening: Exclude<Happening, { kind: 'touch' }>): object {
  const { kind, order, at, currency = 'USD' } = happening
  const isPayment = kind === 'payment'
  const object: Record<string, unknown> = {
    id: isPayment ? `pi_${order}` : `ch_${order}`,
    object: isPayment ? 'payment_intent' : 'charge',
    currency: currency.toLowerCase(),
    created: seconds(at),
    status: 'succeeded',
    ...(!isPayment && { payment_intent: `pi_${order}` }),
  }
  const type = { payment: 'payment_intent.succeeded', charge: 'charge.succeeded', refund: 'charge.refunded' }[kind]
  const event = {
    id: `evt_${idOf(JSON.stringify(happening))}`,
    object: 'event',
    type,
    created: seconds(at),
    livemode: true,
  }
  if (happening.kind === 'refund') {
    const data = { object: { ...object, amount_refunded: happening.to } }
    return { ...event, data: { ...data, previous_attributes: { amount_refunded: happening.from } } }
  }
  const { visitor, amount } = happening
  const metadata = visitor === null ? {} : { skeldir: `av1.${ulid(visitor)}.${ulid('session')}` }
  const amounts = isPayment ? { amount_received: amount } : { amount, amount_captured: amount, captured: true }
  return { ...event, data: { object: { ...object, ...amounts, metadata } } }
}

/** A context as the worker process has it, to run its services in this process. */
export function workerContext(
  platform: TestPlatform,
  tenant: TestTenant,
  onTestFinished: OnTestFinished,
): TenantContext {
  const { config, ctx } = platform
  const main = connect({ url: config.databaseUrls.app_worker, applicationName: 'test worker', log: ctx.log, max: 4 })
  onTestFinished(main.close)
  const retention = connect({
    url: config.databaseUrls.app_retention,
    applicationName: 'test retention',
    log: ctx.log,
    max: 2,
  })
  onTestFinished(retention.close)
  const { tenantId } = tenant
  return {
    ...ctx,
    db: { ...ctx.db, main, retention },
    tenantId,
    correlationId: randomUUID(),
    clientAddress: null,
    principal: { kind: 'worker', tenantId },
  }
}

export interface QueueCounts {
  waiting: number
  active: number
  failed: number
  completed: number
}

/** The jobs of a queue by state; `waiting` are those that will still be run. */
export async function countJobs(admin: pg.Client, queue: string): Promise<QueueCounts> {
  const { rows } = await admin.query(
    `select count(*) filter (where state in ('created', 'retry'))::int as waiting,
            count(*) filter (where state = 'active')::int             as active,
            count(*) filter (where state = 'failed')::int             as failed,
            count(*) filter (where state = 'completed')::int          as completed
     from pgboss.job where name = $1`,
    [queue],
  )
  return rows[0]
}

/** Computes every order of a tenant anew in this process, from the data alone: what comes out as it was stays as it is. */
export function recomputeAll(ctx: TenantContext): Promise<void> {
  const span = { from: '-infinity', until: 'infinity', cause: 'request' } as const
  return recomputeSpan(ctx, span, new AbortController().signal)
}

/** What the worker does on a wake-up, in this process. */
export async function bringUp(ctx: TenantContext): Promise<void> {
  await bringUpToDate(ctx, new AbortController().signal)
}

/** Whether all that was taken in has been worked off. */
export async function isIdle(admin: pg.Client): Promise<boolean> {
  const { rows } = await admin.query(
    "select count(*)::int as open from pgboss.job where name in ('webhook', 'attribution') and state in ('created', 'retry', 'active')",
  )
  return rows[0].open === 0
}

export interface Result {
  runs: Record<string, { inputHash: string; outputHash: string }>
  /** Over all models and days, without those of nothing: `model order entry position channel touch currency revenue conversion`. */
  credits: string[]
}

/** What answers for a tenant, without any id or time of ours, so that it can be compared with another tenant's. */
export async function readResult(admin: pg.Client, tenantId: string): Promise<Result> {
  const runs = await admin.query(
    `select p.model || ' ' || to_char(p.window_start at time zone 'UTC', 'YYYY-MM-DD') as key, r.input_hash, r.output_hash
     from attribution_editions as e
     join published_day_runs as p using (tenant_id, edition_id)
     join attribution_day_runs as r using (tenant_id, run_id)
     where tenant_id = $1 and e.status = 'published' order by 1`,
    [tenantId],
  )
  const credits = await admin.query(
    `select concat_ws(' ', p.model, c.order_key, c.entry_key, c.position, c.channel, coalesce(c.touch_external_id, '-'),
                      c.currency, p.revenue, p.conversion) as line
     from attribution_editions as e
     join attribution_orders as o using (tenant_id, edition_id)
     join attribution_order_credits as c using (tenant_id, edition_id, order_key, revision)
     cross join lateral unnest(e.models, c.revenue_minor, c.conversion_micro) as p (model, revenue, conversion)
     where tenant_id = $1 and e.status = 'published' and (p.revenue <> 0 or p.conversion <> 0)`,
    [tenantId],
  )
  return {
    runs: Object.fromEntries(
      runs.rows.map(({ key, input_hash, output_hash }) => [key, { inputHash: input_hash, outputHash: output_hash }]),
    ),
    credits: credits.rows.map(({ line }) => line).sort(),
  }
}

/** Ends a process without letting it clean up, and waits until the kernel is done with it. */
export async function killHard(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
