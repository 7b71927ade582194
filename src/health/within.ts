import { setImmediate as nextTurn } from 'node:timers/promises'

/** What was measured did not come in time. */
export class TooLate extends Error {
  override name = 'TooLate'
}

/**
 * What `work` resolves to, or TooLate after `timeoutMs`. An answer that lies in the socket while this process was busy is
 * not late: after the time is over, the event loop gets round to it first. What loses the race may still reject.
 */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(async () => {
      for (let turn = 0; turn < 3; turn += 1) await nextTurn()
      reject(new TooLate(`no answer within ${timeoutMs} ms`))
    }, timeoutMs)
  })
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
