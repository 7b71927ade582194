import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Outcome } from '../../load/client.ts'
import type { Message } from './messages.ts'

/** What the senders know in the end. */
export interface Ledger {
  /** Acknowledged: the ids in the answer. */
  acknowledged: Map<Message, ReadonlySet<string>>
  /** Never acknowledged, as often as it was tried: what became of them is open. */
  givenUp: Message[]
  /** Of all attempts, by status or by why there was no answer. */
  answers: Record<string, number>
  attempts: number
}

export interface Senders {
  ledger: Ledger
  /** Requests that have no answer at this moment. */
  open: () => number
  /** Starts nothing new, and resolves when everything that was started is acknowledged or given up. */
  finish: () => Promise<void>
}

/** Messages that wait for another attempt; beyond, nothing new is started. */
const MAX_UNSETTLED = 400

/** Sends `ratePerS` messages a second, each again and again as its sender does. */
export function startSenders(client: Client, messages: Iterator<Message>, ratePerS: number): Senders {
  const ledger: Ledger = { acknowledged: new Map(), givenUp: [], answers: {}, attempts: 0 }
  const unsettled = new Set<Promise<void>>()
  const stopping = new AbortController()
  let open = 0

  async function deliver(message: Message): Promise<void> {
    for (const delay of [0, ...message.delays]) {
      if (delay > 0) await sleep(delay)
      open += 1
      const outcome = await client.send(message.toRequest(), message.timeoutMs)
      open -= 1
      const answer = String(outcome.status ?? outcome.failure)
      ledger.attempts += 1
      ledger.answers[answer] = (ledger.answers[answer] ?? 0) + 1
      if (outcome.status === null || outcome.status >= 300) continue
      ledger.acknowledged.set(message, receiptsOf(outcome))
      return
    }
    ledger.givenUp.push(message)
  }

  const running = (async () => {
    const began = performance.now()
    for (let sent = 0; !stopping.signal.aborted; sent += 1) {
      const dueIn = began + (sent * 1000) / ratePerS - performance.now()
      if (dueIn > 0) await sleep(dueIn, undefined, { signal: stopping.signal }).catch(() => {})
      if (stopping.signal.aborted) return
      if (unsettled.size >= MAX_UNSETTLED) await Promise.race(unsettled)
      const settled: Promise<void> = deliver(messages.next().value).finally(() => unsettled.delete(settled))
      unsettled.add(settled)
    }
  })()

  return {
    ledger,
    open: () => open,
    async finish() {
      stopping.abort()
      await running
      while (unsettled.size > 0) await Promise.race(unsettled)
    },
  }
}

function receiptsOf({ body }: Outcome): Set<string> {
  return new Set(typeof body?.receipt_id === 'string' ? [body.receipt_id] : [])
}
