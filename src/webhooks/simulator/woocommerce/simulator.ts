import { createHash } from 'node:crypto'
import { exponentOf, formatMinor } from '../../../money.ts'
import type { Delivery, OrderStage, VendorSimulator } from '../delivery.ts'
import type { Purchase } from '../purchase.ts'
import { phpJson } from '../vendor-json.ts'
import {
  addressOf,
  bothZones,
  SHOP_URL,
  timeOf,
  type WoocommerceStory,
  woocommerceOrder,
  woocommerceStory,
} from './order.ts'

/** The shop's number of the webhook. */
const WEBHOOK_ID = 7
const USER_AGENT = 'WooCommerce/10.3.0 Hookshot (WordPress/6.8)'
/** The unsigned form that comes before a webhook is activated. */
export const PING = 'ping'

interface Happening {
  at: number
  body: object
}

/** The body is built when it is sent: whatever the topic says, the order may be further already. */
type Tell = (story: WoocommerceStory, stage: OrderStage | undefined) => Happening

const tellers: Record<string, Tell> = {
  'order.created': orderAt('placed'),
  'order.updated': orderAt('paid'),
  // Two that WooCommerce itself does not have: relays and plug-ins send them.
  'order.completed': orderAt('completed'),
  'order.refunded': orderAt('refunded'),
  'order.restored': orderAt('paid'),
  'order.deleted': (story) => ({ at: timesOf(story).refunded, body: { id: story.orderId } }),
  ...tellersOf('product', product, 'restored'),
  ...tellersOf('coupon', coupon, 'restored'),
  // Customers have no trash, so none is restored.
  ...tellersOf('customer', customer),
}

const topics: ReadonlyMap<string, Tell> = new Map(Object.entries(tellers))
const ACTION = /^action\.([a-z0-9_]{1,100})$/

export const woocommerceSimulator: VendorSimulator = {
  vendor: 'woocommerce',
  topics: [...topics.keys(), 'action.woocommerce_add_to_cart', PING],
  stepOf(currency) {
    exponentOf(currency)
    return 1n
  },
  build(topic, purchase, { stage }) {
    if (topic === PING) return ping(purchase.seed)
    const [, hook] = ACTION.exec(topic) ?? []
    const tell = hook === undefined ? topics.get(topic) : action(hook)
    return tell && toDelivery(topic, purchase, tell(woocommerceStory(purchase), stage))
  },
}

function toDelivery(topic: string, { seed }: Purchase, { at, body }: Happening): Delivery {
  const [resource = '', event = ''] = topic.split('.', 2)
  // WooCommerce hashes webhook and second: two orders of one second share the id.
  const deliveryId = createHash('md5')
    .update(`${WEBHOOK_ID}${Math.floor(at / 1000)}`)
    .digest('hex')
  return {
    vendor: 'woocommerce',
    topic,
    seed,
    headers: {
      'Content-Type': 'application/json',
      'User-Agent': USER_AGENT,
      'X-WC-Webhook-Source': SHOP_URL,
      'X-WC-Webhook-Topic': topic,
      'X-WC-Webhook-Resource': resource,
      'X-WC-Webhook-Event': event,
      'X-WC-Webhook-ID': String(WEBHOOK_ID),
      'X-WC-Webhook-Delivery-ID': deliveryId,
    },
    body: phpJson(body),
  }
}

function ping(seed: number): Delivery {
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'User-Agent': USER_AGENT }
  return { vendor: 'woocommerce', topic: PING, seed, headers, body: Buffer.from(`webhook_id=${WEBHOOK_ID}`) }
}

function orderAt(usual: OrderStage): Tell {
  return (story, stage = usual) => ({ at: timeOf(story.purchase, stage), body: woocommerceOrder(story, stage) })
}

function timesOf({ purchase }: WoocommerceStory) {
  return purchase.times
}

function tellersOf(resource: string, show: (story: WoocommerceStory) => { id: number }, ...more: string[]) {
  const tell = (event: string): Tell => {
    if (event === 'deleted') return (story) => ({ at: timesOf(story).paid, body: { id: show(story).id } })
    return (story) => ({ at: timesOf(story).checkout, body: show(story) })
  }
  return Object.fromEntries(
    ['created', 'updated', 'deleted', ...more].map((event) => [`${resource}.${event}`, tell(event)]),
  )
}

function action(hook: string): Tell {
  return (story) => ({ at: timesOf(story).checkout, body: { action: hook, arg: story.orderKey } })
}

/** Field names: https://woocommerce.github.io/woocommerce-rest-api-docs/#product-properties */
function product({ purchase, productIds }: WoocommerceStory) {
  const { lines, times, currency } = purchase
  const [line] = lines
  return {
    id: productIds[0] as number,
    name: line?.title ?? '',
    ...bothZones('date_created', times.checkout - 86_400_000),
    ...bothZones('date_modified', times.checkout),
    type: 'simple',
    status: 'publish',
    sku: line?.sku ?? '',
    price: formatMinor(line?.unitMinor ?? 0n, currency),
    regular_price: formatMinor(line?.unitMinor ?? 0n, currency),
    sale_price: '',
    stock_status: 'instock',
    meta_data: [],
  }
}

/** Field names: https://woocommerce.github.io/woocommerce-rest-api-docs/#coupon-properties */
function coupon({ purchase, couponId }: WoocommerceStory) {
  return {
    id: couponId,
    code: purchase.discount?.code.toLowerCase() ?? 'spring10',
    amount: '10.00',
    discount_type: 'percent',
    ...bothZones('date_created', purchase.times.checkout - 86_400_000),
    ...bothZones('date_modified', purchase.times.checkout),
    usage_count: 1,
    used_by: [purchase.person.email],
    meta_data: [],
  }
}

/** Field names: https://woocommerce.github.io/woocommerce-rest-api-docs/#customer-properties */
function customer({ purchase, customerId }: WoocommerceStory) {
  const { person, times } = purchase
  return {
    id: customerId,
    ...bothZones('date_created', times.checkout),
    ...bothZones('date_modified', times.checkout),
    email: person.email,
    first_name: person.firstName,
    last_name: person.lastName,
    role: 'customer',
    username: person.email,
    billing: { ...addressOf(person), email: person.email, phone: person.phone },
    shipping: addressOf(person),
    is_paying_customer: true,
    meta_data: [],
  }
}
