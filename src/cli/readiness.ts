import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartError } from './start-error.ts'
import type { Running } from './supervise.ts'

const READY_TIMEOUT_MS = 60_000
const READY_POLL_MS = 40

/** Resolves when `url` answers 200. Throws StartError when the API has ended, or after a minute. */
export async function becomesReady(url: string, api: Running | null, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  let hasEnded = false
  void api?.exited.then(() => {
    hasEnded = true
  })
  for (;;) {
    signal?.throwIfAborted()
    const answer = await ask(url)
    if (answer === 200) return
    if (hasEnded) throw new StartError('The API ended before it was ready; its last lines are above.')
    if (performance.now() > deadline) {
      const heard = answer === null ? 'does not answer' : `answers ${answer}`
      throw new StartError(`After ${READY_TIMEOUT_MS / 1000} s ${url} still ${heard}.`)
    }
    await sleep(READY_POLL_MS)
  }
}

function ask(url: string): Promise<number | null> {
  return new Promise((done) => {
    const request = get(url, { agent: false, timeout: 5_000 }, (response) => {
      response.resume()
      done(response.statusCode ?? null)
    })
    request.on('timeout', () => request.destroy())
    request.on('error', () => done(null))
  })
}
