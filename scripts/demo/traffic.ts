// One day of a web shop, made from a seed: touchpoints, and the webhooks that Shopify and Stripe would send about its
// orders, with all that makes real traffic hard: repeats, wrong order, late and broken deliveries, forged signatures.
//
// Ids and amounts depend on the seed alone; only the times move with the day.

import type { Day, Order, Sending } from './day.ts'
import { addUnpaidOrders, addVendorDeliveries } from './deliveries.ts'
import { addBroken, addForged, addIgnored, addRepeats } from './noise.ts'
import { placeOrders } from './orders.ts'
import { createRandom } from './random.ts'
import { addTouchBatches, makeTouches } from './touches.ts'

export function generateDay(seed: number, date: string): Day {
  const start = Date.parse(`${date}T00:00:00.000Z`)
  if (Number.isNaN(start)) throw new RangeError(`not a day: ${date}`)
  const journeys = placeOrders(seed, start)
  const touches = makeTouches(seed, start, journeys)
  const phases: Sending[][] = [[], [], []]
  const placed = journeys.flatMap(({ orders }) => orders)
  addTouchBatches(seed, touches, phases)
  const genuine = addVendorDeliveries(seed, placed, phases)
  const orders: Order[] = [...placed]
  addUnpaidOrders(seed, start, touches, orders, phases)
  addRepeats(seed, genuine, phases)
  addIgnored(seed, start, phases)
  addBroken(seed, start, phases)
  addForged(seed, start, phases)
  const random = createRandom(seed, 'network')
  return { seed, date, touches, orders, phases: phases.map((phase) => random.shuffle(phase)) }
}
