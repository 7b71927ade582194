import { setTimeout as sleep } from 'node:timers/promises'
import { openClient } from '../../load/client.ts'

export const PROBES = {
  live: '/health/live',
  ready: '/health/ready',
  worker: '/health/worker',
  status: '/api/health',
} as const
export type ProbeName = keyof typeof PROBES

/** As long as an orchestrator waits by default; what takes longer is no. */
const TIMEOUT_MS = 1_000

export interface Answer {
  /** When it came, by `performance.now()`. */
  at: number
  isGood: boolean
  /** `200`, `503 /checks/grants`, `degraded`, `timed out`. */
  says: string
}

export interface Probing {
  /** The next answer that came after `since` and is as wished; throws after `timeoutMs`. */
  until: (probe: ProbeName, isGood: boolean, since: number, timeoutMs?: number) => Promise<Answer>
  /** All answers of a probe since the last call. */
  take: (probe: ProbeName) => Answer[]
  stop: () => Promise<void>
}

/** Asks each probe again and again, `pauseMs` after its last answer. */
export function startProbing(url: string, pauseMs: number): Probing {
  const client = openClient(url, Object.keys(PROBES).length)
  const answers: Record<ProbeName, Answer[]> = { live: [], ready: [], worker: [], status: [] }
  const stopping = new AbortController()
  const loops = (Object.keys(PROBES) as ProbeName[]).map(async (probe) => {
    while (!stopping.signal.aborted) {
      const { status, failure, body } = await client.send({ method: 'GET', path: PROBES[probe] }, TIMEOUT_MS)
      const isGood = status === 200 && (probe !== 'status' || body?.status === 'healthy')
      const pointers = ((body?.errors as { pointer: string }[] | undefined) ?? []).map(({ pointer }) => pointer)
      const parts = ((body?.components as { name: string; status: string }[] | undefined) ?? [])
        .filter((part) => part.status !== 'up')
        .map((part) => `${part.name} ${part.status}`)
      const says =
        status === 200 && !isGood
          ? [body?.status, parts.join(', ')].join(': ')
          : [status ?? failure, ...pointers].join(' ')
      answers[probe].push({ at: performance.now(), isGood, says })
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })
  return {
    async until(probe, isGood, since, timeoutMs = 20_000) {
      for (;;) {
        const found = answers[probe].find((answer) => answer.at >= since && answer.isGood === isGood)
        if (found !== undefined) return found
        if (performance.now() - since > timeoutMs) {
          const last = answers[probe].at(-1)?.says ?? 'nothing'
          throw new Error(`${PROBES[probe]} is not ${isGood ? 'good' : 'bad'} after ${timeoutMs} ms; it says ${last}`)
        }
        await sleep(5)
      }
    },
    take: (probe) => answers[probe].splice(0),
    async stop() {
      stopping.abort()
      await Promise.all(loops)
      client.close()
    },
  }
}
