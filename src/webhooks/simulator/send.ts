import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isForged, type Signing, toRequest } from './attempt.ts'
import type { Planned } from './plan.ts'
import { type Connection, connectTo } from './post.ts'
import { patience } from './retry.ts'
import { countAttempt, countDelivery, newTally, type Outcome, type Tally } from './tally.ts'

export interface SendOptions {
  url: URL
  signing: Signing
  /** Beside the vendor's own. */
  headers?: Record<string, string>
  /** How many requests at once. */
  concurrency: number
  /** Deliveries a second; null: as fast as they are answered. */
  ratePerS: number | null
  /** How many times faster than the vendor it tries again; null: a failure is final. */
  retrySpeed: number | null
  /** Default: the vendor's. */
  timeoutMs?: number
  /** Ends it: what is under way is given up. */
  signal?: AbortSignal
  /** After each delivery that is done with. */
  onDelivery?: (tally: Tally) => void
}

/** Deliveries that wait for their next attempt hold their bodies; beyond this the sending waits for them. */
const MAX_WAITING = 1_000

/** Sends all that is planned over real HTTP and counts what comes back. */
export async function send(planned: Iterable<Planned>, options: SendOptions): Promise<Tally> {
  const { concurrency, ratePerS, signal = new AbortController().signal } = options
  const tally = newTally()
  const connection = connectTo(options.url, concurrency)
  const giveUp = () => connection.close()
  signal.addEventListener('abort', giveUp)
  // Each delivery that waits listens.
  setMaxListeners(0, signal)
  const waiting = new Set<Promise<void>>()
  const queue = planned[Symbol.iterator]()
  const began = performance.now()
  let index = 0

  async function work(): Promise<void> {
    for (let next = queue.next(); !next.done && !signal.aborted; next = queue.next()) {
      // Due times are counted from the start: a slow answer delays one delivery and not the rate.
      const dueAt = ratePerS === null ? 0 : began + (index++ * 1000) / ratePerS
      await until(dueAt, signal)
      if (signal.aborted) return
      const tryAgain = await deliver(connection, next.value, options, tally, signal)
      if (tryAgain === null) continue
      const retrying: Promise<void> = tryAgain().finally(() => waiting.delete(retrying))
      waiting.add(retrying)
      if (waiting.size >= MAX_WAITING) await Promise.race(waiting)
    }
  }

  try {
    await Promise.all(Array.from({ length: concurrency }, work))
    while (waiting.size > 0) await Promise.race(waiting)
  } finally {
    signal.removeEventListener('abort', giveUp)
    connection.close()
  }
  tally.tookMs = performance.now() - began
  tally.interrupted = signal.aborted
  return tally
}

/** The first attempt; null when it was the last too, else what makes the others. */
async function deliver(
  connection: Connection,
  planned: Planned,
  options: SendOptions,
  tally: Tally,
  signal: AbortSignal,
): Promise<(() => Promise<void>) | null> {
  const { delivery } = planned
  const { delays, timeoutMs, isSuccess } = patience[delivery.vendor]
  const forged = isForged(delivery, options.signing)
  const isExpected = ({ status }: Outcome) => status !== null && (forged ? status === 401 : isSuccess(status))

  const attempt = async () => {
    const request = toRequest(delivery, options.signing, new Date())
    const headers = { ...request.headers, ...options.headers }
    const outcome = await connection.post({ ...request, headers }, options.timeoutMs ?? timeoutMs)
    if (!signal.aborted) countAttempt(tally, outcome)
    return outcome
  }
  const finish = (outcome: Outcome) => {
    if (signal.aborted) return
    const expected = forged ? '401' : '2xx'
    countDelivery(tally, planned, outcome, { isExpected: isExpected(outcome), expected })
    options.onDelivery?.(tally)
  }

  const first = await attempt()
  const { retrySpeed } = options
  if (retrySpeed === null || delays.length === 0 || isExpected(first) || signal.aborted) {
    finish(first)
    return null
  }
  return async () => {
    let outcome = first
    for (const delay of delays) {
      await until(performance.now() + delay / retrySpeed, signal)
      if (signal.aborted) return
      outcome = await attempt()
      if (isExpected(outcome)) break
    }
    finish(outcome)
  }
}

/** Resolves at `timeMs` of performance.now(), or when it is ended. */
async function until(timeMs: number, signal: AbortSignal): Promise<void> {
  const leftMs = timeMs - performance.now()
  if (leftMs <= 0) return
  await sleep(leftMs, undefined, { signal }).catch(() => {})
}
