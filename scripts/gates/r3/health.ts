import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { latencyOf } from '../../load/latency.ts'
import type { Report } from './report.ts'

const PATHS = ['/health/live', '/health/ready']
const EVERY_MS = 250
/** Milliseconds for 95 of 100. As long as an orchestrator waits for a probe before it counts as failed. */
const MAX_P95_MS = 1_000

export interface HealthWatch {
  /** Ends it, and says what was answered. */
  stop: () => Promise<Report['checks'][number]>
  /** Ends it however it is. */
  end: () => Promise<void>
}

interface Seen {
  /** `/health/live 200`, `/health/ready 503 /checks/pool`, and how often. */
  answers: Record<string, number>
  latenciesMs: number[]
}

/**
 * Asks the health endpoints all the while, as an orchestrator does: load must not starve them. In a thread of its own, so
 * that the harness, which signs thousands of deliveries, does not starve it either.
 */
export function watchHealth(url: string): HealthWatch {
  const worker = new Worker(new URL(import.meta.url), { workerData: { healthUrl: url } })
  return {
    async stop() {
      worker.postMessage('stop')
      const [seen] = (await once(worker, 'message')) as [Seen]
      await worker.terminate()
      return judge(seen)
    },
    end: async () => void (await worker.terminate()),
  }
}

function judge({ answers, latenciesMs }: Seen): Report['checks'][number] {
  const { p95 } = latencyOf(latenciesMs)
  const others = Object.entries(answers).filter(([answer]) => !answer.endsWith(' 200'))
  return {
    name: 'health all the while',
    seen: `${latenciesMs.length} answers, p95 ${p95?.toFixed(0) ?? '-'} ms, the slowest in ${Math.max(...latenciesMs).toFixed(0)} ms`,
    faults: [
      ...others.map(([answer, count]) => `${answer}, ${count} times`),
      ...(p95 === null || p95 > MAX_P95_MS
        ? [`p95 is ${p95?.toFixed(0) ?? 'unknown'} ms: at most ${MAX_P95_MS} ms is asked for`]
        : []),
    ],
  }
}

async function watch(url: string): Promise<void> {
  const seen: Seen = { answers: {}, latenciesMs: [] }
  let isStopped = false
  parentPort?.once('message', () => {
    isStopped = true
  })
  while (!isStopped) {
    for (const path of PATHS) {
      const began = performance.now()
      const status = await fetch(url + path).then(
        async (answer) => {
          const { errors = [] } = (await answer.json()) as { errors?: { pointer: string }[] }
          return [answer.status, ...errors.map(({ pointer }) => pointer)].join(' ')
        },
        (error: Error) => error.message,
      )
      seen.latenciesMs.push(performance.now() - began)
      seen.answers[`${path} ${status}`] = (seen.answers[`${path} ${status}`] ?? 0) + 1
    }
    await sleep(EVERY_MS)
  }
  parentPort?.postMessage(seen)
}

if (!isMainThread && workerData?.healthUrl !== undefined) await watch(workerData.healthUrl as string)
