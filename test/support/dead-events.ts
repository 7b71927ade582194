import type { Vendor } from '../../src/context.ts'
import type { OperationId } from '../../src/contract.ts'
import { runReplay } from '../../src/webhooks/dead-events/replay/service.ts'
import { normalizeEvents } from '../../src/webhooks/ledger/service.ts'
import type { Delivery } from '../../src/webhooks/simulator/delivery.ts'
import { givenEndpoint, type TestEndpoint } from './given.ts'
import type { Answer, TestPlatform, TestTenant } from './platform.ts'
import type { OnTestFinished } from './rows.ts'
import { signed, simulate } from './signed-deliveries.ts'
import { workerContext } from './worker.ts'

const RECEIVERS: Record<Vendor, OperationId> = {
  stripe: 'receiveStripeWebhook',
  shopify: 'receiveShopifyWebhook',
  paypal: 'receivePaypalWebhook',
  woocommerce: 'receiveWoocommerceWebhook',
}

/** Sends a delivery as its vendor would, signed. */
export function send(platform: TestPlatform, endpoint: TestEndpoint, delivery: Delivery): Promise<Answer> {
  const { headers, body } = signed(delivery, endpoint.secret)
  const params = { endpoint_key: endpoint.endpointKey }
  return platform.call(RECEIVERS[endpoint.vendor], { params, headers, body })
}

const changed = (change: (text: string) => string) => (body: Buffer) => Buffer.from(change(body.toString()))

/** What goes wrong with bodies on their way, by name. `isMendable`: a replay knows how it was meant. */
export const SPOILS: Record<
  string,
  { isMendable: boolean; vendors: readonly Vendor[]; change: (body: Buffer) => Buffer }
> = {
  'a byte order mark': {
    isMendable: true,
    vendors: ['stripe', 'shopify', 'paypal'],
    change: (body) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body]),
  },
  'UTF-16': {
    isMendable: true,
    vendors: ['stripe', 'shopify', 'paypal'],
    change: (body) => Buffer.from(`\ufeff${body}`, 'utf16le'),
  },
  'Windows-1252': {
    isMendable: true,
    vendors: ['stripe', 'shopify', 'paypal'],
    change: (body) => Buffer.concat([body.subarray(0, -1), Buffer.from(',"x":"gr\xe5"}', 'latin1')]),
  },
  'blanks around amounts': {
    isMendable: true,
    vendors: ['shopify', 'paypal', 'woocommerce'],
    change: changed((text) => text.replace(/"(\d+\.\d\d)"/g, '"  $1 "')),
  },
  'times with blanks': {
    isMendable: true,
    vendors: ['shopify'],
    change: changed((text) => text.replace(/"(\d{4}-\d\d-\d\d)T([\d:.]+)(Z|[+-]\d\d:\d\d)"/g, '"$1 $2 $3"')),
  },
  'currency in lower case': {
    isMendable: true,
    vendors: ['shopify', 'paypal', 'woocommerce'],
    change: changed((text) => text.replace(/"(currency|currency_code)":\s?"USD"/g, '"$1":"usd"')),
  },
  'no end': { isMendable: false, vendors: ['stripe', 'shopify', 'paypal'], change: (body) => body.subarray(0, -9) },
  'no currency': {
    isMendable: false,
    vendors: ['stripe', 'shopify', 'paypal', 'woocommerce'],
    change: changed((text) => text.replaceAll(/"(currency|currency_code)"/g, '"$1_was"')),
  },
}

export function spoil(delivery: Delivery, name: string): Delivery {
  const { change } = SPOILS[name] as (typeof SPOILS)[string]
  return { ...delivery, body: change(delivery.body) }
}

export interface GivenDead {
  endpoint: TestEndpoint
  tenant: TestTenant
  deadEventId: string
  delivery: Delivery
}

/** A dead event of a paid order at Shopify, of a tenant of its own unless an endpoint is given. */
export async function givenDead(
  platform: TestPlatform,
  {
    spoiled = 'blanks around amounts',
    endpoint: known,
    seed,
  }: { spoiled?: string; endpoint?: TestEndpoint; seed?: number } = {},
): Promise<GivenDead> {
  const endpoint = known ?? (await givenEndpoint(platform, 'shopify'))
  const delivery = spoil(simulate('shopify', 'orders/paid', ...(seed === undefined ? [] : [seed])), spoiled)
  const { body } = await send(platform, endpoint, delivery)
  if (body.result !== 'dead') throw new Error(`it lives: ${JSON.stringify(body)}`)
  return { endpoint, tenant: endpoint.tenant, deadEventId: body.receipt_id, delivery }
}

/** Carries out in this process what a worker would. */
export async function finishReplay(
  platform: TestPlatform,
  tenant: TestTenant,
  replayId: string,
  onTestFinished: OnTestFinished,
): Promise<void> {
  await runReplay(workerContext(platform, tenant, onTestFinished), replayId, new AbortController().signal)
}

/** Enters all that a tenant's stored deliveries say, as their jobs would; once more where they ran. */
export async function enterAll(
  platform: TestPlatform,
  tenant: TestTenant,
  onTestFinished: OnTestFinished,
): Promise<void> {
  const rows = await platform.query<{ id: string }>(
    `select event_id as id from webhook_events where tenant_id = $1 and is_handled and not is_test order by received_at`,
    [tenant.tenantId],
  )
  // No job is made for nothing.
  if (rows.length === 0) return
  await normalizeEvents(
    workerContext(platform, tenant, onTestFinished),
    rows.map(({ id }) => id),
  )
}

export interface Money {
  currency: string
  captured: string
  refunded: string
  disputed: string
}

/** What counts of a tenant's whole ledger, by currency; told by other means than those that are under test. */
export function readMoney(platform: TestPlatform, { tenantId }: TestTenant): Promise<Money[]> {
  return platform.query<Money>(
    `with counted as (
       select l.currency, l.kind, l.amount_minor
       from ledger_entries as l
       left join uncounted_entries as u
         on u.tenant_id = l.tenant_id and u.entry_key in (l.entry_key, l.corrects_entry_key)
       where l.tenant_id = $1 and u.entry_key is null
     )
     select currency,
            coalesce(sum(case kind when 'capture' then amount_minor end), 0)::text as captured,
            coalesce(sum(case kind when 'refund' then -amount_minor end), 0)::text as refunded,
            coalesce(sum(case when kind like 'dispute%' then -amount_minor end), 0)::text as disputed
     from counted group by currency order by currency`,
    [tenantId],
  )
}

/** As the answer of a dry run has it. */
export function toChanges(before: readonly Money[], after: readonly Money[]) {
  const currencies = [...new Set([...before, ...after].map(({ currency }) => currency))].sort()
  const of = (list: readonly Money[], currency: string) => list.find((row) => row.currency === currency)
  return currencies.flatMap((currency) => {
    const difference = (name: 'captured' | 'refunded' | 'disputed') =>
      Number(of(after, currency)?.[name] ?? 0) - Number(of(before, currency)?.[name] ?? 0)
    const [captured, refunded, disputed] = [difference('captured'), difference('refunded'), difference('disputed')]
    if (captured === 0 && refunded === 0 && disputed === 0) return []
    const money = (amount_minor: number) => ({ amount_minor, currency })
    return [
      {
        currency,
        captured: money(captured),
        refunded: money(refunded),
        disputed: money(disputed),
        net_revenue: money(captured - refunded - disputed),
      },
    ]
  })
}
