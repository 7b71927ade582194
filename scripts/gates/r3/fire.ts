import { setTimeout as sleep } from 'node:timers/promises'
import { randomOf } from '../../../src/webhooks/simulator/random.ts'
import type { Client, Outcome } from '../../load/client.ts'
import type { Order } from './scenarios.ts'

export interface Volley {
  sent: number
  /** By status, or by why there was no answer. */
  answers: Record<string, number>
  latenciesMs: number[]
  /** Of each order, the receipts that it was answered. */
  receipts: ReadonlyMap<Order, ReadonlySet<string>>
  /** From the first request to the last answer. */
  tookMs: number
}

/** Requests at once, or a second; the order of sending is shuffled by `seed`. */
export type Pace = { concurrency: number } | { ratePerS: number }

/** Milliseconds. The gate's own bound, longer than any vendor's: what is answered at all counts by its answer. */
const TIMEOUT_MS = 10_000

/** Sends all orders, repeats among the others, and notes every answer. */
export async function fire(client: Client, orders: readonly Order[], pace: Pace, seed: number): Promise<Volley> {
  const planned = randomOf(`gate r3 order ${seed}`).shuffle(orders.flatMap((order) => Array(order.times).fill(order)))
  const receipts = new Map<Order, Set<string>>(orders.map((order) => [order, new Set()]))
  const answers: Record<string, number> = {}
  const latenciesMs: number[] = []
  const note = (order: Order, { status, failure, body, latencyMs }: Outcome) => {
    const answer = String(status ?? failure)
    answers[answer] = (answers[answer] ?? 0) + 1
    latenciesMs.push(latencyMs)
    if (status === 200 && typeof body?.receipt_id === 'string') receipts.get(order)?.add(body.receipt_id)
  }
  // Signed before the clock starts: a vendor's processor is not what is measured.
  const requests = planned.map((order: Order) => {
    const { headers, body } = order.shot.sign(new Date())
    return { order, request: { path: order.shot.door.path, headers, body } }
  })
  const began = performance.now()
  if ('concurrency' in pace) {
    let next = 0
    const work = async () => {
      for (let at = next++; at < requests.length; at = next++) {
        const { order, request } = requests[at] as (typeof requests)[number]
        note(order, await client.send(request, TIMEOUT_MS))
      }
    }
    await Promise.all(Array.from({ length: pace.concurrency }, work))
  } else {
    // By the clock, whatever is still unanswered: a slow server is not sent less.
    const pending: Promise<void>[] = []
    for (const [at, { order, request }] of requests.entries()) {
      const dueIn = began + (at * 1000) / pace.ratePerS - performance.now()
      if (dueIn > 0) await sleep(dueIn)
      pending.push(client.send(request, TIMEOUT_MS).then((outcome) => note(order, outcome)))
    }
    await Promise.all(pending)
  }
  return { sent: requests.length, answers, latenciesMs, receipts, tookMs: performance.now() - began }
}
