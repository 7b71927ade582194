import type { apiMetrics } from './catalogue.ts'
import type { Metrics } from './registry.ts'

type ProcessMetrics = Pick<
  Metrics<
    Pick<
      typeof apiMetrics,
      'skd_process_start_time_seconds' | 'skd_process_cpu_seconds_total' | 'skd_process_resident_memory_bytes'
    >
  >,
  'add' | 'set'
>

/** Seconds that were entered, by registry. */
const entered = new WeakMap<object, number>()

/** Brings the figures of the process itself up to date. */
export function measureProcess(metrics: ProcessMetrics): void {
  const { user, system } = process.cpuUsage()
  const total = (user + system) / 1_000_000
  metrics.add('skd_process_cpu_seconds_total', {}, Math.max(0, total - (entered.get(metrics) ?? 0)))
  entered.set(metrics, total)
  metrics.set('skd_process_start_time_seconds', {}, performance.timeOrigin / 1_000)
  metrics.set('skd_process_resident_memory_bytes', {}, process.memoryUsage.rss())
}
