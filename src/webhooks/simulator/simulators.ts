import { formatMinor, MoneyError, parseDecimalToMinor } from '../../money.ts'
import { type ContractTopic, contractTopics, OTHER_TOPIC, otherSchema } from './contract-topics.ts'
import type { Circumstances, Delivery, SimulatedVendor, VendorSimulator } from './delivery.ts'
import { paypalSimulator } from './paypal/simulator.ts'
import { inventPurchase, type PurchaseOptions } from './purchase.ts'
import { shopifySimulator } from './shopify/simulator.ts'
import { stripeSimulator } from './stripe/simulator.ts'
import { woocommerceSimulator } from './woocommerce/simulator.ts'

export const simulators: Record<SimulatedVendor, VendorSimulator> = {
  stripe: stripeSimulator,
  shopify: shopifySimulator,
  paypal: paypalSimulator,
  woocommerce: woocommerceSimulator,
}

/** What was asked for cannot be sent: a sentence that says what can. */
export class SimulatorError extends Error {
  override name = 'SimulatorError'
}

/** Everything that can be sent: what the contract names, and then some of what it only acknowledges. */
export function listTopics(vendor: SimulatedVendor): ContractTopic[] {
  const named = contractTopics(vendor).toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
  const other: ContractTopic[] = simulators[vendor].topics
    .filter((topic) => !named.some((known) => isCalled(known.topic, topic)))
    .map((topic) => ({
      topic,
      schema: otherSchema(vendor),
      description: OTHER_TOPIC,
      paths: [`/api/webhooks/${vendor}/in/{endpoint_key}`],
    }))
  return [...named, ...other]
}

/** Whether a topic of the contract, which may leave a part open, stands for this one. */
export function isCalled(pattern: string, topic: string): boolean {
  return pattern === topic || (pattern.endsWith('<hook>') && topic.startsWith(pattern.slice(0, -'<hook>'.length)))
}

/** The topic as it was written, or SimulatorError with the nearest ones. */
export function requireTopic(vendor: SimulatedVendor, topic: string): ContractTopic {
  const topics = listTopics(vendor)
  const found = topics.find((known) => isCalled(known.topic, topic))
  if (found !== undefined && !topic.includes('<')) return found
  const near = topics
    .map((known) => ({ topic: known.topic, distance: distance(known.topic.toLowerCase(), topic.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
  throw new SimulatorError(
    `${vendor} has no topic ${JSON.stringify(topic)}; near it: ${near.map((each) => each.topic).join(', ')}`,
  )
}

export interface StoryOptions extends Circumstances {
  currency: string
  /** In major units, as a decimal. */
  amount?: string
  startedAt?: number
  visitorId?: string
}

/** What one seed makes of a topic: the same bytes for the same options. Throws SimulatorError. */
export function makeDelivery(vendor: SimulatedVendor, topic: string, seed: number, options: StoryOptions): Delivery {
  const purchase = inventPurchase(seed, readAmounts(vendor, options))
  const delivery = simulators[vendor].build(topic, purchase, options)
  if (delivery === undefined) throw new SimulatorError(`${vendor} has no topic ${JSON.stringify(topic)}`)
  return delivery
}

function readAmounts(vendor: SimulatedVendor, options: StoryOptions): PurchaseOptions {
  const { currency, amount, startedAt, visitorId } = options
  const given = { ...(startedAt !== undefined && { startedAt }), ...(visitorId !== undefined && { visitorId }) }
  try {
    const stepMinor = simulators[vendor].stepOf(currency)
    if (amount === undefined) return { currency, stepMinor, ...given }
    const amountMinor = parseDecimalToMinor(amount, currency)
    if (amountMinor <= 0n || amountMinor > MAX_AMOUNT_MINOR || amountMinor % stepMinor !== 0n) {
      const [step, max] = [formatMinor(stepMinor, currency), formatMinor(MAX_AMOUNT_MINOR, currency)]
      throw new SimulatorError(`the amount is ${amount}: a multiple of ${step} up to ${max} ${currency} is meant`)
    }
    return { currency, stepMinor, amountMinor, ...given }
  } catch (error) {
    if (!(error instanceof MoneyError)) throw error
    throw new SimulatorError(`${vendor}, ${amount ?? ''} ${currency}: ${error.message}`, { cause: error })
  }
}

/** Stripe takes eight digits; more would only find out what a receiver does with it. */
const MAX_AMOUNT_MINOR = 99_999_999n

/** Levenshtein's, for a handful of short names. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [i, character] of [...a].entries()) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] as number) + (b[j] === character ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
